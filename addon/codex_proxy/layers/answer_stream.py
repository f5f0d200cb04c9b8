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
    _head: ResponseHeaders | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseHeaders) and _may_be_events(self, event):
            self._head = event
            return
        if isinstance(event, self.OF_ANSWER):
            if self._is_over:
                return
            if self._head is not None:
                head, self._head = self._head, None
                _name_events(head, event)
                yield from super()._handle_event(head)
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


def _name_events(head: ResponseHeaders, event: events.Event) -> None:
    if not isinstance(event, ResponseData):
        return
    headers, data = head.response.headers, event.data
    try:
        decoder = encodings.stream_decoder(headers.get("content-encoding", ""))
        data = decoder(data) if decoder else data
    except ProxyError:
        return  # it is refused when it is whole
    if begins_like_events(data):
        headers["content-type"] = "text/event-stream; charset=utf-8"
