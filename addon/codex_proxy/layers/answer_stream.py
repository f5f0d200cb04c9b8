"""An answer ends with its last event, whatever its connection does (docs/backend.md, 5)."""

from typing import ClassVar

from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

from ..answer.sse import begins_like_events
from ..errors import ProxyError
from ..message import encodings
from .backend_side import LetGo


class AnswerReader:
    """What reads the body of an answer: in `flow.response.stream`, or by wire.watch_body. `is_over` once its last event came, and
    `broken` in words where the client must not take the body for a whole one."""

    is_over = False
    broken = ""

    def rest(self) -> bytes:
        """Of a stream: what the client gets when the backend is done."""
        return b""


class AnswerStream(HttpStream):
    """mitmproxy's exchange of one request (proxy/layers/http/__init__.py), whose answer ends where its reader says."""

    OF_ANSWER: ClassVar = (ResponseData, ResponseTrailers, ResponseEndOfMessage, ResponseProtocolError)
    _is_over = False
    _unnamed: "_Unnamed | None" = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseHeaders) and _may_be_events(self, event):
            self._unnamed = _Unnamed(event)
            return
        if isinstance(event, ResponseHeaders):
            # Without a body too: mitmproxy would not stream it, and so send no head before what a reader has to say.
            event.end_stream = False
        if isinstance(event, self.OF_ANSWER):
            if self._is_over:
                return
            if self._unnamed is not None:
                if self._unnamed.waits(event):
                    return
                unnamed, self._unnamed = self._unnamed, None
                yield from super()._handle_event(unnamed.head)
                for each in unnamed.held:
                    yield from self._handle_event(each)
        reader = self._reader() if isinstance(event, ResponseData | ResponseEndOfMessage) else None
        if reader is None or self.flow.response is None:
            yield from super()._handle_event(event)
            return
        stream = self.flow.response.stream
        if isinstance(event, ResponseData):
            yield from super()._handle_event(event)
        elif stream and (rest := reader.rest()):
            yield SendHttp(ResponseData(self.stream_id, rest), self.context.client)
        if not reader.is_over and isinstance(event, ResponseData):
            return
        self._is_over = True
        if isinstance(event, ResponseData):
            yield SendHttp(LetGo(self.stream_id), self.context.server)
        if reader.broken and stream:
            end = ResponseProtocolError(self.stream_id, reader.broken, ErrorCode.GENERIC_SERVER_ERROR)
            yield from super()._handle_event(end)
        else:
            yield from super()._handle_event(ResponseEndOfMessage(self.stream_id))

    def _reader(self) -> AnswerReader | None:
        response = self.flow.response if getattr(self, "flow", None) else None
        if response is None:
            return None
        reader = response.stream or getattr(self.response_body_buf, "seen", None)
        return reader if isinstance(reader, AnswerReader) else None


def _may_be_events(stream: HttpStream, event: ResponseHeaders) -> bool:
    """Is it the good answer to a POST under another type than that of events, or none? What comes first tells."""
    kind = event.response.headers.get("content-type", "")
    is_good = event.response.status_code == 200 and stream.flow.request.method == "POST"
    return is_good and not event.end_stream and "event-stream" not in kind


class _Unnamed:
    """The answer whose type does not say that it is events, held until its first bytes tell."""

    def __init__(self, head: ResponseHeaders) -> None:
        self.head = head
        self.held: list[ResponseData] = []
        self._headers = head.response.headers
        self._began = bytearray()
        try:
            self._decoder = encodings.stream_decoder(self._headers.get("content-encoding", ""))
        except ProxyError:
            self._decoder = None  # it is refused when it is whole

    def waits(self, event: events.Event) -> bool:
        """Is this too little to tell? What comes then is named."""
        if not isinstance(event, ResponseData):
            return False
        try:
            self._began += self._decoder(event.data) if self._decoder else event.data
        except ProxyError:
            return False
        is_events = begins_like_events(bytes(self._began[:64]))
        if is_events is None:
            self.held.append(event)
            return True
        if is_events:
            self._headers["content-type"] = "text/event-stream; charset=utf-8"
        return False
