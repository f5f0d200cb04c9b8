"""The real `mitmdump` as a process in front of the strict stand-in, over real sockets."""

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from ..places import ADDON

SCRIPT = ADDON / "codex.py"

# How long anything here may take before it counts as hung, in seconds.
PATIENCE = 30.0


class Proxy:
    """A running mitmproxy tool: its address and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process, command: list[str]) -> None:
        self.command = command
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())
        self.ports: list[int] = []
        self.may_fail = False

    async def _read(self) -> None:
        assert self.process.stdout
        while line := await self.process.stdout.readline():
            async with self._news:
                self.lines.append(line.decode("utf-8", "replace").rstrip())
                self._news.notify_all()
        async with self._news:
            self.lines.append("<end>")
            self._news.notify_all()

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    @property
    def own_log(self) -> str:
        """Without what Python before 3.12.2 prints of each connection that is open at the end: asyncio's own."""
        return self.log.partition("Exception in callback StreamReaderProtocol.connection_made")[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    async def logged(self, pattern: str) -> re.Match[str]:
        """Wait for a line, from the start of the log."""
        async with asyncio.timeout(PATIENCE), self._news:
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                assert "<end>" not in self.lines, f"ended without {pattern!r}:\n{self.log}"
                await self._news.wait()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            status = await self.process.wait()
            await self._reader
        return status

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await self.ended()
        except TimeoutError:
            self.process.kill()
            await self.ended()
            raise


async def stop_all(proxies: Iterable[Proxy]) -> None:
    """End all of them, and only then fail for the first that hung or printed a traceback, as it must not."""
    proxies = list(proxies)
    ended = await asyncio.gather(*(proxy.stop() for proxy in proxies), return_exceptions=True)
    for proxy, failure in zip(proxies, ended, strict=True):
        if failure is not None:
            raise failure
        assert "Traceback" not in proxy.own_log or proxy.may_fail, proxy.log


def environment(home: Path, **extra: str) -> dict[str, str]:
    """A person's environment with nothing of this machine's that the proxy would follow."""
    leave = re.compile(r"^(https?|all|no)_proxy$|^SSL_CERT|^OPENAI_|^CODEX_|^CHATGPT_|^XDG_|_CA_BUNDLE$", re.I)
    kept = {name: value for name, value in os.environ.items() if not leave.search(name)}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1", **extra}


Start = Callable[..., Awaitable[Proxy]]


def write_login(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document, indent=2))
    path.chmod(0o600)
    return path


@contextlib.asynccontextmanager
async def new_client(proxy: Proxy) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": "Bearer dummy"}
    async with httpx2.AsyncClient(base_url=proxy.url, timeout=PATIENCE, trust_env=False, headers=headers) as session:
        yield session


@dataclass
class Told:
    """An answer as far as it came; `is_whole` if its body ended as HTTP says (RFC 9112, section 8)."""

    status: int
    reason: str
    headers: httpx2.Headers
    text: str
    is_whole: bool


async def ask(
    client: httpx2.AsyncClient, path: str, body: object = None, *, method: str = "POST", **headers: str
) -> Told:
    """Send JSON, and take whatever comes."""
    came = bytearray()
    async with client.stream(method, path, json=body, headers=headers) as response:
        try:
            async for piece in response.aiter_bytes():
                came += piece
        except httpx2.RemoteProtocolError:
            return Told(response.status_code, response.reason_phrase, response.headers, came.decode(), is_whole=False)
    return Told(response.status_code, response.reason_phrase, response.headers, came.decode(), is_whole=True)


def events(body: str) -> list[dict[str, Any]]:
    """The decoded events of a stream that came whole."""
    return [
        json.loads(line[6:])
        for line in re.split(r"\r\n|\n|\r", body)
        if line.startswith("data: ") and line != "data: [DONE]"
    ]


def memory(proxy: Proxy) -> int:
    """The most that the proxy has had in memory, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{proxy.process.pid}/status").read_text())
    assert found
    return int(found[1]) << 10


QUESTION = {"model": "gpt-6-sol", "input": "Say something.", "stream": True}
