"""Repair the answer's stream on its way down: every event that clients rely on is there, the last one has the items that came, and a
failure is told in forms that every client reads.

The backend's last event has `output: []`, and backends leave out more than that (docs/backend.md, 5); clients such as nanobot read
nothing but the last event, others nothing but the deltas.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..backend import refusals
from ..errors import ProxyError
from ..raw_json import ABSENT, OBJECT, encoded, first, text, with_value
from . import failure, last, sse
from .events import UNREADABLE
from .item_events import OF_ITEMS, ItemEvents
from .last import BY_STATUS, FAILED, LAST, Usage
from .missing import Said
from .reading import Event, readable

# How much of a complete stream is read at a time, in bytes.
PIECE = 1 << 20

# Of what is no event this much is looked at, in bytes.
NO_EVENTS = 64 << 10

encode = msgspec.json.encode

# An event on its way out: its type and its data; OWN for the backend's own under its name, COMMENT for a comment.
Pair = tuple[str, bytes]
OWN, COMMENT = "", ":"

# What begins an answer, or stands in one: `response.created` comes before it.
IN_ANSWER = OF_ITEMS | {"response.in_progress", *LAST}


@dataclass
class StreamRepairer:
    """`feed` and `end` take what the backend sent and give what the client gets. `is_official`: it is the official client, which
    reads events that are not OpenAI's; `is_socket`: it is fed by `message`."""

    is_official: bool = False
    is_socket: bool = False
    ended: str = ""
    """Type of the last event, once it came."""
    response: bytes = b""
    """The response object of the last event, completed."""
    error: dict[str, Any] | None = None
    """Code and message, where the answer failed."""
    usage: Usage | None = None
    model: str | None = None
    notes: list[str] = field(default_factory=list)
    events: int = 0
    _frames: sse.Frames = field(default_factory=sse.Frames)
    _of_items: ItemEvents = field(default_factory=ItemEvents)
    _begun: bytes = b""
    """The response object of `response.created`."""
    _id: str = ""
    """The answer's, as the client knows it; on a WebSocket it goes by the backend's."""
    _number: int = -1
    """Of the last event that had one."""

    @property
    def breaks_off(self) -> bool:
        """Must the body not end well? To the official client a bad end would hide what `response.failed` says (docs/backend.md, 5)."""
        return self.error is not None and not self.is_official

    @property
    def has_begun(self) -> bool:
        """Whether items came: a turn that was paid, whatever becomes of it."""
        return bool(self._of_items.items.begun)

    def feed(self, data: bytes) -> list[bytes]:
        return [piece for frame in self._frames.feed(data) for piece in self._frame(frame)]

    def end(self) -> list[bytes]:
        """The rest, when the backend is done: a last event without its empty line, or the word that it broke off."""
        rest = self._frames.flush()
        is_none = not self.events and rest.strip() and not sse.parse(rest)[1]
        if is_none and (told := refusals.no_answer(200, {}, rest[:NO_EVENTS])):
            # A refusal or a page under the type of events.
            return self._ended_by(told if told.code else ProxyError("backend_error", told.message))
        # Half an event does not count (WHATWG HTML 9.2.6), and clients could not parse it.
        pieces = self._frame(rest.rstrip(b"\r\n") + b"\n\n") if rest and not self.ended else []
        if self.ended:
            return pieces
        return self.broken("The backend ended the stream before its last event.")

    def broken(self, message: str, code: str = "stream_broken") -> list[bytes]:
        """The events that end a stream which the backend does not end."""
        return self._ended_by(ProxyError(code, message))

    def _ended_by(self, told: ProxyError) -> list[bytes]:
        pairs = self._failed(told, "error", {"code": told.code, "message": told.message})
        return [sse.build(kind, data) for kind, data in pairs]

    def message(self, data: bytes) -> bytes:
        """One event as a WebSocket brings it, by itself; the answer is what the client gets, empty where that is nothing."""
        self.events += 1
        data, kind, pairs = self._event("", data)
        if self.error is not None:
            # A failure has its own form there.
            return failure.of_socket(data, kind, self.error)
        # What was left out is for clients of streams: those of WebSockets read the items.
        if pairs and pairs[-1][0] == COMMENT:
            return b""
        return pairs[-1][1] if pairs else data

    def _frame(self, frame: bytes) -> list[bytes]:
        if self.ended:
            return []
        kind, data = sse.parse(frame)
        if not data:
            return [frame]
        self.events += 1
        return [_framed(frame, data, *pair) for pair in self._event(kind, data)[2]]

    def _event(self, kind: str, data: bytes) -> tuple[bytes, str, list[Pair]]:
        """The event, readable, its type, and what the client gets for it."""
        if data == b"[DONE]":
            return data, kind, []  # of another dialect; clients that know it would stop before the last event
        try:
            data, event = readable(data)
            kind = event.type or kind or ("error" if first(event.error) == b"{" else "")
            if isinstance(event.sequence_number, int):
                self._number = event.sequence_number
            return data, kind, self._known(kind, data, event)
        except UNREADABLE:
            return data, kind, [(OWN, data)]

    def _known(self, kind: str, data: bytes, event: Event) -> list[Pair]:
        if self._of_items.goes_on(kind, event):
            return [(OWN, data)]
        renamed = kind == "response.done"
        if renamed:
            kind, data = self._renamed(data, event)
        if kind in FAILED:
            return self._reported(kind, event)
        if kind not in IN_ANSWER:
            return self._beside(kind, data, event)
        pairs = self._created(kind, event)
        if kind == "response.in_progress":
            return [*pairs, *self._beside(kind, data, event)]
        said, own = self._last(kind, data, event) if kind in LAST else self._of_items.told(kind, data, event)
        pairs += self._encoded(said)
        return [*pairs, (kind if renamed else OWN, own)] if own else pairs

    def _beside(self, kind: str, data: bytes, event: Event) -> list[Pair]:
        """An event that is of no item. SDKs know OpenAI's alone, and in front of an answer none (docs/backend.md, 5)."""
        if kind == "response.created":
            if self._begun:
                return []
            self._begin(bytes(event.response) or b"{}")
        elif kind and not self.is_official and not (self._begun and kind.startswith("response.")):
            return [(COMMENT, b" keep-alive")]
        elif first(event.response) == b"{" and (response := self._identified(bytes(event.response))) != event.response:
            return [(OWN, with_value(data, "response", response))]
        item = self._of_items.items.placed(event.output_index, event.item_id)
        if item is None or item.place is None:
            return [(OWN, data)]
        return [(OWN, self._of_items.placed(data, event, item.place, item.id or None))]

    def _created(self, kind: str, event: Event) -> list[Pair]:
        """`response.created`, where the backend began with something else: SDKs wait for it."""
        if self._begun:
            return []
        told = OBJECT.decode(event.response) if first(event.response) == b"{" else {}
        begun = {**failure.base(), **told, "status": encoded("in_progress"), "output": encoded([])}
        self._begin(encode(begun))
        return self._encoded([("response.created", {"response": begun})])

    def _begin(self, response: bytes) -> None:
        self._begun = response
        self._id = "" if self.is_socket else text(OBJECT.decode(response).get("id", ABSENT))

    def _identified(self, response: bytes) -> bytes:
        """A response object with the id that the client knows: SDKs refuse another one."""
        if not self._id or text(OBJECT.decode(response).get("id", ABSENT)) == self._id:
            return response
        return with_value(response, "id", encode(self._id))

    def _renamed(self, data: bytes, event: Event) -> Pair:
        """`response.done` under the name that clients know."""
        status = OBJECT.decode(event.response).get("status", ABSENT) if first(event.response) == b"{" else ABSENT
        kind = BY_STATUS.get(text(status), LAST[0])
        return kind, with_value(data, "type", encode(kind))

    def _last(self, kind: str, data: bytes, event: Event) -> tuple[Iterable[Said], bytes]:
        response = bytes(event.response)
        if response[:1] != b"{":
            response = with_value(self._begun, "status", encode(kind.rpartition(".")[2]))
        response = self._identified(response)
        listed = OBJECT.decode(response).get("output", ABSENT)
        output = last.listed(listed)
        said = list(last.completed(self._of_items.items, output))
        if lost := sum(item.place is None for item in self._of_items.items.known()):
            self.notes.append(f"{lost} calls left out: the backend did not tell their names")
        items = [item.whole for item in self._of_items.items.begun]
        if first(listed) != b"[" or not _same(output, items):
            response = with_value(response, "output", _list(items))
        if response != bytes(event.response):
            data = with_value(data, "response", response)
        ending = last.ending(response)
        self.ended, self.response, self.usage, self.model = kind, response, ending.usage, ending.model
        return said, data

    def _reported(self, kind: str, event: Event) -> list[Pair]:
        """A failure that the backend reports."""
        error = failure.reported(kind, event.error, event.response, event.code, event.message)
        response = bytes(event.response) if first(event.response) == b"{" else b""
        self.usage = last.ending(response).usage if response else None
        if len(response) > failure.LONG:
            response = b""
        return self._failed(refusals.in_stream(error), kind, error, failure.without_tokens(response))

    def _failed(self, told: ProxyError, kind: str, error: dict[str, Any], response: bytes = b"") -> list[Pair]:
        self.ended, self.error = kind, error
        number = self._number + 1
        failed = failure.response(response or self._begun or b"{}", told)
        self.response = self._identified(encode(failed))
        return [
            ("error", encode(failure.event(told, number))),
            (
                "response.failed",
                encode(
                    {"type": "response.failed", "sequence_number": number + 1, "response": msgspec.Raw(self.response)}
                ),
            ),
        ]

    def _encoded(self, said: Iterable[Said]) -> list[Pair]:
        """Events of our own; they have the number of the one they come before."""
        number = max(self._number, 0)
        return [(kind, encode({"type": kind, "sequence_number": number, **more})) for kind, more in said]


def _framed(frame: bytes, data: bytes, kind: str, fixed: bytes) -> bytes:
    """What the client gets in the place of a frame with `data`, or beside it."""
    if kind == COMMENT:
        return b":" + fixed + b"\n\n"
    if kind != OWN:
        return sse.build(kind, fixed)
    # Data that came in several lines has line ends between its values, which one line can't have.
    return frame if fixed == data else sse.with_data(frame, fixed.replace(b"\n", b" "))


def _same(one: list[bytes], other: list[bytes]) -> bool:
    return one == other or [msgspec.json.decode(each) for each in one] == [msgspec.json.decode(each) for each in other]


def _list(items: list[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


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


def last_event() -> Callable[[bytes], bool]:
    """Takes the pieces of a stream, and says whether its last event has come. What is no stream has none."""
    repair = StreamRepairer()

    def is_over(piece: bytes) -> bool:
        try:
            repair.feed(piece)
        except ProxyError:
            return False  # it is refused when it is whole
        return bool(repair.ended)

    return is_over
