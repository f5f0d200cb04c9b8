"""WebSockets beyond mitmproxy's hooks: long messages in one piece, messages and closes of our own, and a lost backend told from a
normal end (docs/mitmproxy.md, WebSockets)."""

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import wsproto
from mitmproxy import ctx, http
from mitmproxy.proxy.layers import websocket
from wsproto.events import CloseConnection, Event, Message, TextMessage
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

from ..output import redact
from ..websocket.frame_budget import FrameBudget
from . import wire

# A connection lasts 60 minutes (docs/backend.md, 11); mitmproxy ends one that is idle for longer than this, in seconds.
IDLE = 65 * 60


# Bounds for decompressing a message: this ratio, and this many bytes in any case: text becomes 3 to 20 times as
# long, and zlib could do 1,032 times.
RATIO, INFLATED = 200, 1 << 20


class Bounded(bytearray):
    """Grows up to `limit` bytes; what comes after that is dropped."""

    limit: int | None = None
    overflowed = False

    def __iadd__(self, more: bytes) -> "Bounded":  # type: ignore[override, misc]
        if self.limit is not None and len(self) + len(more) > self.limit:
            self.limit, self.overflowed = 0, True
            self.clear()
        else:
            self.extend(more)
        return self


class Pieces(list[Bounded]):
    """The pieces of a message, put together in one; where they were cut is not kept, or a changed message would be cut there
    again, characters and all."""

    def append(self, _: object) -> None:
        pass


class Deflate(PerMessageDeflate):
    """wsproto's forgets at a control frame between the pieces of a message (RFC 6455 section 5.4) whether it is compressed, and
    inflates without a bound."""

    _before: bool | None = None
    _came = _inflated = 0
    """Of the message that is coming, in bytes."""

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        if not self._inbound_compressed or not self._inbound_is_compressible or self._decompressor is None:
            return super().frame_inbound_payload_data(proto, data)
        self._came += len(data)
        room = INFLATED + RATIO * self._came - self._inflated
        try:
            inflated = self._decompressor.decompress(bytes(data), room)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._inflated += len(inflated)
        return inflated if len(inflated) < room else CloseReason.MESSAGE_TOO_BIG

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        self._before = self._inbound_compressed
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        rest = super().frame_inbound_complete(proto, fin)
        if not self._inbound_is_compressible:  # a control frame
            self._inbound_compressed = self._before
        elif fin:
            self._came = self._inflated = 0
        return rest


def mended(extension: Extension) -> Extension:
    """A `Deflate` with all that was agreed on for wsproto's own; any other as it is."""
    if not isinstance(extension, PerMessageDeflate):
        return extension
    made = Deflate()
    vars(made).update(vars(extension))
    return made


class Side(websocket.WebsocketConnection):
    """One side of the connection. `limit` is the longest message taken, in bytes; `last_words` is said when the other side is
    lost without a close; `flooded` says how it is closed when it sends more frames than it may, where there is a bound."""

    limit: int | None = None
    last_words: Callable[[], tuple[bytes, int, str]] | None = None
    flooded: Callable[[], tuple[int, str]] | None = None
    was_too_large = False
    _pieces = Pieces([Bounded()])

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.budget = FrameBudget()
        super().__init__(*arguments, **keywords)

    @property
    def frame_buf(self) -> Any:
        return self._pieces

    @frame_buf.setter
    def frame_buf(self, _: list[bytes]) -> None:
        self.was_too_large = self._pieces[0].overflowed
        piece = Bounded()
        piece.limit = self.limit
        self._pieces = Pieces([piece])

    def events(self) -> Iterator[Event]:
        for event in super().events():
            if self.flooded and not self.budget.spend(*_cost(event)):
                yield CloseConnection(*self.flooded())
                return
            if isinstance(event, CloseConnection) and event.reason:
                # Not only the other side gets to see it: mitmproxy prints it as it is.
                event = CloseConnection(event.code, redact.one_line(event.reason))
            yield event

    def send(self, event: Event) -> bytes:
        if isinstance(event, CloseConnection) and event.code == CloseReason.ABNORMAL_CLOSURE and self.last_words:
            # wsproto would say that all went well.
            said, code, reason = self.last_words()
            words: bytes = super().send(TextMessage(said.decode())) if said else b""
            return words + bytes(super().send(CloseConnection(code, reason)))
        return bytes(super().send(event))


def _cost(event: Event) -> tuple[int, bool]:
    """Of a message's frame its bytes, and whether it is the last; a control frame is whole."""
    return (len(event.data), event.message_finished) if isinstance(event, Message) else (0, True)


def layer_of(flow: http.HTTPFlow) -> websocket.WebsocketLayer | None:
    """What relays a connection's messages, once it is upgraded."""
    layer = getattr(wire.stream_of(flow), "child_layer", None)
    return layer if isinstance(layer, websocket.WebsocketLayer) else None


def take_over(
    flow: http.HTTPFlow,
    limit: int,
    last_words: Callable[[], tuple[bytes, int, str]],
    flooded: Callable[[], tuple[int, str]],
) -> None:
    """From `websocket_start`: messages whole, the client's up to `limit` bytes, and in no more frames than it may send."""
    layer, handler = layer_of(flow), wire.handler_of(flow.client_conn)
    assert layer and handler
    # For whole messages, whatever their length: mitmproxy cuts changed ones, and decodes each slice for itself.
    websocket.Fragmentizer.FRAGMENT_SIZE = 1 << 62
    handler.timeout_watchdog.timeout = IDLE
    client, server = (
        Side(kind, [mended(each) for each in before._proto.extensions], conn=before.conn)
        for kind, before in (
            (wsproto.ConnectionType.SERVER, layer.client_ws),
            (wsproto.ConnectionType.CLIENT, layer.server_ws),
        )
    )
    client.limit, client.last_words, client.flooded = limit, last_words, flooded
    client.frame_buf = []
    layer.client_ws, layer.server_ws = client, server


def was_too_large(flow: http.HTTPFlow) -> bool:
    """From `websocket_message`: was the client's message longer than the limit, and so is not there?"""
    layer = layer_of(flow)
    return layer is not None and isinstance(layer.client_ws, Side) and layer.client_ws.was_too_large


def say(flow: http.HTTPFlow, message: bytes) -> None:
    """Send the client a message of our own, after the event that is being processed."""
    if flow.live:
        ctx.master.commands.call("inject.websocket", flow, True, message, True)


def close_after_message(flow: http.HTTPFlow, code: int, reason: str) -> None:
    """From `websocket_message`, for one that goes to the client: close both sides after it."""
    if layer := layer_of(flow):
        layer.server_ws._events.append(CloseConnection(code, reason))
