"""A script of `scripts/` as a process, and as a process in a terminal."""

import asyncio
import os
import pty
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from standin import Standin

from ..places import ROOT
from .harness import PATIENCE, environment


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def bare(home: Path, **extra: str) -> dict[str, str]:
    """A person's environment in which nothing speaks for colour or against it, without display, ssh and browser."""
    leave = re.compile(r"^(NO_COLOR|FORCE_COLOR|TERM|COLUMNS|CODEX_PROXY_PORT|(WAYLAND_)?DISPLAY|BROWSER)$|^SSH_")
    return {name: value for name, value in environment(home).items() if not leave.search(name)} | extra


def take_interrupts() -> None:
    """Where a shell runs the tests in the background, it has them ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def command(name: str, args: tuple[str, ...]) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *args]


async def begin(home: Path, *args: str, **env: str) -> asyncio.subprocess.Process:
    """As scripts/NAME starts it (`env_exec`), without a terminal; all it says is in its standard output."""
    return await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "scripts" / "begin.py"), *args, cwd=home, env=bare(home, **env), stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, preexec_fn=take_interrupts,
    )  # fmt: skip


async def run(name: str, home: Path, *args: str, **env: str) -> Ended:
    """Without a terminal, with the umask that hides nothing."""
    process = await asyncio.create_subprocess_exec(
        *command(name, args), cwd=home, env=bare(home, **env), umask=0, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


class Terminal:
    """A script that has a terminal of its own."""

    def __init__(self, process: asyncio.subprocess.Process, end: int) -> None:
        self.process, self.end, self.text = process, end, ""
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, name: str, home: Path, *args: str, **env: str) -> "Terminal":
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *command(name, args), cwd=home, env=bare(home, **{"TERM": "xterm-256color", **env}), start_new_session=True,
            stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_interrupts,
        )  # fmt: skip
        os.close(theirs)
        return cls(process, ours)

    async def _read(self) -> None:
        while True:
            try:
                data = await asyncio.to_thread(os.read, self.end, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                return
            self.text += data.decode("utf-8", "replace")

    async def shows(self, pattern: str) -> re.Match[str]:
        await until(lambda: self._reader.done() or bool(re.search(pattern, self.text)))
        found = re.search(pattern, self.text)
        assert found, self.text
        return found

    async def answers(self, question: str, text: str) -> None:
        await self.shows(question)
        os.write(self.end, text.encode())

    async def ended(self) -> Ended:
        async with asyncio.timeout(PATIENCE):
            status = await self.process.wait()
            await self._reader
        self._close()
        return Ended(status, self.text, "")

    async def stop(self) -> None:
        """Whatever it is doing; harmless after `ended`."""
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()

    def _close(self) -> None:
        end, self.end = self.end, -1
        if end != -1:
            os.close(end)


async def until(condition: Callable[[], bool]) -> None:
    """What another process does has no event to wait for."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def check_no_secrets(ended: Ended, standin: Standin) -> None:
    """No token, not even half of one, and not whose login it is."""
    text = ended.out + ended.err
    assert "Traceback" not in text, text
    for token in [*standin.tokens.access, *standin.tokens.refresh]:
        for part in token.split("."):
            assert part[:24] not in text and part[-24:] not in text
    for login in {each for each, _ in standin.tokens.access.values()}:
        assert login.email not in text and login.account_id not in text and login.user_id not in text
