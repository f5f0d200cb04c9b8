"""A compaction asked for as an ordinary turn, and its answer in OpenAI's form (docs/backend.md, 1.1).

The turn's input ends with an item that triggers it, as the official client does it now; its answer is one sealed item.
"""

import secrets
import time
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from ..answer import repair
from ..backend import compact_endpoint, refusals
from ..changes import Change, put
from ..errors import ProxyError
from ..raw_json import LIST_OR_NULL, Object, encoded, value
from . import body_rules, opening

TRIGGER = {"type": "compaction_trigger"}

# Types of the sealed item, by their various names (docs/backend.md, 4).
SEALED = ("compaction", "compaction_summary", "context_compaction")

# Where the backend says nothing of its tokens: the SDKs' form has them always.
NO_TOKENS = {
    "input_tokens": 0, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 0,
}  # fmt: skip

BY_TURN = put("input", "compaction_trigger at its end, as a turn", "the backend has no responses/compact any more")


def as_turn(body: bytes, lite: bool) -> tuple[bytes, "CompactionOf", list[Change]]:
    """The turn for a patched body of responses/compact, how its answer is read, and the changes. Raises ProxyError 400."""
    with opening.readable():
        turn: Object = dict(opening.decode(body))
        items = LIST_OR_NULL.decode(turn.get("input") or b"null") or []
        looked = [value(item) for item in items]
    if not looked or looked[-1] != TRIGGER:
        items.append(encoded(TRIGGER))
    turn |= {"input": encoded(items), "store": msgspec.Raw(b"false")}
    body_rules.defaults(turn, lite)
    return body_rules.written(turn), CompactionOf([item for item in looked if is_of_user(item)]), [BY_TURN]


def is_of_user(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type", "message") == "message" and item.get("role") == "user"


class CompactionOf:
    """How the turn is answered: with the user's messages, which stay readable, and what it sealed."""

    may_stop = False

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.messages = messages

    def stream(self, model: str) -> NoReturn:
        raise ProxyError("not_supported", "A compaction has no stream; ask without one.")

    def document(self, model: str) -> "Compacted":
        return Compacted(self.messages)


class Compacted:
    """Takes the frames of the turn's answer and gives one object at its end."""

    stopped = False

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.messages, self.repair = messages, repair.StreamRepairer()

    def feed(self, frames: Iterable[bytes]) -> None:
        for frame in frames:
            self.repair.feed(frame)

    def made(self) -> bytes:
        """Raises ProxyError where the turn failed, or sealed nothing."""
        self.repair.end()
        if self.repair.error is not None:
            raise refusals.in_stream(self.repair.error)
        response = msgspec.json.decode(self.repair.response or b"{}")
        sealed = [item for item in response.get("output") or [] if item.get("type") in SEALED]
        if not sealed:
            raise compact_endpoint.unavailable("the turn that asked for it brought none")
        document = {
            "id": response.get("id") or new_id("resp"),
            "object": "response.compaction",
            "created_at": response.get("created_at") or int(time.time()),
            "output": [*map(message, self.messages), sealed[-1]],
            "usage": response.get("usage") or NO_TOKENS,
        }
        return msgspec.json.encode(document)


def message(item: dict[str, Any]) -> dict[str, Any]:
    """A message of the user as an answer of OpenAI's has it."""
    content = item.get("content")
    parts = [{"type": "input_text", "text": content}] if isinstance(content, str) else content or []
    return {"id": new_id("msg"), "type": "message", "status": "completed", "role": "user", "content": parts}


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(24)}"
