"""Content views of mitmproxy for what goes to the backend and what comes back."""

from typing import Any

from mitmproxy import contentviews, exceptions, http
from mitmproxy.addonmanager import Loader
from mitmproxy.websocket import WebSocketMessage

from .. import paths
from ..views.answer_text import object_text
from ..views.conversation import request_text
from ..views.stream_text import stream_text
from .flows import KEY
from .originals import difference_of, original_of

# Above what mitmproxy's own views give (1 for JSON), and a view less than 0 is none.
OURS, NOT_OURS = 2.0, -1.0

# The paths of requests with a conversation in them, without their prefixes (paths.canonical).
CONVERSATIONS = ("/responses", "/responses/compact", "/chat/completions")

EVENTS, JSON = "text/event-stream", "application/json"


def state(metadata: contentviews.Metadata) -> dict[str, Any]:
    """What the proxy keeps of the flow; empty for a flow that was not ours, or loaded without the addon."""
    kept = metadata.flow.metadata.get(KEY) if metadata.flow else None
    known = kept if isinstance(kept, dict) else {}
    if metadata.websocket_message is not None:
        return turn_of(known, metadata.websocket_message)
    # How it ended in mitmproxy's own words, where the proxy has none.
    return {"ended": metadata.flow.error.msg, **known} if metadata.flow and metadata.flow.error else known


def turn_of(kept: dict[str, Any], message: WebSocketMessage) -> dict[str, Any]:
    """What is kept of the turn that a message of a WebSocket asks for, or answers."""
    turns, place = kept.get("turns"), "asked" if message.from_client else "answered"
    for turn in turns if isinstance(turns, list) else []:
        if isinstance(turn, dict) and turn.get(place) == message.timestamp:
            return turn
    return {}


def is_socket_request(data: bytes, metadata: contentviews.Metadata) -> bool:
    message = metadata.websocket_message
    return message is not None and message.from_client and b'"response.create"' in data


def is_socket_answer(data: bytes, metadata: contentviews.Metadata) -> bool:
    """Is it the events of a turn, which are kept as one message?"""
    message = metadata.websocket_message
    return message is not None and not message.from_client and data.startswith(b"data:")


def has_conversation(metadata: contentviews.Metadata) -> bool:
    flow = metadata.flow
    return isinstance(flow, http.HTTPFlow) and paths.canonical(flow.request.path).endswith(CONVERSATIONS)


def is_running(metadata: contentviews.Metadata) -> bool:
    """Is it an answer that is still coming?"""
    flow = metadata.flow
    if not isinstance(flow, http.HTTPFlow) or flow.response is None or flow.error is not None:
        return False
    if metadata.websocket_message is not None:
        return bool(flow.live) and "ended" not in state(metadata)
    return bool(flow.live) and flow.response.timestamp_end is None


def with_gaps(text: str) -> str:
    """`text` with its empty lines seen: mitmweb gives them no height."""
    return text.replace("\n\n", "\n \n").replace("\n\n", "\n \n")


class CodexRequest(contentviews.Contentview):
    """Model, instructions, the conversation, the tools, what was changed on the way up, and the JSON."""

    name = "Codex request"
    syntax_highlight = "yaml"

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        return with_gaps(request_text(data, state(metadata)))

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
        return with_gaps(stream_text(data, state(metadata), is_running(metadata)))

    def render_priority(self, data: bytes, metadata: contentviews.Metadata) -> float:
        if is_socket_answer(data, metadata) and has_conversation(metadata):
            return OURS
        message = metadata.http_message
        if not data or not isinstance(message, http.Response) or not has_conversation(metadata):
            return NOT_OURS
        if metadata.content_type == EVENTS:
            return OURS
        # Without a type it may be a stream as well (contract 5); refusals read best as the JSON that they are.
        if metadata.content_type is None:
            return OURS if data.startswith((b"event:", b"data:")) else NOT_OURS
        return OURS if metadata.content_type == JSON and message.status_code == 200 else NOT_OURS


class CodexDiff(contentviews.Contentview):
    """What the client sent beside what went up; shown when a person asks for it."""

    name = "Codex diff"
    syntax_highlight = "none"

    def prettify(self, data: bytes, metadata: contentviews.Metadata) -> str:
        try:
            if metadata.flow is None or not isinstance(metadata.http_message, http.Request):
                return "This is shown for requests."
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
