"""One login file and many hands: other processes, people, kills and a full disk. No token is lost, none is spent twice."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from standin import Standin

from ..places import ROOT
from .a_script import run
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client, write_login


async def start_with(start: Start, standin: Standin, path: Path) -> Proxy:
    return await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path)


async def ask(proxy: Proxy) -> httpx2.Response:
    async with new_client(proxy) as client:
        return await client.post("/responses", json=QUESTION)


def tokens_in(path: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(path.read_text())["tokens"]
    return found


def state(standin: Standin, path: Path) -> str:
    """What the server makes of the refresh token in the file."""
    return standin.tokens.states[tokens_in(path)["refresh_token"]]


# `sys.argv` is the login's file, the OAuth server, the backend.
PROGRAM = f"""
import asyncio, json, os, random, signal, sys, time
sys.path.insert(0, {str(ROOT / "addon")!r})
from pathlib import Path
from codex_proxy.net import policy
from codex_proxy.account import tokens
from codex_proxy.backend import calls as backend_calls
from codex_proxy.errors import LoginError
from codex_proxy.account.login_file import LoginFile
path, issuer, base = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
tokens.BETWEEN_LOOKS = 0.0
def new_store():
    return backend_calls.token_store(LoginFile(path), issuer, "nanobot-proxy")
"""


async def start_program(text: str, path: Path, standin: Standin) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM + text, str(path), standin.issuer, standin.upstream,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


ONE_OF_TWENTY = """
calls = backend_calls.BackendCalls(base, "nanobot-proxy", new_store())
print("ready", flush=True)
sys.stdin.readline()
print(asyncio.run(calls.get(base + "/models?client_version=0.169.0", policy.CATALOGUE)).status)
"""


async def test_twenty_processes_on_one_file_spend_its_refresh_token_once(standin: Standin, tmp_path: Path) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
    link = tmp_path / "link.json"
    link.symlink_to(path)
    programs = [await start_program(ONE_OF_TWENTY, (path, link)[n % 2], standin) for n in range(20)]
    for program in programs:
        assert program.stdout and await program.stdout.readline() == b"ready\n"
    answers = await asyncio.gather(*(program.communicate(b"go\n") for program in programs))

    assert [out for out, _ in answers] == [b"200\n"] * 20
    assert [call.refusal for call in standin.refresh_calls] == [None]
    assert state(standin, path) == "live" and link.is_symlink()


# A process that is killed.


KILLED_AT_ANY_MOMENT = """
chance = random.Random(7)
for line in sys.stdin:
    path.write_text(line)
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"!")
        asyncio.run(new_store().fresh())
        os._exit(0)
    os.read(ready, 1)
    time.sleep(chance.random() * 0.06)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = json.loads(path.read_text())["tokens"]["refresh_token"]
    try:
        print(found, asyncio.run(new_store().fresh()).refresh_token, flush=True)
    except LoginError as e:
        print(found, e.code, flush=True)
