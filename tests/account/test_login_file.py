import asyncio
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.account.login_file import LoginFile
from codex_proxy.errors import LoginError

from ..places import ADDON

OLD = {"tokens": {"access_token": "old", "unknown": [1]}, "OPENAI_API_KEY": None}
NEW = {"z": 1, "tokens": {"refresh_token": "後", "access_token": "new"}, "a": {"y": None, "b": True}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "auth.json"
    path.parent.mkdir()
    path.write_text(json.dumps(OLD))
    return path


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def write(path: Path, document: Any) -> None:
    LoginFile(path).draft().commit(document)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# Reading.


def test_a_login_is_read_as_it_stands(path: Path) -> None:
    assert LoginFile(path).load() == OLD


def test_without_a_file_the_error_names_it_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(LoginError) as e:
        LoginFile(tmp_path / "auth.json").load()
    assert e.value.code == "login_missing"
    assert str(tmp_path / "auth.json") in e.value.message and "codex login" in e.value.message


def test_without_a_file_the_login_of_the_environment_counts(tmp_path: Path) -> None:
    seed = {"tokens": {"access_token": "a"}}
    loaded = LoginFile(tmp_path / "state.json", seed).load()
    assert loaded == seed and loaded is not seed


def test_a_file_wins_over_the_login_of_the_environment(path: Path) -> None:
    assert LoginFile(path, {"tokens": {}}).load() == OLD


@pytest.mark.parametrize(
    "content", [b'{"tokens": {"access_to', b"\xff", b"[" * 100_000, b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}"]
)
def test_a_file_that_stays_half_is_told_as_such(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LoginError, match="not complete JSON") as e:
        LoginFile(path).load()
    assert e.value.code == "login_unreadable"


def test_a_file_that_can_not_be_read_is_told_why(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="can't be read: it is a folder") as e:
        LoginFile(tmp_path).load()
    assert e.value.code == "login_unreadable"


def test_a_file_that_is_just_being_written_is_read_once_it_is_whole(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    writing = threading.Timer(0.1, path.write_bytes, [whole])
    writing.start()
    assert LoginFile(path).load() == OLD
    writing.join()


# Noticing a change.


def test_the_signature_stays_while_nothing_changes(path: Path) -> None:
    file = LoginFile(path)
    assert file.signature() is not None
    assert file.signature() == file.signature()
    file.load()
    assert file.signature() == LoginFile(path).signature()


def test_without_a_file_there_is_no_signature(tmp_path: Path) -> None:
    assert LoginFile(tmp_path / "auth.json").signature() is None


def test_the_signature_tells_a_file_that_took_the_place_of_one_of_the_same_size_and_time(path: Path) -> None:
    file = LoginFile(path)
    before, times = file.signature(), path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    assert file.signature() != before


def test_the_signature_tells_a_file_written_in_place(path: Path) -> None:
    file = LoginFile(path)
    before, times = file.signature(), path.stat()
    path.write_text("{}")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.signature() != before


def test_the_signature_tells_a_file_of_another_time(path: Path) -> None:
    file = LoginFile(path)
    before = file.signature()
    os.utime(path, ns=(1, 1))
    assert file.signature() != before


def test_the_signature_is_of_what_a_link_leads_to(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert LoginFile(link).signature() == LoginFile(path).signature()


# Writing.


def test_what_is_written_is_what_the_official_client_would_write(path: Path) -> None:
    write(path, NEW)
    assert path.read_text() == json.dumps(NEW, indent=2, ensure_ascii=False)
    assert list(json.loads(path.read_text())) == ["z", "tokens", "a"]


def test_nothing_is_left_beside_what_is_written(path: Path) -> None:
    write(path, NEW)
    assert names(path.parent) == ["auth.json"]


@pytest.mark.usefixtures("no_umask")
@pytest.mark.parametrize(
    "before", [0o600, 0o644, 0o666, None], ids=lambda before: f"{before:o}" if before else "new file"
)
def test_only_the_owner_may_read_what_is_written(path: Path, before: int | None) -> None:
    if before is None:
        path.unlink()
    else:
        path.chmod(before)
    write(path, NEW)
    assert mode(path) == 0o600


@pytest.mark.usefixtures("no_umask")
def test_not_even_for_a_moment_may_others_read_it(path: Path) -> None:
    draft = LoginFile(path).draft()
    assert draft.path and mode(draft.path) == 0o600
    draft.drop()


def test_the_owner_of_a_file_stays_its_owner(path: Path) -> None:
    owner = (12345, 12346) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    write(path, NEW)
    assert (path.stat().st_uid, path.stat().st_gid) == owner


@pytest.mark.parametrize("relative", [False, True])
def test_a_link_stays_a_link_and_what_it_leads_to_is_written(path: Path, tmp_path: Path, relative: bool) -> None:
    second, link = tmp_path / "second.json", tmp_path / "elsewhere" / "auth.json"
    link.parent.mkdir()
    second.symlink_to(path)
    link.symlink_to(os.path.relpath(second, link.parent) if relative else second)
    write(link, NEW)
    assert link.is_symlink() and second.is_symlink() and not path.is_symlink()
    assert json.loads(path.read_text()) == NEW
    assert names(link.parent) == names(path.parent) == ["auth.json"]


def test_a_link_to_a_file_that_is_not_there_yet_brings_it_about(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "auth.json"
    path.unlink()
    link.symlink_to(path)
    write(link, NEW)
    assert link.is_symlink() and json.loads(path.read_text()) == NEW


def test_what_was_read_before_is_written_whole_in_one_step(path: Path) -> None:
    with path.open("rb") as reader:
        write(path, NEW)
        assert json.load(reader) == OLD


def test_a_draft_that_is_dropped_leaves_nothing(path: Path) -> None:
    before = path.stat()
    draft = LoginFile(path).draft()
    assert os.fstat(draft.fd)
    draft.drop()
    draft.drop()
    assert draft.fd == -1 and names(path.parent) == ["auth.json"] and path.stat() == before


def test_to_drop_what_was_committed_does_no_harm(path: Path) -> None:
    draft = LoginFile(path).draft()
    draft.commit(NEW)
    draft.drop()
    assert json.loads(path.read_text()) == NEW


def test_a_draft_whose_folder_is_gone_can_not_be_committed(path: Path) -> None:
    draft = LoginFile(path).draft()
    shutil.rmtree(path.parent)
    with pytest.raises(OSError):
        draft.commit(NEW)
    draft.drop()


def test_a_folder_that_takes_no_draft_is_told_before_anything_is_spent(tmp_path: Path) -> None:
    with pytest.raises(LoginError) as e:
        LoginFile(tmp_path / "gone" / "auth.json").draft()
    assert e.value.code == "login_not_writable" and str(tmp_path / "gone") in e.value.message


# A program's text that is run beside the test: `sys.argv[1]` is the path of the login.
SETUP = f"""
import asyncio, json, os, signal, sys, threading, time, random
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account.login_file import LoginFile
path = Path(sys.argv[1])
file = LoginFile(path)
"""


def start(program: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SETUP + program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def run(program: str, path: Path) -> str:
    process = start(program, path)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return told


# The process is killed at its first line of what writes, at its second, and so on, until it gets to the end.
KILLED_AT_EVERY_LINE = """
document = json.loads(path.read_text())
for last in range(1, 5000):
    document["n"] = last
    child = os.fork()
    if child == 0:
        lines = 0
        def trace(frame, event, _):
            global lines
            if not frame.f_code.co_filename.endswith(("login_file.py", "draft.py", "writable.py")):
                return None
            lines += event == "line"
            if lines == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace
        threading.settrace(trace)
        sys.settrace(trace)
        file.draft().commit(document)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(json.loads(path.read_text()).get("n", 0), last, status)
    if status == 0:
        break
"""


def test_a_program_killed_at_any_line_of_the_writing_leaves_a_whole_file(path: Path) -> None:
    told = [tuple(map(int, line.split())) for line in run(KILLED_AT_EVERY_LINE, path).splitlines()]
    *killed, done = told
    assert done[2] == 0 and done[0] == done[1]
    assert {status for _, _, status in killed} == {signal.SIGKILL} and len(killed) > 50
    # Each time either what was there before, or what was to be written.
    assert all(now in (before, last) for (before, _, _), (now, last, _) in zip([(0, 0, 0), *told], told, strict=False))


KILLED_AT_ANY_MOMENT = """
chance = random.Random(7)
for _ in range(25):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        for n in range(10_000):
            file.draft().commit({"n": n, "filler": "x" * 200_000})
            if n == 0:
                os.write(tell, b"!")
        os._exit(1)
    os.read(ready, 1)
    time.sleep(chance.random() / 100)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    print(len(json.loads(path.read_text())["filler"]))
"""


def test_a_program_killed_at_any_moment_leaves_a_whole_file(path: Path) -> None:
    assert run(KILLED_AT_ANY_MOMENT, path).split() == ["200000"] * 25


DISK_FULL = """
import resource
draft = file.draft()
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    draft.commit({"filler": "x" * 200_000})
except OSError as e:
    print(e.strerror)
draft.drop()
"""


def test_a_disk_that_is_full_leaves_the_file_as_it_was(path: Path) -> None:
    assert run(DISK_FULL, path) == "File too large\n"
    assert json.loads(path.read_text()) == OLD and names(path.parent) == ["auth.json"]


# The lock.


def is_free(lock: Path) -> bool:
    """Could another program have it, one that knows nothing of us, as the official client?"""
    program = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    done = subprocess.run([sys.executable, "-S", "-c", program, str(lock)], capture_output=True)
    assert done.returncode == 0 or b"BlockingIOError" in done.stderr
    return done.returncode == 0


async def test_while_it_is_held_no_other_program_gets_the_lock(path: Path) -> None:
    lock = path.with_name("auth.lock")
    async with LoginFile(path).locked():
        assert not is_free(lock)
    assert is_free(lock)


async def test_a_login_behind_a_link_is_locked_under_both_names(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "auth.json"
    link.symlink_to(path)
    async with LoginFile(link).locked():
        assert not is_free(tmp_path / "auth.lock")
        assert not is_free(path.with_name("auth.lock"))


@pytest.mark.parametrize(
    "spelling", ["linked/auth.json", "home/auth.json", "home/../home/auth.json", "linked/link.json"]
)
async def test_however_a_path_is_spelt_its_lock_is_taken_once(
    spelling: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("linked").symlink_to("home")
    Path("home/link.json").symlink_to("auth.json")
    async with LoginFile(Path(spelling)).locked(0.2):
        assert not is_free(path.with_name("auth.lock"))
    assert is_free(path.with_name("auth.lock"))


async def test_the_lock_is_given_back_when_what_it_was_held_for_fails(path: Path) -> None:
    with pytest.raises(RuntimeError):
        async with LoginFile(path).locked():
            raise RuntimeError
    assert is_free(path.with_name("auth.lock"))


async def test_what_fails_under_the_lock_is_told_as_what_it_is(path: Path) -> None:
    with pytest.raises(PermissionError):
        async with LoginFile(path).locked():
            raise PermissionError


async def test_the_lock_file_stays_as_the_official_clients_does(path: Path) -> None:
    async with LoginFile(path).locked():
        pass
    assert names(path.parent) == ["auth.json", "auth.lock"]


@pytest.mark.usefixtures("no_umask")
async def test_a_folder_made_for_the_login_is_the_owners_alone(tmp_path: Path) -> None:
    async with LoginFile(tmp_path / "local" / "state" / "x.json").locked():
        assert mode(tmp_path / "local") == mode(tmp_path / "local" / "state") == 0o700
        assert mode(tmp_path / "local" / "state" / "x.lock") == 0o600


async def test_a_folder_that_takes_no_lock_is_told_as_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LoginError) as e:
        async with LoginFile(tmp_path / "file" / "auth.json").locked():
            raise AssertionError("not reached")
    assert e.value.code == "login_not_writable"


HOLD = """
async def hold():
    async with file.locked():
        print("held", flush=True)
        sys.stdin.readline()
        path.write_text('{"written": "by the other"}')
asyncio.run(hold())
"""


async def test_who_waits_for_the_lock_finds_what_the_other_has_written(path: Path) -> None:
    with start(HOLD, path) as other:
        assert other.stdin and other.stdout
        assert await asyncio.to_thread(other.stdout.readline) == "held\n"

        async def read_when_free() -> Any:
            async with LoginFile(path).locked():
                return LoginFile(path).load()

        waiting = asyncio.create_task(read_when_free())
        # Would the waiting hold up the event loop, the other would never be told to go on.
        await asyncio.sleep(0.1)
        assert not waiting.done()
        other.stdin.write("go on\n")
        other.stdin.close()
        assert await waiting == {"written": "by the other"}


async def test_the_lock_of_a_program_that_was_killed_is_free(path: Path) -> None:
    with start(HOLD, path) as other:
        assert other.stdout
        assert await asyncio.to_thread(other.stdout.readline) == "held\n"
        other.kill()
    async with LoginFile(path).locked():
        assert LoginFile(path).load() == OLD


COUNT_ON = """
async def count_on():
    for _ in range(8):
        async with file.locked():
            document = file.load()
            await asyncio.sleep(0)
            file.draft().commit({"n": document.get("n", 0) + 1})
asyncio.run(count_on())
"""


def test_of_what_several_programs_write_under_the_lock_nothing_is_lost(path: Path) -> None:
    programs = [start(COUNT_ON, path) for _ in range(4)]
    assert [program.wait(60) for program in programs] == [0] * 4
    for program in programs:
        program.communicate()
    assert json.loads(path.read_text()) == {"n": 32}


async def test_a_lock_held_in_the_manner_of_the_official_client_is_waited_for(path: Path) -> None:
    with path.with_name("auth.lock").open("a") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        waiting = asyncio.create_task(LoginFile(path).locked().__aenter__())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
