"""The last event of an answer that ended well: its list of items is the items that came, or they are its (docs/backend.md, 5)."""

from collections.abc import Iterator
from typing import Any

import msgspec

from ..outcome import Tokens, integer
from ..raw_json import LIST, first
from .events import UNREADABLE
from .items import Item, Items
from .missing import Said, can_end, finished
from .reading import NAMED, Named

LAST = ("response.completed", "response.done", "response.incomplete")
FAILED = ("response.failed", "error")

# What `response.done` ends with, by the status of its response object; otherwise it is complete.
BY_STATUS = {"incomplete": "response.incomplete", "failed": "response.failed", "cancelled": "response.failed"}


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

    usage: Usage | None = None
    model: str | None = None


def ending(response: bytes) -> Ending:
    try:
        return msgspec.json.decode(response, type=Ending)
    except UNREADABLE:
        return Ending()


def listed(output: msgspec.Raw) -> list[bytes]:
    """The items of a list; none where it is no list."""
    try:
        return [bytes(raw) for raw in LIST.decode(output) if first(raw) == b"{"] if first(output) == b"[" else []
    except UNREADABLE:
        return []


def completed(items: Items, output: list[bytes]) -> Iterator[Said]:
    """The events that are missing before the last one: those of items that are in its list alone, or did not end. Where an item came
    and the list has another one in its place, the item holds. Calls whose name did not come stay open."""
    came = items.known()
    matches = _matches(came, output)
    for place, raw in enumerate(output):
        item = matches.get(place)
        if item is None:
            if place < len(came) and came[place] not in matches.values():
                continue  # another item came in its place
            named = _named(raw)
            item = items.find(str(named.type or ""), None, named.id, named.call_id, begins=True)
        if not item.whole:
            yield from finished(items, item, raw)
            yield _ended(item)
    for item in items.open():
        if can_end(item):
            yield from finished(items, item, msgspec.json.encode({**item.head, "status": "completed"}))
            yield _ended(item)


def _ended(item: Item) -> Said:
    return "response.output_item.done", {"output_index": item.place, "item": msgspec.Raw(item.whole)}


def _matches(came: list[Item], output: list[bytes]) -> dict[int, Item]:
    """Place in the list → the item that came and is meant there: by its id, else by its type and place."""
    names = [_named(raw) for raw in output]
    by_id = {item.id: item for item in came if item.id}
    found = {
        place: by_id[named.id] for place, named in enumerate(names) if isinstance(named.id, str) and named.id in by_id
    }
    for place, named in enumerate(names[: len(came)]):
        if place not in found and came[place].kind == named.type and came[place] not in found.values():
            found[place] = came[place]
    return found


def _named(raw: bytes) -> Named:
    try:
        return NAMED.decode(raw)
    except UNREADABLE:
        return Named()
