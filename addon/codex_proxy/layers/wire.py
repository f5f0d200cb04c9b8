"""HTTP beyond mitmproxy's hooks: headers that exist only on the wire, bodies that are not held, our own error answers instead of
mitmproxy's HTML page, closing an upstream connection. Why each is needed: docs/mitmproxy.md, Errors and refusals, and
docs/mitmproxy.md, Secrets."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import connection, http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands
from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.tls import ClientTLSLayer
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler
from mitmproxy.proxy.utils import ReceiveBuffer

from ..output import redact
from .dialled import Dialled
from .found_addon import proxyserver

# Linux holds a segment back until there is more, or the end (tcp(7)).
CORK: int | None = getattr(socket, "TCP_CORK", None)

# How long a client may read before its answer is broken off, in seconds.
UNTIL_READ = 0.3

HIDDEN = redact.HIDDEN.encode()


class HiddenHeaders(http.Headers):
    """Headers some of whose values exist nowhere but in the bytes that go to the backend.

    Copies, states and views have HIDDEN in their place. Whatever an addon, an option or the user has put under such a name
    meanwhile, what is written is the secret; where `may_tell` says no, nothing is.
    """

    secrets: dict[str, bytes]
    may_tell: Callable[[], bool]
    told: bool
    """Were the secrets written?"""

    def __bytes__(self) -> bytes:
        secrets = getattr(self, "secrets", {})
        tell = bool(secrets) and self.may_tell()
        left, lines = dict(secrets), []
        for name, value in self.fields:
            lower = name.decode("latin-1").lower()
            if lower in secrets:
                value = left.pop(lower, HIDDEN) if tell else HIDDEN
            if value != HIDDEN:
                lines.append(name + b": " + value + b"\r\n")
        if tell:
            lines += [name.encode("latin-1") + b": " + value + b"\r\n" for name, value in left.items()]
            self.told = True
        return b"".join(lines)


_hidden: WeakKeyDictionary[http.HTTPFlow, HiddenHeaders] = WeakKeyDictionary()


def hide(flow: http.HTTPFlow, secrets: Mapping[str, str], may_tell: Callable[[], bool]) -> None:
    """Put headers on the request whose values are for the wire alone."""
    headers = HiddenHeaders(flow.request.headers.fields)
    headers.secrets = {name.lower(): value.encode("latin-1", "replace") for name, value in secrets.items()}
    headers.may_tell = may_tell
    headers.told = False
    for name in secrets:
        headers[name] = HIDDEN
    flow.request.headers = _hidden[flow] = headers


def seal(flow: http.HTTPFlow) -> None:
    """Behind all addons: the hidden headers are on the request again, if one has put other headers there."""
    ours, there = _hidden.get(flow), flow.request.headers
    if ours is None or there is ours or not ours.secrets:
        return
    # In place: later code finds it by the flow.
    ours.fields = tuple(
        (name, value) for name, value in there.fields if name.decode("latin-1").lower() not in ours.secrets
    )
    for name in ours.secrets:
        ours[name] = HIDDEN
    flow.request.headers = ours


def was_told(flow: http.HTTPFlow) -> bool:
    """Did the hidden values go out with this request?"""
    return flow in _hidden and _hidden[flow].told


def forget(flow: http.HTTPFlow) -> None:
    """Drop the hidden values, once they have been sent or will not be."""
    if headers := _hidden.get(flow):
        headers.secrets = {}
        # It knows the request, which has these headers: a circle, that would outlive its flow by thousands of others.
        headers.may_tell = bool


def handler_of(client: connection.Client) -> ProxyConnectionHandler | None:
    """What runs a client's connection; None for a replayed or a loaded flow."""
    server = proxyserver()
    return server.connections.get(client.id) if server else None


def layers_of(handler: ProxyConnectionHandler) -> list[Any]:
    """The protocol layers of a connection, outermost first."""
    found: list[Any] = []
    layer: Any = handler.layer
    while layer is not None and layer not in found:
        found.append(layer)
        layer = getattr(layer, "child_layer", None) or getattr(layer, "layer", None)
    return found


def stream_of(flow: http.HTTPFlow) -> HttpStream | None:
    """What runs a flow's exchange; None for a loaded one, or when it is over."""
    handler = handler_of(flow.client_conn)
    for layer in layers_of(handler) if handler else []:
        if isinstance(layer, HttpLayer):
            return next((s for s in layer.streams.values() if getattr(s, "flow", None) is flow), None)
    return None


class BoundedBuffer(ReceiveBuffer):
    """Takes what is uploaded up to `limit` bytes; what comes after that is read and dropped."""

    def __init__(self, limit: int, overflowed: Callable[[], None]) -> None:
        super().__init__()
        self.limit = limit
        self.overflowed = overflowed

    def __iadd__(self, other: bytes) -> "BoundedBuffer":
        if len(self) + len(other) <= self.limit:
            super().__iadd__(other)
        else:
            self.limit = -1
            self.clear()
            self.overflowed()
        return self


def bound_body(flow: http.HTTPFlow, limit: int, overflowed: Callable[[], None] = lambda: None) -> None:
    """From `requestheaders`: hold at most `limit` bytes of the body that is coming; mitmproxy itself holds all of it."""
    if stream := stream_of(flow):
        stream.request_body_buf = BoundedBuffer(limit, overflowed)


