"""A WebSocket client for tests that shows what goes over the wire: upgrades refused, close codes, frames."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

LAST = ("response.completed", "response.failed", "response.incomplete", "error")

# How long anything here may take before it counts as hung, in seconds.
PATIENCE = 20.0


class Refused(Exception):
    """The upgrade got another answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status, body[:300])
        self.status, self.headers, self.body = status, headers, body

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


class Closed(Exception):
    def __init__(self, code: int, reason: str | None) -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class WebSocket:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.ws = WSConnection(ConnectionType.CLIENT)
        self.waiting: list[Event] = []
        self.headers: dict[str, str] = {}
        self.pongs: list[bytes] = []

    async def upgrade(self, host: str, target: str, headers: Mapping[str, str], deflate: bool) -> None:
        extensions = [PerMessageDeflate()] if deflate else []
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.raw(self.ws.send(Request(host=host, target=target, extensions=extensions, extra_headers=extra)))
        event = await self.event()
        if isinstance(event, RejectConnection):
            body = b""
            while event.has_body and isinstance(part := await self.event(), RejectData):
                body += part.data
                if part.body_finished:
                    break
            raise Refused(event.status_code, named(event.headers), body)
        assert isinstance(event, AcceptConnection)
        self.headers = named(event.extra_headers)

    def raw(self, data: bytes) -> None:
        self.writer.write(data)

    async def event(self) -> Event:
        async with asyncio.timeout(PATIENCE):
            while not self.waiting:
                data = await self.reader.read(1 << 16)
                self.ws.receive_data(data or None)
                self.waiting += self.ws.events()
        return self.waiting.pop(0)

    async def send(self, message: object, pieces: int = 1) -> None:
        """A text message as JSON (or as it is, if it is a text), in so many frames."""
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        size = -(-len(text) // pieces) or 1
        for start in range(0, len(text) or 1, size):
            last = start + size >= len(text)
            self.raw(self.ws.send(TextMessage(text[start : start + size], message_finished=last)))
        await self.writer.drain()

    async def send_bytes(self, data: bytes) -> None:
        self.raw(self.ws.send(BytesMessage(data)))

    async def text(self) -> str:
        """The next message. Raises Closed."""
        text = ""
        while True:
            event = await self.event()
            if isinstance(event, CloseConnection):
                raise Closed(event.code, event.reason)
            if isinstance(event, Message):
                text += str(event.data)
                if event.message_finished:
                    return text
            elif isinstance(event, Ping):
                self.raw(self.ws.send(event.response()))
            elif isinstance(event, Pong):
                self.pongs.append(bytes(event.payload))

    async def receive(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.text())
        return found

    async def answer(self) -> list[dict[str, Any]]:
        """The events up to the last of a turn."""
        events = [await self.receive()]
        while events[-1]["type"] not in LAST:
            events.append(await self.receive())
        return events

    async def ask(self, message: object = None, **changes: Any) -> list[dict[str, Any]]:
        await self.send(create(**changes) if message is None else message)
        return await self.answer()

    async def ping(self, payload: bytes) -> None:
        self.raw(self.ws.send(Ping(payload)))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.raw(self.ws.send(CloseConnection(code, reason)))
        await self.writer.drain()


def create(**changes: Any) -> dict[str, Any]:
    """A turn as most clients ask for it."""
    return {"type": "response.create", "model": "gpt-6-sol", "input": "Say something.", **changes}


def named(headers: Any) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in headers}


@contextlib.asynccontextmanager
async def connected(
    url: str, headers: Mapping[str, str] | None = None, deflate: bool = True
) -> AsyncIterator[WebSocket]:
    """An open WebSocket. Raises Refused."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    socket = WebSocket(reader, writer)
    try:
        await socket.upgrade(parts.netloc, parts.path, headers or {}, deflate)
        yield socket
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
