"""Repair the answer's stream on its way down: collect the items, complete the last event, end a broken stream readably.

The backend's last event has `output: []` (docs/backend.md, 5), and clients such as nanobot read nothing else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .. import lone_surrogates
from ..outcome import Tokens, integer
from ..output import redact
from ..raw_json import ABSENT, Object, first, value
from . import sse

# Only these are decoded; the text of a delta may hold such a word too, so the decoded type decides.
WORTH_A_LOOK = re.compile(
    rb"response\.(?:output_item\.done|completed|done|incomplete|failed)\b|event: ?error|\"type\" ?: ?\"error\""
)
# Above this size, in bytes, decoding takes less time than the search.
LARGE = 1 << 15

LAST = ("response.completed", "response.done", "response.incomplete")
FAILED = ("response.failed", "error")

# nanobot reads lines with a Go scanner of 1 MiB, line end included (docs/backend.md, 13); in bytes.
SHORT_LINE = (1 << 20) - 4096

# A failure longer than this is not looked through for tokens, which would take seconds: code and message go on, cut; in bytes
# and in characters.
LONG_FAILURE, TOLD = 512 << 10, 4096

# How much of a complete stream is read at a time, in bytes.
PIECE = 1 << 20

encode = msgspec.json.encode


class Event(msgspec.Struct):
    type: str = ""
    item: msgspec.Raw = ABSENT
    output_index: int | None = None
    response: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT
    code: Any = None
    message: Any = None


class Usage(msgspec.Struct):
    """Tokens of an answer, as OpenAI counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: dict[str, Any] | None = None
    output_tokens_details: dict[str, Any] | None = None

    def counts(self) -> Tokens:
        cached = (self.input_tokens_details or {}).get("cached_tokens")
        reasoning = (self.output_tokens_details or {}).get("reasoning_tokens")
        return Tokens(self.input_tokens, integer(cached), self.output_tokens, integer(reasoning))


class Ending(msgspec.Struct):
    """What is read of the response object in the last event."""

    output: list[msgspec.Raw] | None = None
    usage: Usage | None = None
    error: dict[str, Any] | None = None
    model: str | None = None


@dataclass
class StreamRepairer:
    """`feed` and `end` take what the backend sent and give what the client gets. `limit` is the longest line it reads."""

    limit: int | None = None
    ended: str = ""
    """Type of the last event, once it came."""
    response: bytes = b""
    """The response object of the last event, completed."""
    error: dict[str, Any] | None = None
    """Code and message, where the backend reported a failure inside the stream."""
    usage: Usage | None = None
    model: str | None = None
    notes: list[str] = field(default_factory=list)
    events: int = 0
    _frames: sse.Frames = field(default_factory=sse.Frames)
    _items: dict[int, bytes] = field(default_factory=dict)

    def feed(self, data: bytes) -> list[bytes]:
        frames = self._frames.feed(data)
        self.events += sum(not frame.isspace() for frame in frames)
        return [self._frame(frame) if worth_a_look(frame) else frame for frame in frames]

    def end(self) -> list[bytes]:
        """The rest, when the backend is done: a last event without its empty line, or the word that it broke off."""
        rest = self._frames.flush()
        if rest and worth_a_look(rest):
            rest = self._frame(rest.rstrip(b"\r\n") + b"\n\n")
        if self.ended:
            return [rest] if rest else []
        # Half an event does not count (WHATWG HTML 9.2.6), and clients could not parse it.
        return [self.broken("The backend ended the stream before its last event.")]

    def broken(self, message: str, code: str = "stream_broken") -> bytes:
        """An `error` event in OpenAI's form for a stream that will not be ended by the backend."""
        self.ended, self.error = "error", {"code": code, "message": message}
        event = {"type": "error", "code": code, "message": message, "param": None, "sequence_number": self.events}
        return sse.build("error", encode(event))

    def message(self, data: bytes) -> bytes:
        """One event as a WebSocket brings it, by itself; the answer is what the client gets."""
        self.events += 1
        return self._event("", data) if worth_a_look(data) else data

    def _frame(self, frame: bytes) -> bytes:
        kind, data = sse.parse(frame)
        fixed = self._event(kind, data)
        # Data that came in several lines has line ends between its values, which one line can't have.
        return frame if fixed == data else sse.with_data(frame, fixed.replace(b"\n", b" "))

    def _event(self, kind: str, data: bytes) -> bytes:
        try:
            data, event = readable(data)
            kind = event.type or kind
            if kind in FAILED and len(data) > LONG_FAILURE:
                data = _brief(kind, event)
                event = msgspec.json.decode(data, type=Event)
            if kind in FAILED and (clean := without_tokens(data)) != data:
                data, event = clean, msgspec.json.decode(clean, type=Event)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return data
        if kind == "response.output_item.done" and first(event.item) == b"{":
            index = max(self._items, default=-1) + 1 if event.output_index is None else event.output_index
            self._items[index] = bytes(event.item)
        elif kind in LAST and first(event.response) == b"{":
            return self._last(kind, data, bytes(event.response))
        elif kind == "response.failed" and first(event.response) == b"{":
            self.ended, self.response = kind, bytes(event.response)
            ending = _ending(self.response)
            self.error, self.usage = (ending.error or {}), ending.usage
        elif kind == "error":
            self.ended, self.error = kind, _error(event)
        return data

    def _last(self, kind: str, data: bytes, response: bytes) -> bytes:
        self.ended, self.response = kind, response
        ending = _ending(response)
        self.usage, self.model = ending.usage, ending.model
        if ending.output or not self._items:
            return data
        items = [self._items[index] for index in sorted(self._items)]
        if self.limit is not None:
            items = self._shortened(items, self.limit - len(data))
        self.response = _set(response, "output", b"[" + b",".join(items) + b"]")
        return _set(data, "response", self.response)

    def _shortened(self, items: list[bytes], room: int) -> list[bytes]:
        """Items that fit into `room` bytes: without images and encrypted reasoning first, then without the largest."""
        if sum(len(item) + 1 for item in items) <= room:
            return items
        for key, what in (("result", "an image"), ("encrypted_content", "encrypted reasoning")):
            for index in sorted(range(len(items)), key=lambda i: -len(items[i])):
                if sum(len(item) + 1 for item in items) > room and _holds(items[index], key):
                    self.notes.append(f"last event: {what} left out, as the client reads lines of at most 1 MiB")
                    items[index] = _set(items[index], key, b"null")
        while items and sum(len(item) + 1 for item in items) > room:
            items.remove(max(items, key=len))
            self.notes.append("last event: an item left out, as the client reads lines of at most 1 MiB")
        return items


