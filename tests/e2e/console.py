"""mitmproxy's console in a pseudo-terminal: keys in, and everything it ever drew."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import AsyncIterator
from pathlib import Path

from .harness import PATIENCE, environment

# So wide that no header is cut off, so high that a whole page fits.
ROWS, COLUMNS = 120, 400

CONTROL = re.compile(rb"\x1b\[[\d;?]*[A-Za-z]|\x1b[()].|\x1b[=>78]|[\x0e\x0f]")


class Console:
    """A running console. What it draws is kept from the first byte to the last."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.drawn = bytearray()
        self.looked = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self.terminal, 1 << 16)
        except OSError:  # Linux says so when the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.terminal)
        self.drawn += data
        self._news.set()

    async def press(self, keys: str, *shown: str) -> None:
        """Type, and wait until each of these texts was drawn after that."""
        start = len(self.drawn)
        os.write(self.terminal, keys.encode())
        await self.shows(*shown, start=start)

    async def shows(self, *texts: str, start: int = 0) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not all(text in self.text(start) for text in texts):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{texts} not drawn, but:\n{self.text(start)}") from None

    def text(self, start: int = 0) -> str:
        return CONTROL.sub(b"", bytes(self.drawn[start:])).decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def console(home: Path, *command: str, **extra: str) -> AsyncIterator[Console]:
    """`command` in a terminal of its own, ended with the block."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=home,
        env=environment(home, TERM="xterm-256color", **extra),
    )  # fmt: skip
    os.close(theirs)
    running = Console(ours)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