"""


async def test_a_process_killed_at_any_moment_leaves_a_file_to_go_on_with(standin: Standin, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    logins = [standin.login(expires_in=-10) for _ in range(25)]
    program = await start_program(KILLED_AT_ANY_MOMENT, path, standin)
    out, _ = await program.communicate("".join(json.dumps(login) + "\n" for login in logins).encode())
    told = [line.split() for line in out.decode().splitlines()]

    assert program.returncode == 0 and len(told) == len(logins)
    lost = 0
    for login, (found, after) in zip(logins, told, strict=True):
        before = login["tokens"]["refresh_token"]
        # Once another is in place, it is the one that was granted; no token is ever spent twice where one was kept.
        assert standin.tokens.states[before] == "used"
        if after == "refresh_token_reused":
            assert found == before
            lost += 1
        else:
            assert standin.tokens.states[after] == "live" and found in (before, after)
    # Killed between the server's answer and the write of it: a matter of a millisecond, where the machine is not too busy.
    assert lost < len(logins) / 2, told
    assert sorted(each.name for each in tmp_path.iterdir()) == ["auth.json", "auth.lock"]


async def test_after_a_kill_in_the_one_moment_that_loses_the_token_the_next_start_says_so(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
    proxy = await start_with(start, standin, path)
    standin.hold(before_headers=True, kind="token")
    asking = asyncio.create_task(ask(proxy))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    # Spent, and the answer is on its way.
    assert state(standin, path) == "used"
    proxy.process.kill()
    with pytest.raises(httpx2.HTTPError):
        await asking
    standin.release()

    proxy = await start_with(start, standin, path)
    await proxy.logged(
        "A program was killed while it renewed this login; if its new token is lost, log in again. Run: .+scripts/login --auth-file"
    )
    answer = await ask(proxy)
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "refresh_token_reused"
    assert "stopped while it renewed" in answer.json()["error"]["message"]
    assert "scripts/login" in answer.json()["error"]["message"]
    write_login(path, standin.login())
    assert (await ask(proxy)).status_code == 200
    assert not list(tmp_path.glob(".auth*"))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_a_proxy_that_is_stopped_keeps_the_token_it_is_just_being_granted(
    ending: signal.Signals, start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
    proxy = await start_with(start, standin, path)
    standin.hold(before_headers=True, kind="token")
    asking = asyncio.create_task(ask(proxy))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    # The client does not wait either.
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    proxy.process.send_signal(ending)
    await asyncio.sleep(0.3)
    assert proxy.process.returncode is None
    standin.release()
    await proxy.ended()

    assert state(standin, path) == "live" and len(standin.refresh_calls) == 1


async def test_a_log_out_while_the_token_is_renewed_is_a_log_out(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
    proxy = await start_with(start, standin, path)
    standin.hold(before_headers=True, kind="token")
    asking = asyncio.create_task(ask(proxy))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    ending = asyncio.create_task(run("logout", tmp_path, "--yes", "--auth-file", str(path), "--issuer", standin.issuer))
    await asyncio.sleep(0.5)
    assert not ending.done()
    standin.release()

    assert (await ending).status == 0 and not path.exists()
    # What was granted meanwhile has been ended with it.
    assert set(standin.tokens.states.values()) == {"used", "revoked"}
    await asking

    async def is_logged_out() -> bool:
        return (await ask(proxy)).status_code == 401

    await within_a_second(is_logged_out)
    assert not path.exists()


# A file that is changed by others, while the proxy runs.

# It is noticed within a second; the request that notices it takes its own time, more so on a busy machine.
NOTICED = 2.0


async def within_a_second(true: Callable[[], Awaitable[bool]]) -> None:
    began = time.monotonic()
    while not await true():
        assert time.monotonic() - began < NOTICED
        await asyncio.sleep(0.02)


def a_folder(path: Path) -> None:
    # Root may read any file, but no folder.
    path.unlink()
    path.mkdir()


UNREADABLE: dict[str, Callable[[Path], Any]] = {
    "half-written": lambda path: path.write_text(path.read_text()[:300]),
    "a folder": a_folder,
}


async def test_a_file_that_others_change_is_followed_without_a_restart(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", standin.login())
    proxy = await start_with(start, standin, path)
    async with new_client(proxy) as client:

        async def answered() -> Any:
            answer = await client.post("/responses", json=QUESTION)
            return answer.status_code if answer.status_code == 200 else answer.json()["error"]["code"]

        async def account() -> str:
            assert await answered() == 200
            return dict((name.lower(), value) for name, value in standin.requests[-1].headers)["chatgpt-account-id"]

        async def goes_to(other: dict[str, Any]) -> bool:
            return bool(await account() == other["tokens"]["account_id"])

        async def is_logged_out() -> bool:
            return bool(await answered() == "login_missing")

        assert await answered() == 200
        for name, change in UNREADABLE.items():
            before = await account()
            change(path)
            # Nothing is lost while nobody can read it: longer than it takes to look again.
            began = time.monotonic()
            while time.monotonic() - began < 1.1:
                assert await account() == before, name
            assert (await client.get("/healthz")).status_code == 200, name
            assert "Continuing with the login in memory" in proxy.log
            if path.is_dir():
                path.rmdir()
            other = standin.login()
            write_login(path, other)
            await within_a_second(lambda other=other: goes_to(other))  # type: ignore[misc]

        aside = path.rename(tmp_path / "aside")
        assert (await client.get("/healthz")).status_code == 503
        await within_a_second(is_logged_out)
        aside.rename(path)
        assert await answered() == 200
        assert (await client.get("/healthz")).status_code == 200
    assert standin.refresh_calls == []


# A disk that is full.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        # No package brings that right, so it is no failure under CI either.
        pytest.xfail("only root may mount a disk of a few pages; under `unshare -Urm` everybody is")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        pytest.xfail(f"mounting is not allowed here: {done.stderr}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return


async def test_on_a_full_disk_the_new_token_is_used_and_kept_when_there_is_room(
    start: Start, standin: Standin, small_disk: Path
) -> None:
    document = standin.login(expires_in=-10)
    path = write_login(small_disk / "auth.json", document)
    proxy = await start_with(start, standin, path)
    fill(small_disk / "filler")
    for _ in range(3):
        assert (await ask(proxy)).status_code == 200
        assert json.loads(path.read_text()) == document
    await proxy.logged(r"could not be written to .+auth.json \(No space left on device\): it is in memory only")
    # Looked at for longer than it takes to look again.
    await asyncio.sleep(1.1)
    assert (await ask(proxy)).status_code == 200
    assert len(standin.refresh_calls) == 1

    (small_disk / "filler").unlink()
    await proxy.logged("The renewed token is now written to")
    assert state(standin, path) == "live"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in small_disk.iterdir()) == ["auth.json", "auth.lock"]
    await proxy.stop()

    proxy = await start_with(start, standin, path)
    assert (await ask(proxy)).status_code == 200
    assert len(standin.refresh_calls) == 1


async def test_a_script_that_got_a_new_token_on_a_full_disk_waits_for_room(standin: Standin, small_disk: Path) -> None:
    path = write_login(small_disk / "auth.json", standin.login(expires_in=-10))
    (small_disk / "auth.lock").touch()
    fill(small_disk / "filler")
    ending = asyncio.create_task(
        run(
            "status", small_disk, "--auth-file", str(path), "--issuer", standin.issuer,
            "--upstream", standin.upstream, "--url", "http://127.0.0.1:1",
        )
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        # It has the new token, and has used it.
        while not standin.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    assert not ending.done() and state(standin, path) == "used"
    (small_disk / "filler").unlink()
    ended = await ending
    assert ended.status == 0 and "in memory only" in ended.err
    assert state(standin, path) == "live"