class WatchedBuffer(ReceiveBuffer):
    """Holds what the backend sends, and shows each piece to `seen`."""

    def __init__(self, seen: Callable[[bytes], None]) -> None:
        super().__init__()
        self.seen = seen

    def __iadd__(self, other: bytes) -> "WatchedBuffer":
        super().__iadd__(other)
        self.seen(other)
        return self


def watch_body(flow: http.HTTPFlow, seen: Callable[[bytes], None]) -> bool:
    """From `responseheaders`: see the pieces of an answer that mitmproxy holds until it is whole. `seen` must not raise. False if
    there is nothing to come, as of a loaded flow."""
    stream = stream_of(flow)
    if stream:
        stream.response_body_buf = WatchedBuffer(seen)
    return stream is not None


@contextlib.contextmanager
def not_reading(flow: http.HTTPFlow) -> Iterator[None]:
    """Nothing more is taken from the client meanwhile: mitmproxy would hold all of it until a hook is done."""
    handler = handler_of(flow.client_conn)
    io = handler.transports.get(flow.client_conn) if handler else None
    transport = io.writer.transport if io and isinstance(io.writer, asyncio.StreamWriter) else None
    if not isinstance(transport, asyncio.ReadTransport):
        yield
        return
    transport.pause_reading()
    try:
        yield
    finally:
        if not transport.is_closing():
            transport.resume_reading()


def client_is_gone(flow: http.HTTPFlow) -> bool:
    return not flow.client_conn.state & connection.ConnectionState.CAN_READ


def answer_and_close(flow: http.HTTPFlow, data: bytes) -> bool:
    """From `error`: send `data` to the client as it is and end the connection. False if there is no client to send to.

    mitmproxy sends nothing more after that: not its HTML page, not a body cut short.
    """
    writer = _client_writer(flow)
    if writer is None:
        return False
    # In one segment with the end of the connection, where the system can do that: a client that sees the end of its answer first
    # takes the connection for one it can use again.
    if CORK is not None and isinstance(writer, asyncio.StreamWriter):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, CORK, 1)
    _write(flow, writer, data)
    if isinstance(writer, asyncio.StreamWriter) and writer.can_write_eof():
        # At once, not with the next turn of the loop.
        writer.write_eof()
    writer.close()
    return True


async def answer_and_break_off(flow: http.HTTPFlow, data: bytes) -> None:
    """The same for a body that must not end well: it ends a while after `data`, since some clients drop what they have not read yet
    when it does, and with it the error that says why (docs/backend.md, 13)."""
    if (writer := _client_writer(flow)) is None:
        return
    _write(flow, writer, data)
    await asyncio.sleep(UNTIL_READ)
    answer_and_close(flow, b"")


def _client_writer(flow: http.HTTPFlow) -> Any:
    """Where to write to the client; None if it is gone, or answered."""
    handler = handler_of(flow.client_conn)
    io = handler.transports.get(flow.client_conn) if handler else None
    if io is None or io.writer is None or io.writer.is_closing() or client_is_gone(flow):
        return None
    # Without that, client_side.py has answered.
    return io.writer if flow.client_conn.state & connection.ConnectionState.CAN_WRITE else None


def _write(flow: http.HTTPFlow, writer: Any, data: bytes) -> None:
    handler = handler_of(flow.client_conn)
    tls = next((layer for layer in layers_of(handler) if isinstance(layer, ClientTLSLayer)), None) if handler else None
    if tls is None:
        writer.write(data)
    elif data:
        for command in tls.send_data(data):
            if isinstance(command, commands.SendData):
                writer.write(command.data)


def response_bytes(response: http.Response) -> bytes:
    """A whole answer as it goes over HTTP/1.1, the connection ending with it."""
    response.headers["connection"] = "close"
    assembled: bytes = http1.assemble_response(response)
    return assembled


def chunk(response: http.Response, piece: bytes, *, is_whole: bool = False) -> bytes:
    """A piece of a streamed body on the wire (RFC 9112, section 7.1), with the last chunk where the body `is_whole`: without that a
    client takes it for broken off (section 8)."""
    if "chunked" not in response.headers.get("transfer-encoding", ""):
        return piece
    framed = b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""
    return framed + (b"0\r\n\r\n" if is_whole else b"")


def broken_off(response: http.Response) -> bytes:
    """An answer that came whole as it goes over HTTP/1.1 where its body must not be taken for whole (RFC 9112, section 8)."""
    head = http.Response.make(response.status_code, b"", response.headers)
    head.headers.pop("content-length", None)
    head.headers["transfer-encoding"], head.headers["connection"] = "chunked", "close"
    assembled: bytes = http1.assemble_response_head(head)
    return assembled + chunk(head, response.raw_content or b"")


def dialled(flow: http.HTTPFlow) -> Dialled | None:
    """The connection that this flow's request went over, if it was dialled at all."""
    handler = handler_of(flow.client_conn)
    found: Dialled | None = getattr(handler, "dialled", None)
    return found


def hang_up_upstream(flow: http.HTTPFlow, why: str) -> None:
    """End the connections to the backend that this flow's client has; over HTTP/1 they serve this flow alone."""
    handler = handler_of(flow.client_conn)
    for conn, io in list(handler.transports.items()) if handler else []:
        if isinstance(conn, connection.Server) and io.handler:
            io.handler.cancel(why)
