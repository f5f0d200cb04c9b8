"""Backends whose bytes a test chooses: what reads a request, and what listens."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/event-stream") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def request_head(reader: asyncio.StreamReader) -> bytes:
    """The head of the next request, once its body has come as well. Raises IncompleteReadError at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.I)
    await reader.readexactly(int(found[1]) if found else 0)
    return head


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[str]:
    """The base address of a backend."""
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/backend-api/codex"
