"""HTTP/1 to the backend, or to the outgoing proxy: heads and bodies of answers within bounds.

Whatever is not an HTTP/1 answer is the backend's fault: the message begins with GARBLED, which transport_errors.py recognizes.
"""

from mitmproxy import http
from mitmproxy.connection import Server
from mitmproxy.net.http import http1
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpClient, RegisterHttpConnection
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import ErrorCode, HttpEvent, ResponseHeaders, ResponseProtocolError
from mitmproxy.proxy.layers.http._http1 import Http1Client
from mitmproxy.proxy.layers.http._upstream_proxy import HttpUpstreamProxy
from mitmproxy.utils import human

from ..backend.transport_errors import GARBLED
from ..message import bodies, encodings, heads
from .http1 import OurHttp1, Received

# How long what ends an answer's message may still take once the answer is over, in seconds: its connection can serve again then.
LINGER = 2.0


class LetGo(HttpEvent):
    """Nothing more of an answer is needed."""


class AnswerHeads:
    """Takes the head of the answer that counts off what a backend sends. Raises ValueError, heads.HeadTooLarge."""

    def __init__(self) -> None:
        self.again()

    def again(self) -> None:
        """For the next answer."""
        self._reader = heads.HeadReader(heads.BACKEND)
        self._interim = 0

    def read(self, data: bytearray, *, may_switch: bool) -> http.Response | None:
        """The head; None while it is not whole. `may_switch`: the request asked for another protocol (101)."""
        while (lines := self._reader.read(data)) is not None:
            response = http1.read_response_head(heads.cleaned(lines))
            status = response.status_code
            if status >= 200 or (status == 101 and may_switch):
                return response
            if status == 101:
                raise ValueError("it switches to another protocol, which was not requested")
            self._interim += 1
            if self._interim > heads.INTERIM:
                raise ValueError(f"more than {heads.INTERIM} interim answers (1xx)")
        return None


class BackendSide(OurHttp1, Http1Client):
    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.buf = Received()
        self.heads = AnswerHeads()
        self.held = 0
        """Of an answer that does not stream, in bytes."""
        self._over: int | None = None
        """The exchange of which nothing more is needed."""
        self._lingers = False
        """Does it wait for the end of its message?"""
        self._reads = False
        """Is it reading, so that the end may be in what has come?"""

    @property
    def is_busy(self) -> bool:
        """Is an answer under way?"""
        return self.stream_id is not None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, LetGo):
            self._over, self._lingers = event.stream_id, False
            if not self._reads:
                yield from self._linger()
        elif not isinstance(event, events.Wakeup):
            yield from super()._handle_event(event)
        elif self._is_over():
            self.state = self.done
            yield commands.CloseConnection(self.conn)

    def _is_over(self) -> bool:
        """Is nothing missing of an answer but the end of its message?"""
        return self.is_busy and self.stream_id == self._over and self.state == self.read_body

    def _linger(self) -> layer.CommandGenerator[None]:
        if self._is_over() and not self._lingers:
            self._lingers = True
            yield commands.RequestWakeup(LINGER)

    def read_headers(self, event: events.ConnectionEvent) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.DataReceived):
            if self.buf.startswith(b"HTTP/"):
                yield from self.broken("peer closed connection without sending complete answer (in its head)")
            elif self.buf:
                yield from self._garbled(f"it begins with {bytes(self.buf[:40])!r}")
            else:
                yield from super().read_headers(event)
            return
        if not self.request:
            yield commands.Log(
                f"{human.format_address(self.conn.peername)}: {len(self.buf):,} bytes that were not requested."
            )
            yield commands.CloseConnection(self.conn)
            self.state = self.done
            return
        try:
            response = self.heads.read(self.buf, may_switch="upgrade" in self.request.headers)
            if response is None:
                return
            validate_headers(response)
            if (coding := response.headers.get("transfer-encoding", "chunked").lower()) not in ("chunked", "identity"):
                raise ValueError(f"its transfer coding is {coding[:40]!r}, which was not requested")
            size = http1.expected_http_body_size(self.request, response)
        except (ValueError, heads.HeadTooLarge) as e:
            yield from self._garbled(str(e))
            return
        self.heads.again()
        self.held = 0
        self.response = response
        assert self.stream_id is not None
        yield ReceiveHttp(ResponseHeaders(self.stream_id, response, size == 0))
        self.reader = bodies.reader(size, overhead=None)
        self.state = self.read_body
        yield from self.state(event)

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self.held += len(event.data)
            # Here and not in a hook: that would come too late for what is under way.
            if self.held > encodings.WHOLE_ANSWER and self.response and not self.response.stream:
                yield from self._garbled(f"it is larger than {encodings.WHOLE_ANSWER >> 20} MB")
                return
        self._reads = True
        yield from super().read_body(event)
        self._reads = False
        yield from self._linger()

    def broken(self, why: str) -> layer.CommandGenerator[None]:
        if why.startswith("peer closed"):
            yield from super().broken(why)
        else:
            yield from self._garbled(f"its body: {why}")

    def _garbled(self, why: str) -> layer.CommandGenerator[None]:
        assert self.stream_id is not None
        self.state = self.done
        yield commands.CloseConnection(self.conn)
        yield ReceiveHttp(ResponseProtocolError(self.stream_id, f"{GARBLED}{why}", ErrorCode.GENERIC_SERVER_ERROR))


class Dial(HttpClient):
    """Opens a connection to the backend (`HttpClient` in proxy/layers/http/__init__.py)."""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        err = None
        if not self.context.server.connected:
            err = yield commands.OpenConnection(self.context.server)
        if not err:
            self.child_layer = BackendSide(self.context)
            self._handle_event = self.child_layer.handle_event  # type: ignore[method-assign]
            yield from self._handle_event(event)
        yield RegisterHttpConnection(self.context.server, err)


class OutgoingProxy(HttpUpstreamProxy):
    """The company's proxy on the way, whose answer to CONNECT is read within bounds."""

    def __init__(self, ctx: Context, tunnel_conn: Server, send_connect: bool) -> None:
        super().__init__(ctx, tunnel_conn, send_connect)
        self.received, self.heads = bytearray(), AnswerHeads()

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        self.received += data
        address = human.format_address(self.tunnel_connection.address)
        try:
            response = self.heads.read(self.received, may_switch=False)
        except (ValueError, heads.HeadTooLarge) as e:
            return False, f"The proxy {address} did not answer in HTTP: {e}"
        if response is None:
            return False, None
        if not 200 <= response.status_code < 300:
            return (
                False,
                f"Upstream proxy {address} refused HTTP CONNECT request: {response.status_code} {response.reason}",
            )
        if self.received:
            yield from self.receive_data(bytes(self.received))
        return True, None
