"""HTTP/1 from a client: heads and bodies of requests within bounds, refused in OpenAI's shape."""

import time

from mitmproxy import connection
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, RequestHeaders, RequestProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Server

from ..errors import ProxyError
from ..message import bodies, heads
from ..output import redact
from . import own_answer, wire
from .http1 import OurHttp1, Received

# After a refusal the client may go on sending, so that it can read the answer: time limit in seconds, size limit in bytes.
LINGER_TIME, LINGER = 5.0, 128 << 20

# What a client may send ahead of an answer, in bytes.
AHEAD = 1 << 20

# How much of a refused head is shown, in characters.
TOLD = 100

TOO_LARGE = {
    "line": ("path_too_long", "The request's path is too long"),
    "fields": ("head_too_large", "The request's head is too large"),
    "size": ("head_too_large", "The request's head is too large"),
}


def malformed(why: str) -> ProxyError:
    return ProxyError(
        "malformed_request",
        f"The request is malformed; nothing was sent to the backend. ({redact.short(why, TOLD)})",
    )


class ClientSide(OurHttp1, Http1Server):
    """`head_time` is how long a head may take from its first byte, in seconds."""

    def __init__(self, context: Context, head_time: float) -> None:
        super().__init__(context)
        self.buf = Received()
        self.head_reader = heads.HeadReader(heads.CLIENT)
        self.head_time = head_time
        self.heads = 0
        """How many have come whole."""
        self.began: float | None = None
        """When the head that is being read began (time.monotonic)."""
        self._alarm: commands.RequestWakeup | None = None
        self._overran = False
        self._lingered = 0

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            if event.command is self._alarm:
                self._alarm = None
                yield from self._look()
        else:
            yield from super()._handle_event(event)

    def _wake_in(self, delay: float) -> layer.CommandGenerator[None]:
        # One at a time: a connection may bring thousands of heads while one runs.
        if self._alarm is None:
            self._alarm = commands.RequestWakeup(delay)
            yield self._alarm

    def _look(self) -> layer.CommandGenerator[None]:
        if self.state == self.linger:
            yield from self._close()
        elif self.state == self.read_headers and self.began is not None:
            left = self.began + self.head_time - time.monotonic()
            if left > 0.001:
                yield from self._wake_in(left)
                return
            late = ProxyError(
                "head_timeout",
                f"The request's head did not come within {self.head_time:g} seconds (option codex_head_timeout).",
            )
            yield from self.refuse(late)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            if self.buf:
                # Not what came: the key may be in it.
                yield commands.Log("The client hung up in the middle of a request's head.")
            yield commands.CloseConnection(self.conn)
            return
        try:
            lines = self.head_reader.read(self.buf)
        except heads.HeadTooLarge as e:
            code, what = TOO_LARGE[e.part]
            yield from self.refuse(ProxyError(code, f"{what}: {e}. Nothing was sent to the backend."))
            return
        if lines is None:
            if self.buf and self.began is None:
                self.began = time.monotonic()
                yield from self._wake_in(self.head_time)
            return
        self.began = None
        self.heads += 1
        try:
            self.request = http1.read_request_head(heads.unfolded(lines))
            size = http1.expected_http_body_size(self.request)
        except ValueError as e:
            self.request = None
            yield from self.refuse(malformed(str(e)))
            return
        if self.request.http_version not in ("HTTP/1.0", "HTTP/1.1"):
            other = ProxyError("http_version", f"This proxy speaks HTTP/1.1, not {self.request.http_version}.")
            yield from self.refuse(other)
            return
        yield ReceiveHttp(RequestHeaders(self.stream_id, self.request, size == 0))
        self.reader = bodies.reader(size)
        self.state = self.read_body
        yield from self.state(event)

    def wait(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived) and len(self.buf) > AHEAD:
            if not self._overran:
                yield commands.Log(
                    f"The client sent more than {AHEAD:,} bytes ahead of an answer; its connection ends after it."
                )
            self._overran = True
            self.buf.clear()
            return
        yield from super().wait(event)

    def mark_done(self, *, request: bool = False, response: bool = False) -> layer.CommandGenerator[None]:
        if response and self._overran:
            # What came after it is lost.
            yield commands.CloseConnection(self.conn)
            self.state = self.done
            return
        yield from super().mark_done(request=request, response=response)

    def broken(self, why: str) -> layer.CommandGenerator[None]:
        """The body of a request is invalid."""
        if not self.conn.state & connection.ConnectionState.CAN_READ:
            yield from super().broken(why)
            return
        yield from self.refuse(malformed(f"its body: {why}"))
        yield ReceiveHttp(
            RequestProtocolError(self.stream_id, f"Malformed request: {why}", ErrorCode.GENERIC_CLIENT_ERROR)
        )

    def refuse(self, error: ProxyError) -> layer.CommandGenerator[None]:
        """Answer by ourselves and end the connection; what the client still sends is dropped for a while, or it would not read the
        answer for the reset that its bytes bring (RFC 9112, section 9.6)."""
        self.began = None
        self.buf.clear()
        self.state = self.linger
        yield commands.Log(f"Request refused: {error.status} {error.code}.")
        yield commands.SendData(self.conn, wire.response_bytes(own_answer.response(error)))
        yield commands.CloseTcpConnection(self.conn, half_close=True)
        self._alarm = None
        yield from self._wake_in(LINGER_TIME)

    def linger(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self._lingered += len(event.data)
            self.buf.clear()
            if self._lingered <= LINGER:
                return
        yield from self._close()

    def _close(self) -> layer.CommandGenerator[None]:
        self.state = self.done
        yield commands.CloseConnection(self.conn)
