"""The turns of a WebSocket connection: each `response.create` with the events that answer it (docs/backend.md, 11)."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..answer.last import LAST
from ..answer.repair import StreamRepairer
from ..errors import ProxyError
from ..memory.store import Part
from ..outcome import Outcome
from ..raw_json import ABSENT, Object, text, value
from ..request.body_rules import PatchResult
from ..request.opening import decode, readable
from .frame_budget import REASON

CREATE = "response.create"

encode = msgspec.json.encode

# How much of a turn's events is kept for viewing the flow afterwards, in bytes.
KEPT = 8 << 20

# How many responses of a connection later turns may continue; the official client continues the last one.
KNOWN = 256

# What the CLI puts into the message that would be a header over HTTP (docs/backend.md, 11).
LITE = "ws_request_header_x_openai_internal_codex_responses_lite"

# Metadata above this size is not looked into, in bytes.
METADATA = 64 << 10

# The longest message taken from a client, in bytes: mitmproxy goes through it several times on the event loop.
LONGEST = 32 << 20

LOST = ProxyError("stream_broken", "The connection to the backend was lost before the answer's last event.")
TOO_LARGE = ProxyError(
    "body_too_large",
    f"The message is larger than {LONGEST >> 20} MB, or than codex_body_limit; what is larger can be posted to /responses"
    " instead, up to codex_body_limit.",
)  # fmt: skip
FLOODED = ProxyError("too_much", REASON, status=429)
NOT_SEEN = ProxyError(
    "not_claimed",
    "The proxy did not see this connection or message, because another addon failed; nothing was sent to the backend."
    " mitmproxy's log names it.",
)  # fmt: skip

# It tells a client to reconnect, and that nothing is lost by that (docs/backend.md, 11).
CONNECT_ANEW = "websocket_connection_limit_reached"


# How the events of an answer are named, at their beginning.
BEGUN = b'"response.'


class _Named(msgspec.Struct):
    id: Any = None


class _Refusal(msgspec.Struct):
    type: Any = None
    status: Any = None
    status_code: Any = None


class TurnRecord(Outcome, kw_only=True, eq=False, weakref=True):
    """The record of a turn, for the log and saved with its flow: no secrets. `asked` and `answered` are the times of its messages, unix seconds."""

    number: int = 0
    asked: float = 0.0
    answered: float | None = None
    as_saved: dict[str, Any] | None = None
    """Its saved form, once it was made (walk/saved.py)."""


@dataclass(eq=False)
class Turn:
    record: TurnRecord
    repair: StreamRepairer = field(default_factory=StreamRepairer)
    kept: bytearray = field(default_factory=bytearray)
    """Its events as they went to the client, in the form of a stream."""
    is_answered: bool = False
    """Has its answer begun?"""
    cache_key: str = ""
    """Its `prompt_cache_key`; the turns that follow upon it go by the same."""
    asked: list[Part] | None = None
    """What was asked, where the answer is to be remembered."""

    def take(self, event: bytes, now: float) -> bytes:
        """What the client gets for an event of the backend's."""
        fixed = self.repair.message(event)
        if self.repair.is_official and self.repair.ended == "error" and status_of(event) is None:
            # The official client passes over an error without a status, and waits on (docs/backend.md, 11).
            fixed = encode({"type": "response.failed", "response": msgspec.Raw(self.repair.response)})
        self.record.heard(now)
        if not fixed:
            return fixed
        self.is_answered = self.is_answered or BEGUN in event[:256]
        self._keep(fixed, now)
        if self.repair.ended:
            self._end()
        return fixed

    def fail(self, error: ProxyError, now: float) -> bytes:
        """The proxy ends it; returns the event that says so."""
        event = error_event(error)
        self.repair.ended = "error"
        self.record.error, self.record.ended = error.code or "failed", "error"
        self._keep(event, now)
        return event

    @property
    def response_id(self) -> str:
        """The response that the next turn may continue; empty if there is none."""
        if self.repair.ended not in LAST:
            return ""
        try:
            named = msgspec.json.decode(self.repair.response, type=_Named)
        except msgspec.MsgspecError:
            return ""
        return named.id if isinstance(named.id, str) else ""

    def _keep(self, event: bytes, now: float) -> None:
        if len(self.kept) >= KEPT:
            return
        self.record.mark(len(self.kept), now)
        self.kept += b"data: " + event.replace(b"\n", b" ") + b"\n\n"

    def _end(self) -> None:
        repair = self.repair
        self.record.ended = repair.ended
        if repair.usage:
            self.record.tokens = repair.usage.counts()
        if repair.error is not None:
            self.record.error = str(repair.error.get("code") or repair.error.get("type") or "failed")


