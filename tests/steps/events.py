"""Events of an answer, as the backend sends them."""

from typing import Any

import msgspec

from codex_proxy.answer import sse


def event(kind: str, **values: Any) -> bytes:
    return sse.build(kind, msgspec.json.encode({"type": kind, **values}))


def item(text: str) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }


USAGE = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
CREATED = event("response.created", response={"id": "resp_1", "model": "gpt-6-sol"})
ADDED = event(
    "response.output_item.added", output_index=0, item={**item(""), "status": "in_progress", "content": []}
) + event(
    "response.content_part.added",
    output_index=0,
    item_id="msg_1",
    content_index=0,
    part={"type": "output_text", "text": ""},
)
DELTA = event("response.output_text.delta", output_index=0, item_id="msg_1", content_index=0, delta="Hello")
ENDS = event("response.output_text.done", output_index=0, item_id="msg_1", content_index=0, text="Hello") + event(
    "response.content_part.done",
    output_index=0,
    item_id="msg_1",
    content_index=0,
    part={"type": "output_text", "text": "Hello"},
)
DONE = event("response.output_item.done", output_index=0, item=item("Hello"))
COMPLETED = event("response.completed", response={"id": "resp_1", "model": "gpt-6-sol", "output": [], "usage": USAGE})
FAILED = event("response.failed", response={"id": "resp_1", "error": {"code": "server_error", "message": "It failed."}})
BEGUN = CREATED + ADDED
TURN = BEGUN + DELTA + ENDS + DONE + COMPLETED


def data(frame: bytes) -> bytes:
    """An event as a WebSocket has it."""
    return sse.parse(frame)[1]