def worth_a_look(frame: bytes) -> bool:
    return len(frame) > LARGE or WORTH_A_LOOK.search(frame) is not None


def readable(data: bytes) -> tuple[bytes, Event]:
    """An event with U+FFFD for invalid UTF-8, as event readers do (WHATWG HTML 9.2.6), and for lone surrogates, which
    strict JSON readers refuse: neither should cost a turn. Raises msgspec.MsgspecError."""
    # Not seen by msgspec while it is in a value that stays undecoded.
    data = data if is_utf8(data) else data.decode("utf-8", "replace").encode()
    try:
        return data, msgspec.json.decode(data, type=Event)
    except msgspec.MsgspecError:
        if (mended := lone_surrogates.replaced(data)) is None:
            raise
    return mended, msgspec.json.decode(mended, type=Event)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def without_tokens(data: bytes) -> bytes:
    """JSON as it is, or, if there are tokens in it, without them: an error may repeat what was sent up."""
    if redact.redact(text := data.decode()) == text:
        return data
    return msgspec.json.encode(redact.values(msgspec.json.decode(data)))


def _ending(response: bytes) -> Ending:
    try:
        return msgspec.json.decode(response, type=Ending)
    except msgspec.MsgspecError:
        return Ending()


def _error(event: Event) -> dict[str, Any]:
    """Code and message of an `error` event, flat or nested (docs/backend.md, 5)."""
    if first(event.error):
        nested = value(event.error)
        if isinstance(nested, dict):
            return nested
    return {"code": event.code, "message": event.message}


def _brief(kind: str, event: Event) -> bytes:
    """A failure with its code and message alone, as far as they are texts of no great length."""
    found = _error(event) if kind == "error" else _ending(bytes(event.response)).error or {}
    said = {name: text[:TOLD] for name in ("code", "message") if isinstance(text := found.get(name), str)}
    if kind == "error":
        return encode({"type": kind, "code": None, "message": None, "param": None, **said})
    return encode({"type": kind, "response": {"object": "response", "status": "failed", "output": [], "error": said}})


def _holds(item: bytes, key: str) -> bool:
    return bool(msgspec.json.decode(item).get(key))


def _set(document: bytes, key: str, value: bytes) -> bytes:
    """The JSON object with one value replaced, all others as they were."""
    values = msgspec.json.decode(document, type=Object)
    values[key] = msgspec.Raw(value)
    return encode(values)


def through(
    body: bytes, repair: StreamRepairer, seen: Callable[[list[bytes]], list[bytes] | None] | None = None
) -> bytes:
    """A stream that came whole, fed to `repair` piece by piece: its frames are many times as large as itself. What `seen` gives
    for them is put together. Raises ProxyError for a frame that is too large."""
    kept: list[bytes] = []
    for start in (*range(0, len(body), PIECE), None):
        frames = repair.end() if start is None else repair.feed(body[start : start + PIECE])
        kept.append(b"".join(seen(frames) or () if seen else ()))
    return b"".join(kept)


def of_complete_stream(body: bytes) -> StreamRepairer:
    """The repair of a stream that came whole."""
    repair = StreamRepairer()
    through(body, repair)
    return repair