@dataclass
class Turns:
    """Those of one connection: the ones that are not answered yet, the oldest first."""

    running: deque[Turn] = field(default_factory=deque)
    known: dict[str, str] = field(default_factory=dict)
    """Ids of the responses that this connection gave, which it remembers, and their keys for the prompt cache."""
    number: int = 0
    heard_at: float = float("-inf")
    is_official: bool = False
    """Is the client the official one, which reads events that are not OpenAI's?"""

    def begin(self, record: TurnRecord, now: float) -> Turn:
        """A turn that goes up."""
        self.number += 1
        record.number, record.sent_at = self.number, now
        turn = Turn(record, StreamRepairer(is_official=self.is_official, is_socket=True))
        self.running.append(turn)
        return turn

    def take(self, event: bytes, now: float) -> tuple[bytes, Turn | None]:
        """What the client gets for an event, empty where that is nothing, and the turn it belongs to."""
        self.heard_at = now
        if not self.running:
            # Of a finished answer, or of none; an error may still contain tokens.
            return StreamRepairer(is_official=self.is_official, is_socket=True).message(event), None
        turn = self.running[0]
        if len(self.running) > 1 and turn.is_answered and status_of(event) is not None:
            # The refused request is not the one whose answer is arriving.
            turn = self.running[-1]
        fixed = turn.take(event, now)
        if turn.repair.ended:
            self.running.remove(turn)
            if turn.response_id:
                self.known[turn.response_id] = turn.cache_key
                if len(self.known) > KNOWN:
                    del self.known[next(iter(self.known))]
        return fixed, turn


@dataclass
class Connection:
    """A WebSocket that is open."""

    turns: Turns = field(default_factory=Turns)
    closing: tuple[bytes, int, str] | None = None
    """The proxy's last message, after which it is closed, with code and reason."""


def record_of(asked: float, patched: PatchResult, *, is_warm_up: bool) -> TurnRecord:
    """The record of a turn as it begins; `asked` in unix seconds."""
    return TurnRecord(
        asked=asked,
        model=patched.model,
        sent_model=patched.sent_model,
        changes=patched.changes,
        notes=["warm-up"] if is_warm_up else [],
    )


def read(message: bytes) -> tuple[str, Object]:
    """The type of a client's message, and its top level. Raises ProxyError for anything but a JSON object."""
    with readable():
        body = decode(message)
        kind = text(body.get("type", ABSENT))
    return kind, body


def is_lite(body: Object) -> bool:
    raw = body.get("client_metadata", ABSENT)
    metadata = value(raw) if memoryview(raw).nbytes <= METADATA else None
    return isinstance(metadata, dict) and str(metadata.get(LITE)).lower() == "true"


def status_of(event: bytes) -> int | None:
    """The status that an `error` event says; None for any other event."""
    try:
        told = msgspec.json.decode(event, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    status = told.status if told.status is not None else told.status_code
    return status if told.type == "error" and isinstance(status, int) else None


def error_event(error: ProxyError) -> bytes:
    """An error as it comes over a WebSocket (docs/backend.md, 7.1): with its status."""
    return msgspec.json.encode({"type": "error", "status": error.status, **msgspec.json.decode(error.body())})


def connect_anew(why: str) -> ProxyError:
    return ProxyError(CONNECT_ANEW, f"{why} Create a new websocket connection to continue.")
