"""One connection: bytes to requests through h11, replies to bytes, and the faults of a misbehaving peer."""

import asyncio
import email.utils
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qs

import h11

from .replies import Headers, Reply


class ClientGone(Exception):
    """The peer closed before it had its whole answer."""


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    connection: int
    used: bool
    """Whether the connection has carried a request before."""
    decoded: bytes | None = None
    json: object = None
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.names = {name for name, _ in self.headers}

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def argument(self, name: str) -> str | None:
        return parse_qs(self.query, keep_blank_values=True).get(name, [None])[0]

    @property
    def media_type(self) -> str:
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


class Connection(asyncio.Protocol):
    """Runs `serve(self)` in a task of its own for as long as the connection lives."""

    transport: asyncio.Transport
    task: asyncio.Task[None]

    def __init__(self, number: int, serve: Callable[["Connection"], Awaitable[None]]) -> None:
        self.number = number
        self.h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024)
        self.gone = asyncio.Event()
        self.busy = False
        self.served = 0
        self._serve = serve
        self._raw: bytearray | None = None
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        await self._serve(self)

    def data_received(self, data: bytes) -> None:
        if self._raw is None:
            self.h11.receive_data(data)
        else:
            self._raw += data
        self._more.set()

    def eof_received(self) -> None:
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.gone.is_set() and self._raw is None:
            self.h11.receive_data(b"")
        for event in (self.gone, self._more, self._writable):
            event.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def next_request(self) -> Request | None:
        """The next whole request; None when there will be none. Raises h11.RemoteProtocolError."""
        self.busy = False
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        self.busy = True
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        path, _, query = head.target.decode("latin-1").partition("?")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        used, self.served = self.served > 0, self.served + 1
        return Request(head.method.decode(), path, query, headers, bytes(body), self.number, used)

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            if self.h11.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._more.clear()
            await self._more.wait()
        return cast("h11.Event | type[h11.PAUSED]", event)

    async def answer(self, reply: Reply) -> None:
        """A whole reply with its length."""
        length = ("content-length", str(len(reply.body)))
        self.head(reply, [length])
        if reply.body:
            self._send(h11.Data(data=reply.body))
        self._send(h11.EndOfMessage())
        await self.drain()

    def head(self, reply: Reply, more: Headers) -> None:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in [_date(), *reply.headers, *more]]
        self._send(h11.Response(status_code=reply.status, headers=headers))

    async def piece(self, data: bytes) -> None:
        """One chunk, given to the network by itself."""
        self._send(h11.Data(data=data))
        await asyncio.sleep(0)
        await self.drain()

    async def switch(self, reply: Reply) -> None:
        """The upgrade: bytes from now on."""
        headers = [(name.encode(), value.encode("latin-1")) for name, value in [_date(), *reply.headers]]
        self._send(h11.InformationalResponse(status_code=reply.status, headers=headers))
        self._raw = bytearray(self.h11.trailing_data[0])
        await self.drain()

    async def more(self) -> bytes:
        """What came after the upgrade; empty when the peer is gone."""
        assert self._raw is not None
        while not self._raw and not self.gone.is_set():
            self._more.clear()
            await self._more.wait()
        data = bytes(self._raw)
        self._raw.clear()
        return data

    def finish(self) -> None:
        self._send(h11.EndOfMessage())

    def _send(self, event: h11.Event) -> None:
        self.write(self.h11.send(event) or b"")

    def write(self, data: bytes) -> None:
        if self.gone.is_set() or self.transport.is_closing():
            raise ClientGone
        self.transport.write(data)

    async def drain(self) -> None:
        await self._writable.wait()
        if self.gone.is_set():
            raise ClientGone

    async def sleep(self, seconds: float) -> None:
        """Waits, unless the peer goes away meanwhile."""
        await self.until(None, seconds)

    async def until(self, event: asyncio.Event | None, seconds: float | None = None) -> None:
        """Waits for an event, or the seconds; a peer that goes away ends it with ClientGone."""
        waits = [asyncio.ensure_future(each.wait()) for each in (self.gone, event) if each is not None]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.gone.is_set():
            raise ClientGone

    def next_cycle(self) -> bool:
        """Ready for another request on this connection?"""
        if self.h11.our_state is not h11.DONE or self.h11.their_state is not h11.DONE:
            return False
        self.h11.start_next_cycle()
        return not self.gone.is_set()

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """A RST on the wire: closed with nothing lingering."""
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def _date() -> tuple[str, str]:
    return ("date", email.utils.formatdate(usegmt=True))
