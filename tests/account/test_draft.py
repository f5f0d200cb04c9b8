import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.account.draft import Draft, DraftInPlace, create, overwrite
from codex_proxy.account.login_file import LoginFile

from ..mounts import NO_MOUNTS, mounted
from ..places import ADDON

OLD = {"tokens": {"access_token": "old", "refresh_token": "r1"}}
SHORT: dict[str, Any] = {"tokens": {"access_token": "new"}}
LONG = {"tokens": {"access_token": "new", "refresh_token": "r2" * 5000}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps(OLD, indent=2))
    return path


def in_place(path: Path) -> DraftInPlace:
    return DraftInPlace(create(path.with_name("draft")), path.with_name("draft"), path)


@pytest.mark.parametrize("new", [SHORT, LONG])
def test_written_in_place_it_is_the_same_file_with_another_content(path: Path, new: Any) -> None:
    path.chmod(0o640)
    before = path.stat()
    in_place(path).commit(new)
    after = path.stat()
    assert path.read_text() == json.dumps(new, indent=2)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode) and os.listdir(path.parent) == ["auth.json"]


def test_in_place_a_file_can_not_be_removed_but_emptied(path: Path) -> None:
    drafted = in_place(path)
    assert not drafted.remove()
    drafted.drop()
    assert path.read_text() == "{}\n" and os.listdir(path.parent) == ["auth.json"]


def test_what_could_be_written_but_not_put_in_place_is_left_for_the_next_start(path: Path) -> None:
    drafted = in_place(path)
    drafted.write(LONG)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        drafted.put()
    drafted.leave()
    assert json.loads(path.with_name("draft").read_text()) == LONG


def test_what_could_not_be_written_is_not_left(path: Path) -> None:
    drafted = Draft(create(path.with_name("draft")), path.with_name("draft"), path)
    os.close(drafted.fd)
    drafted.fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError):
        drafted.commit(LONG)
    drafted.leave()
    assert os.listdir(path.parent) == ["auth.json"]


def test_a_rename_that_is_refused_after_all_is_done_in_place(path: Path) -> None:
    if NO_MOUNTS:
        pytest.skip(NO_MOUNTS)
    program = f"""
import json, os, subprocess, sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account.login_file import LoginFile
path = Path(sys.argv[1])
draft = LoginFile(path).draft("r1")
subprocess.run(["mount", "--bind", str(path), str(path)], check=True)
draft.commit({LONG!r})
print(json.loads(path.read_text()) == {LONG!r}, os.listdir(path.parent))
"""
    done = mounted("true", path.parent, [sys.executable, "-c", program, str(path)])
    assert done.stdout == "True ['auth.json']\n", done


FULL = f"""
import json, os, signal, sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account.login_file import LoginFile
path = Path(sys.argv[1])
file = LoginFile(path, spare=path.parents[1] / "state")
draft = file.draft("r1")
fill = os.open(path.with_name("fill"), os.O_WRONLY | os.O_CREAT)
try:
    while True:
        os.write(fill, b"x" * 512)
except OSError:
    pass
try:
    draft.commit({LONG!r})
    print("written")
except OSError as e:
    print(e.strerror)
draft.leave()
print(json.loads(path.read_text()) == {OLD!r})
os.close(fill)
os.unlink(path.with_name("fill"))
file.draft("r1").commit({LONG!r})
print(json.loads(path.read_text()) == {LONG!r})
"""


@pytest.mark.skipif(bool(NO_MOUNTS), reason=NO_MOUNTS)
@pytest.mark.parametrize("readable", ["", "&& mount --bind disk/auth.json disk/auth.json"])
def test_a_full_disk_leaves_the_old_content_in_place_too(tmp_path: Path, readable: str) -> None:
    (tmp_path / "disk").mkdir()
    mounts = f"mount -t tmpfs -o size=64k none disk && echo '{json.dumps(OLD)}' > disk/auth.json {readable}"
    done = mounted(mounts, tmp_path, [sys.executable, "-c", FULL, str(tmp_path / "disk" / "auth.json")])
    assert done.stdout == "No space left on device\nTrue\nTrue\n", done


# At any line it is killed at, what is in the file is the old document or the new one, or the next look finds the new one.
KILLED = f"""
import json, os, signal, sys, threading
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account.draft import DraftInPlace
from codex_proxy.account.login_file import LoginFile
path = Path(sys.argv[1])
OLD, NEW = json.loads(sys.argv[2]), json.loads(sys.argv[3])
def write(last):
    count = 0
    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith("draft.py"):
            return None
        count += event == "line"
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    threading.settrace(trace)
    sys.settrace(trace)
    LoginFile(path).draft("r1").commit(NEW)
    os._exit(0)
for last in range(1, 1000):
    path.write_text(json.dumps(OLD, indent=2))
    child = os.fork()
    if child == 0:
        write(last)
    killed = os.waitpid(child, 0)[1]
    found = LoginFile(path).load()
    print("old" if found == OLD else "new" if found == NEW else found)
    if killed == 0:
        break
"""


@pytest.mark.skipif(bool(NO_MOUNTS), reason=NO_MOUNTS)
@pytest.mark.parametrize("old, new", [(OLD, LONG), (LONG, OLD)])
def test_killed_at_any_line_of_writing_in_place_the_old_or_the_new_content_is_read(
    tmp_path: Path, old: Any, new: Any
) -> None:
    (tmp_path / "home").mkdir()
    for name in ("host", "home/auth.json"):
        (tmp_path / name).write_text("{}")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "home" / "auth.json"), json.dumps(old), json.dumps(new)]
    done = mounted("mount --bind host home/auth.json", tmp_path, command)
    told = done.stdout.split()
    assert set(told) == {"old", "new"} and (told[0], told[-1]) == ("old", "new") and len(told) > 25, done


@pytest.mark.parametrize("content", [b"", b'{"tokens": {"acc', b"\0" * 300])
def test_a_file_that_was_torn_is_read_from_what_was_left_beside_it(path: Path, content: bytes) -> None:
    in_time = LoginFile(path).draft("r1")
    in_time.write(LONG)
    path.write_bytes(content)
    file = LoginFile(path)
    assert file.load() == LONG and file.is_torn


async def test_and_it_is_mended_under_the_lock(path: Path) -> None:
    LoginFile(path).draft("r1").write(LONG)
    path.write_text("")
    async with LoginFile(path).locked():
        assert json.loads(path.read_text()) == LONG
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


def test_a_short_write_is_gone_on_with(path: Path) -> None:
    program = f"""
import os, sys
sys.path.insert(0, {str(ADDON)!r})
real = os.write
os.write = lambda fd, data: real(fd, data[:7])
from pathlib import Path
from codex_proxy.account.draft import overwrite
overwrite(Path(sys.argv[1]), b"0123456789" * 20)
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)
    assert path.read_bytes() == b"0123456789" * 20


def test_overwriting_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        overwrite(tmp_path / "x", b"{}")
    assert os.listdir(tmp_path) == []
