"""Connections for our own requests: dialled like all others (dialing.py), closed when more arrives than was allowed."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2

from ..message.encodings import TooLarge
from . import dialing, policy

# What may come before the answer itself, and around it: heads, interim answers, the lines of a chunked body; in bytes.
HEADS = 128 << 10


class Backend(httpcore2.AsyncNetworkBackend):
    """For one request, whose answer may have `largest` bytes, through an outgoing proxy with that many `handshakes`, by TLS with
    the proxy and through it."""

    def __init__(self, largest: int, handshakes: int = 0) -> None:
        self.largest, self.handshakes = largest, handshakes
        self._left = HEADS

    def head_has_come(self) -> None:
        # Each piece of a chunked body has a line of its own.
        self._left = 2 * self.largest + HEADS

    def count(self, size: int) -> None:
        """Raises TooLarge."""
        self._left -= size
        if self._left < 0:
            raise TooLarge

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> "BoundedStream":
        """Raises httpcore2.ConnectTimeout, httpcore2.ConnectError."""
        try:
            async with asyncio.timeout(timeout):
                sock = await dialing.connect(host, port)
                return BoundedStream(*await asyncio.open_connection(sock=sock), self)
        except TimeoutError as e:
            raise httpcore2.ConnectTimeout from e
        except OSError as e:
            raise httpcore2.ConnectError(str(e)) from e


class BoundedStream(httpcore2.AsyncNetworkStream):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: Backend) -> None:
        self._reader, self._writer, self._backend = reader, writer, backend
        self._handshakes = backend.handshakes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Raises TooLarge, httpcore2.ReadTimeout, httpcore2.ReadError."""
        if self._handshakes > 0:
            # The proxy's word that there is a tunnel belongs to the connecting.
            timeout = min(timeout or policy.CONNECT_TIMEOUT, policy.CONNECT_TIMEOUT)
        try:
            async with asyncio.timeout(timeout):
                data = await self._reader.read(max_bytes)
        except TimeoutError as e:
            raise (httpcore2.ConnectTimeout if self._handshakes > 0 else httpcore2.ReadTimeout) from e
        except OSError as e:
            raise httpcore2.ReadError(str(e)) from e
        self._backend.count(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Raises httpcore2.WriteTimeout, httpcore2.WriteError."""
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as e:
            raise httpcore2.WriteTimeout from e
        except OSError as e:
            raise httpcore2.WriteError(str(e)) from e

    async def aclose(self) -> None:
        # All has been written that there was: there is nothing to wait for.
        self._writer.transport.abort()
        await asyncio.sleep(0)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> "BoundedStream":
        """Raises httpcore2.ConnectTimeout, httpcore2.ConnectError."""
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except BaseException as e:
            await self.aclose()
            if isinstance(e, TimeoutError):
                raise httpcore2.ConnectTimeout from e
            if isinstance(e, OSError):  # ssl.SSLError is one
                raise httpcore2.ConnectError(str(e)) from e
            raise
        self._handshakes -= 1
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._writer.get_extra_info(info) if info == "ssl_object" else None
