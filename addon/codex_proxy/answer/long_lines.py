"""Keep the lines of a stream short enough for clients that read lines of 1 MiB at most (docs/backend.md, 13).

What a client can do without is left out, and each kind of it told once. What it can't do without goes through, and the log says that the
client will end there: an answer of which a part is missing must not look whole.
"""

from collections.abc import Callable, Iterable

import msgspec

from ..raw_json import ABSENT, LIST, OBJECT, Object, first
from . import sse
from .events import UNREADABLE

# nanobot reads lines with a Go scanner of 1 MiB, line end included; in bytes.
SHORT_LINE = (1 << 20) - 4096

# Of the request, said again in the response object: what there is in its place.
ECHO = {"instructions": b"null", "tools": b"[]"}

# Of items, in the order in which it is left out.
OF_ITEMS = {"result": "an image", "encrypted_content": "encrypted reasoning"}

NULL = msgspec.Raw(b"null")


class LongLines:
    """`feed` takes the frames that a client is to get and gives those that it can read; `note` takes what the log has to say."""

    def __init__(self, note: Callable[[str], None], limit: int = SHORT_LINE) -> None:
        self.limit = limit
        self._note = note
        self._told: set[str] = set()

    def feed(self, frames: Iterable[bytes]) -> list[bytes]:
        return [piece for frame in frames for piece in ([frame] if self._fits(frame) else self._shortened(frame))]

    def after(self, work: Callable[[list[bytes]], list[bytes] | None]) -> Callable[[list[bytes]], list[bytes]]:
        """`work`, and then `feed` with what it gives."""
        return lambda frames: self.feed(work(frames) or ())

    def _fits(self, piece: bytes) -> bool:
        return len(piece) <= self.limit or all(len(line) <= self.limit for line in piece.splitlines(keepends=True))

    def _shortened(self, piece: bytes) -> list[bytes]:
        frames = sse.Frames()
        each = [*frames.feed(piece), frames.flush()]
        return [short for frame in each if frame and (short := frame if self._fits(frame) else self._frame(frame))]

    def _frame(self, frame: bytes) -> bytes:
        """A frame with a line that is too long, shortened; empty where the client does not need it."""
        kind, data = sse.parse(frame)
        room = self.limit - (len(frame) - len(data))
        try:
            event = OBJECT.decode(data)
            if first(event.get("type", ABSENT)) == b'"':
                kind = msgspec.json.decode(event["type"], type=str)
            data = self._event(kind, event, room)
        except UNREADABLE:
            return self._passed(frame, kind)
        if len(data) <= room:
            return sse.with_data(frame, data)
        if not kind.startswith("response.") or kind.endswith(".delta") or "response" in event:
            return self._passed(frame, kind)
        self._tell(kind, "the event left out")
        return b""

    def _event(self, kind: str, event: Object, room: int) -> bytes:
        if first(event.get("item", ABSENT)) == b"{":
            self._item(kind, event, lambda: len(_encoded(event)) - room)
        elif first(event.get("response", ABSENT)) == b"{":
            self._response(kind, event, room)
        return _encoded(event)

    def _item(self, kind: str, holder: Object, over: Callable[[], int]) -> None:
        """Leave out of an event's item what can be, while it is too long."""
        item = OBJECT.decode(holder["item"])
        for key in OF_ITEMS:
            if over() > 0 and first(item.get(key, ABSENT)) not in (b"", b"n"):
                self._tell(kind, f"{OF_ITEMS[key]} left out")
                item[key] = NULL
                holder["item"] = _raw(item)

    def _response(self, kind: str, event: Object, room: int) -> None:
        response = OBJECT.decode(event["response"])
        output = LIST.decode(response["output"]) if first(response.get("output", ABSENT)) == b"[" else []
        rest = len(_encoded({**event, "response": _raw({**response, "output": msgspec.Raw(b"[]")})}))
        for key, empty in sorted(ECHO.items(), key=lambda each: -_length(response.get(each[0], ABSENT))):
            if rest > room and (length := _length(response.get(key, ABSENT))) > len(empty):
                self._tell(kind, f"{key} of the request left out")
                response[key] = msgspec.Raw(empty)
                rest -= length - len(empty)
        if output:
            response["output"] = _list(self._items(kind, output, room - rest))
        event["response"] = _raw(response)

    def _items(self, kind: str, items: list[msgspec.Raw], room: int) -> list[msgspec.Raw]:
        """Items that fit into `room` bytes: without images and encrypted reasoning first, then without the largest."""
        items = list(items)

        def over() -> bool:
            return sum(_length(item) + 1 for item in items) > room

        for key, what in OF_ITEMS.items():
            for index in sorted(range(len(items)), key=lambda i: -_length(items[i])):
                if not over():
                    return items
                item = OBJECT.decode(items[index]) if first(items[index]) == b"{" else {}
                if first(item.get(key, ABSENT)) not in (b"", b"n"):
                    self._tell(kind, f"{what} left out")
                    items[index] = _raw({**item, key: NULL})
        while items and over():
            items.remove(max(items, key=_length))
            self._tell(kind, "an item left out")
        return items

    def _passed(self, frame: bytes, kind: str) -> bytes:
        self._tell(kind, "the event goes through whole, and the client will end there")
        return frame

    def _tell(self, kind: str, what: str) -> None:
        said = f"{kind or 'an event'}: {what}, as the client reads lines of at most 1 MiB"
        if said not in self._told:
            self._told.add(said)
            self._note(said)


def _length(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes


def _encoded(values: Object) -> bytes:
    return msgspec.json.encode(values)


def _raw(values: Object) -> msgspec.Raw:
    return msgspec.Raw(_encoded(values))


def _list(items: list[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(items))
