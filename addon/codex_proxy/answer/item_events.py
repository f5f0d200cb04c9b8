"""The events of an answer's items, each with what the backend left out before it (docs/backend.md, 5)."""

from collections.abc import Iterable

import msgspec

from ..raw_json import ABSENT, OBJECT, first, text, with_value
from . import missing
from .items import Item, Items
from .missing import Said
from .reading import NAMED, Event
from .texts import BY_DELTA, BY_DONE, BY_PART, PART_EVENTS, Text

encode = msgspec.json.encode

# The events that `ItemEvents.told` takes.
OF_ITEMS = frozenset(("response.output_item.added", "response.output_item.done", *BY_DELTA, *BY_DONE, *PART_EVENTS))


class ItemEvents:
    def __init__(self) -> None:
        self.items = Items()
        self._on: tuple[object, ...] = ()
        """Where the last event was a delta that needed nothing: by what the next one of the same text is known."""
        self._text: list[str] = []
        """The pieces of that text."""

    def goes_on(self, kind: str, event: Event) -> bool:
        """Is it one more delta of the text that the last event was of? That is nearly every event, and it goes as it came."""
        if self._on != (kind, event.output_index, event.item_id, event.content_index, event.summary_index):
            return False
        if not isinstance(event.delta, str):
            return False
        self._text.append(event.delta)
        return True

    def told(self, kind: str, data: bytes, event: Event) -> tuple[Iterable[Said], bytes]:
        """What was left out before an event of OF_ITEMS, and the event; empty where it is not for the client."""
        items, self._on = self.items, ()
        if of := BY_DELTA.get(kind):
            item, at = self._of_text(event, of, grows=True)
            if not isinstance(event.delta, str) or item.whole:
                return (), b""
            said = [*missing.begun(items, item, {}), *missing.part_begun(item, of, at)] if of.part else []
            item.grow(of, at, event.delta)
            # Of a call the client learns when its name is known.
            if item.place is None:
                return said, b""
            told = self._in_part(data, event, item, of)
            if told is data:
                self._on = (kind, event.output_index, event.item_id, event.content_index, event.summary_index)
                self._text = item.pieces(of, at)
            return said, told
        if of := BY_DONE.get(kind):
            item, at = self._of_text(event, of, grows=False)
            whole = getattr(event, of.key)
            if not isinstance(whole, str) or item.whole:
                return (), b""
            if item.place is None and not of.part:
                item.grow(of, at, whole.removeprefix(item.told(of, at)))
                return (), b""
            said = list(missing.rest(items, item, of, at, whole))
            item.ended.add((of, at))
            return said, self._in_part(data, event, item, of)
        if kind in PART_EVENTS:
            return self._part(kind, data, event)
        return self._item(kind, data, event)

    def _part(self, kind: str, data: bytes, event: Event) -> tuple[Iterable[Said], bytes]:
        parts, end = PART_EVENTS[kind]
        of = BY_PART.get((parts, str(NAMED.decode(event.part).type))) if first(event.part) == b"{" else None
        if of is None:
            return (), data
        item, at = self._of_text(event, of, grows=end == "added")
        is_ended = item.parts.get((parts, at))
        if item.whole or is_ended or (is_ended is False and end == "added"):
            return (), b""
        said = list(missing.begun(self.items, item, {}))
        if end == "done":
            whole = OBJECT.decode(event.part).get(of.key, ABSENT)
            said += missing.rest(self.items, item, of, at, text(whole))
        item.parts[parts, at] = end == "done"
        return said, self._in_part(data, event, item, of)

    def _item(self, kind: str, data: bytes, event: Event) -> tuple[Iterable[Said], bytes]:
        if first(event.item) != b"{":
            return (), data
        named, items = NAMED.decode(event.item), self.items
        begins = kind.endswith("added")
        names = str(named.type or ""), event.output_index, named.id, named.call_id
        item = items.find(*names, begins=begins)
        if begins:
            if item.place is not None:
                return (), b""
            items.begin(item)
            item.head = OBJECT.decode(event.item)
            assert item.place is not None
            # What of a call came before its name.
            later = [_again(item, of, at) for of, at in item.texts()]
            if not later:
                return (), self.placed(data, event, item.place, None)
            return [(kind, {"output_index": item.place, "item": event.item}), *later], b""
        if item.whole:
            if named.id == item.id or item.whole == bytes(event.item):
                return (), b""
            item = items.find(*names, begins=True)
        raw = bytes(event.item)
        said = list(missing.finished(items, item, raw))
        assert item.place is not None
        if item.whole != raw:
            data = with_value(data, "item", item.whole)
        return said, self.placed(data, event, item.place, None)

    def _of_text(self, event: Event, of: Text, *, grows: bool) -> tuple[Item, int]:
        """The item of a text's event, and the place of its part. One that `grows` after its end is another item's."""
        at = _place(event, of.place)

        def is_over(item: Item) -> bool:
            return grows and ((of, at) in item.ended or bool(item.parts.get((of.parts, at))))

        return self.items.find(of.kind, event.output_index, event.item_id, is_over=is_over), at

    def _in_part(self, data: bytes, event: Event, item: Item, of: Text) -> bytes:
        """The event of a text, or of its part, with all that says where it stands."""
        assert item.place is not None
        if of.place and not isinstance(getattr(event, of.place), int):
            data = with_value(data, of.place, b"0")
        return self.placed(data, event, item.place, item.name())

    def placed(self, data: bytes, event: Event, place: int, item_id: str | None) -> bytes:
        """An event with the place and the id that the client knows its item by."""
        if event.output_index != place:
            data = with_value(data, "output_index", encode(place))
        if item_id is not None and event.item_id != item_id:
            data = with_value(data, "item_id", encode(item_id))
        return data


def _again(item: Item, of: Text, at: int) -> Said:
    return f"{of.event}.delta", {"item_id": item.name(), "output_index": item.place, "delta": item.told(of, at)}


def _place(event: Event, index: str) -> int:
    found = getattr(event, index) if index else 0
    return found if isinstance(found, int) else 0
