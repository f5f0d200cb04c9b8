"""mitmproxy content views for requests to the backend and its answers."""

from mitmproxy import contentviews, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.websocket import WebSocketMessage

from ..front import routes
from ..steps import exchanges
from ..views.answer_text import object_text
from ..views.conversation import request_text
from ..views.known import Known
from ..views.stream_text import stream_text
from ..walk.saved import Saved
from .originals import difference_of, original_of

# Above the priorities of mitmproxy's own views (1 for JSON); below 0 a view is not offered.
OURS, NOT_OURS = 2.0, -1.0

# The paths of requests with a conversation in them, without their prefixes (front/routes.py).
CONVERSATIONS = tuple(path for path, route in routes.ROUTES.items() if route.body != "none")

EVENTS, JSON = "text/event-stream", "application/json"


def known(metadata: contentviews.Metadata) -> Known:
    """What the proxy knows of the flow, or of the turn that a message belongs to; nothing of a flow that was not ours."""
    flow = metadata.flow
    if not isinstance(flow, http.HTTPFlow):
        return Known()
    found = exchanges.known(flow)
    if metadata.websocket_message is not None:
        return turn_of(found, metadata.websocket_message)
    # How it ended in mitmproxy's own words, where the proxy has none.
    ended = found.ended or (flow.error.msg if flow.error else "")
    return Known(found.model, found.sent_model, found.changes, found.header_changes, found.notes, found.marks, ended)


def turn_of(found: Saved, message: WebSocketMessage) -> Known:
    """What is known of the turn that a message of a WebSocket asks for, or answers."""
    for turn in found.turns:
        if message.timestamp == (turn.asked if message.from_client else turn.answered):
            return Known(turn.model, turn.sent_model, turn.changes, [], turn.notes, turn.marks, turn.ended)
    return Known()


def is_socket_request(data: bytes, metadata: contentviews.Metadata) -> bool:
    message = metadata.websocket_message
    return message is not None and message.from_client and b'"response.create"' in data


def is_socket_answer(data: bytes, metadata: contentviews.Metadata) -> bool:
    """Is it the events of a turn, which are kept as one message?"""
    message = metadata.websocket_message
    return message is not None and not message.from_client and data.startswith(b"data:")


def has_conversation(metadata: contentviews.Metadata) -> bool:
    flow = metadata.flow
    return isinstance(flow, http.HTTPFlow) and routes.canonical(flow.request.path).endswith(CONVERSATIONS)


def is_running(metadata: contentviews.Metadata) -> bool:
    """Is it an answer that is still coming?"""
    flow = metadata.flow
    if not isinstance(flow, http.HTTPFlow) or flow.response is None or flow.error is not None:
        return False
    if metadata.websocket_message is not None:
        return bool(flow.live) and not known(metadata).ended
    return bool(flow.live) and flow.response.timestamp_end is None


def with_gaps(text: str) -> str:
    """`text` with visible empty lines: mitmweb gives them no height."""
    return text.replace("\n\n", "\n \n").replace("\n\n", "\n \n")


class CodexRequest(contentviews.Contentview):
    """Model, instructions, the conversation, the tools, what was changed on the way up, and the JSON."""

    name = "Codex request"
    syntax_highlight = "yaml"

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        return with_gaps(request_text(data, known(metadata)))

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        if is_socket_request(data, metadata) and has_conversation(metadata):
            return OURS
        ours = isinstance(metadata.http_message, http.Request) and has_conversation(metadata)
        return OURS if ours and data and metadata.content_type in (JSON, None) else NOT_OURS


class CodexAnswer(contentviews.Contentview):
    """The answer, and when its events came."""

    name = "Codex answer"
    syntax_highlight = "yaml"

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        if data[:64].lstrip()[:1] == b"{":
            return with_gaps(object_text(data))
        return with_gaps(stream_text(data, known(metadata), is_running(metadata)))

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        if is_socket_answer(data, metadata) and has_conversation(metadata):
            return OURS
        message = metadata.http_message
        if not data or not isinstance(message, http.Response) or not has_conversation(metadata):
            return NOT_OURS
        if metadata.content_type == EVENTS:
            return OURS
        # Without a type it may be a stream as well (docs/backend.md, 5); refusals read best as the JSON that they are.
        if metadata.content_type is None:
            return OURS if data.startswith((b"event:", b"data:")) else NOT_OURS
        return OURS if metadata.content_type == JSON and message.status_code == 200 else NOT_OURS


class CodexDiff(contentviews.Contentview):
    """Compares what the client sent with what went up; shown on request."""

    name = "Codex diff"
    syntax_highlight = "none"

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        try:
            if metadata.flow is None or not isinstance(metadata.http_message, http.Request):
                return "This view is for requests."
            return difference_of(*original_of(metadata.flow))
        except exceptions.CommandError as e:
            return str(e)

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        return NOT_OURS


class Views:
    def load(self, loader: Loader) -> None:
        contentviews.add(CodexRequest)
        contentviews.add(CodexAnswer)
        contentviews.add(CodexDiff)
