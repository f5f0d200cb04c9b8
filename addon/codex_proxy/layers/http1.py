"""What both sides of our HTTP/1 connections share: bounded bodies, and waits that end."""

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._http1 import Http1Connection, Http1Server

from ..message import bodies, heads


class Received(bytearray):
    """What came and was not read yet; in the place of h11's buffer, whose readers look for an end without bounds."""

    def maybe_extract_at_most(self, count: int) -> bytes | None:
        piece = bytes(self[:count])
        del self[:count]
        return piece or None


class OurHttp1(Http1Connection):
    """mitmproxy's HTTP/1 with readers of our own (proxy/layers/http/_http1.py)."""

    buf: Received  # type: ignore[assignment]
    head_reader: heads.HeadReader
    reader: bodies.BodyReader

    def read_body(self, event: events.Event) -> layer.CommandGenerator[None]:
        assert self.stream_id is not None
        piece, whole = b"", True
        try:
            if isinstance(event, events.DataReceived):
                piece, whole = self.reader.read(self.buf)
            else:
                self.reader.end()
        except bodies.BodyError as e:
            yield from self.broken(str(e))
            return
        if piece:
            yield ReceiveHttp(self.ReceiveData(self.stream_id, piece))
        if whole:
            is_request = isinstance(self, Http1Server)
            yield ReceiveHttp(self.ReceiveEndOfMessage(self.stream_id))
            yield from self.mark_done(request=is_request, response=not is_request)

    def broken(self, why: str) -> layer.CommandGenerator[None]:
        """An invalid body ends the connection."""
        assert self.stream_id is not None
        self.state = self.done
        yield commands.CloseConnection(self.conn)
        yield ReceiveHttp(self.ReceiveProtocolError(self.stream_id, why, code=self.ReceiveProtocolError.code))
