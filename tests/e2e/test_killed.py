"""A program that ends, or is killed, while it renews a token: at any line of it, the next one goes on as well as can be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..places import ROOT

# Some hundred processes one after the other take their time on a busy machine, in seconds.
PATIENCE = 400

PROGRAM = f"""
import asyncio, json, os, signal, sys, threading
sys.path.insert(0, {str(ROOT / "addon")!r})
from pathlib import Path
from codex_proxy.account.login import Grant
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.tokens import TokenStore
path = Path(sys.argv[1])
"""

ENDS = """
asked = asyncio.Event()
async def main():
    loop = asyncio.get_running_loop()
    async def refresh(refresh_token, *, proactive, client_id):
        loop.call_soon_threadsafe(asked.set)
        await asyncio.sleep(0.3)
        return Grant("renewed", "r2", None, 3600)
    asking = asyncio.create_task(TokenStore(LoginFile(path), refresh).fresh())
    await asked.wait()
asyncio.run(main())
"""


def run(program: str, path: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + program, str(path)],
        stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A login whose tokens are easy to tell, and which has ended."""
    path = tmp_path / "home" / "auth.json"
    path.parent.mkdir()
    tokens = {"access_token": "old", "refresh_token": "r1", "account_id": "acc", "expires_at": 1}
    path.write_text(json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": None}))
    return path


def test_a_program_that_ends_keeps_what_it_is_just_being_granted(path: Path) -> None:
    run(ENDS, path)
    assert json.loads(path.read_text())["tokens"]["refresh_token"] == "r2"
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


# The process is killed at the first line that it runs of ours, at the second, and so on, until it gets to the end. Each time
# the next program finds out what has become of the login, at a server that takes each refresh token once. What that server
# knows is replaced in one step, as it may be killed in another thread's line.
KILLED_AT_EVERY_LINE = """
from codex_proxy.errors import LoginError
valid = path.parent.with_name("valid")
def now_valid(token):
    valid.with_suffix(".new").write_text(token)
    valid.with_suffix(".new").replace(valid)
now_valid("r0")
fresh = json.loads(path.read_text())
async def refresh(refresh_token, *, proactive, client_id):
    if refresh_token != valid.read_text():
        raise LoginError("refresh_token_reused", "")
    new = "r" + str(int(refresh_token[1:]) + 1)
    now_valid(new)
    return Grant("access " + new, new, None, 3600)
def login(expires_at):
    fresh["tokens"] |= {"refresh_token": valid.read_text(), "expires_at": expires_at}
    path.write_text(json.dumps(fresh))
def next_start():
    return asyncio.run(TokenStore(LoginFile(path), refresh).fresh()).refresh_token
def renew_until(last):
    count = 0
    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith(("tokens.py", "login_file.py", "login.py", "draft.py", "writable.py", "<string>")):
            return None
        count += event == "line"
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    threading.settrace(trace)
    sys.settrace(trace)
    next_start()
    os._exit(0)
import codex_proxy.account.tokens
codex_proxy.account.tokens.BETWEEN_LOOKS = 0.0
for last in range(1, 1000):
    login(1)
    before = valid.read_text()
    child = os.fork()
    if child == 0:
        renew_until(last)
    killed = os.waitpid(child, 0)[1]
    found, granted = json.loads(path.read_text())["tokens"]["refresh_token"], valid.read_text()
    try:
        after = next_start()
    except LoginError as e:
        after = e.code
    print(before, granted, found, after, sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"])
    if killed == 0:
        break
"""


def test_a_program_killed_at_any_line_of_a_renewal_loses_next_to_nothing(path: Path) -> None:
    told = [line.split() for line in run(KILLED_AT_EVERY_LINE, path)]
    assert len(told) > 80
    seen = []
    for before, granted, found, after, is_tidy in told:
        # What is in the file is what was before, or what was granted.
        assert found in (before, granted) and is_tidy == "True"
        if after == "refresh_token_reused":
            assert found == before != granted
            seen.append("lost")
        elif found == granted != before:
            seen.append("in place")
        elif granted != before:
            assert after == granted
            seen.append("recovered")
        else:
            seen.append("not asked")
    # The window in which a token is lost is some lines long, and what the disk takes its time for is not in it.
    assert (seen[0], seen[-1]) == ("not asked", "in place")
    assert set(seen) == {"not asked", "lost", "recovered", "in place"}
    assert seen.count("lost") < 80
