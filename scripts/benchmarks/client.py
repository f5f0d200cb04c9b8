"""A client that sends request after request over one connection."""

import asyncio
import time
from collections.abc import Callable


def request(body: bytes) -> bytes:
    head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Client:
    """A keep-alive connection."""

    def __init__(self, port: int, body: bytes) -> None:
        self.port, self.request = port, request(body)

    async def __aenter__(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, came: Callable[[int], None] = lambda size: None) -> float:
        """Seconds to the first byte of the answer's body; reads all of it. `came` is called with the size of each chunk."""
        start = time.perf_counter()
        self.writer.write(self.request)
        status = await self.reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in status[:20]:
            raise SystemExit(f"not answered: {status.decode()}")
        size = await self.reader.readuntil(b"\r\n")
        first = time.perf_counter() - start
        while (length := int(size, 16)) > 0:
            await self.reader.readexactly(length + 2)
            came(length)
            size = await self.reader.readuntil(b"\r\n")
        await self.reader.readexactly(2)
        return first
