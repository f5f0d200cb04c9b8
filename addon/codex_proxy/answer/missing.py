"""What a backend left out of an item's events: clients that follow the events and clients that read the items learn the same."""

from collections.abc import Iterator
from typing import Any

import msgspec

from ..raw_json import ABSENT, OBJECT, Object, encoded, text, value
from .items import Item, Items
from .texts import BY_PART, CALLS, PARTS, TEXTS, Text

# An event: its type, and its fields without type and number.
Said = tuple[str, dict[str, Any]]

# Items that have texts.
WITH_TEXTS = frozenset(of.kind for of in TEXTS)

# Values of an item that come with its end alone.
AT_END = ("encrypted_content", "result")


def begun(items: Items, item: Item, fields: Object) -> Iterator[Said]:
    """`output_item.added` for an item that the client does not know of; `fields` are the item's as far as they are known."""
    if item.place is not None:
        return
    items.begin(item)
    item.head = _head(item, fields)
    yield "response.output_item.added", {"output_index": item.place, "item": item.head}


def _head(item: Item, fields: Object) -> Object:
    head = {key: raw for key, raw in fields.items() if key not in AT_END}
    head["type"], head["id"], head["status"] = encoded(item.kind), encoded(item.name()), encoded("in_progress")
    if item.kind == "message":
        head.setdefault("role", encoded("assistant"))
        head["content"] = encoded([])
    elif item.kind == "reasoning":
        head["summary"] = encoded([])
        head.pop("content", None)
    elif item.kind in CALLS:
        head[CALLS[item.kind].key] = encoded("")
    return head


def part_begun(item: Item, of: Text, at: int) -> Iterator[Said]:
    """The event with which a text's part begins, where the client does not know of it."""
    if of.part and (of.parts, at) not in item.parts:
        item.parts[of.parts, at] = False
        yield f"{PARTS[of.parts]}.added", {**_where(item, of, at), "part": _part(of, "")}


def rest(items: Items, item: Item, of: Text, at: int, whole: str) -> Iterator[Said]:
    """What of a text the client has not been told; nothing where it has been told another one."""
    yield from begun(items, item, {})
    yield from part_begun(item, of, at)
    before = item.told(of, at)
    if len(whole) > len(before) and whole.startswith(before):
        item.grow(of, at, whole[len(before) :])
        yield f"{of.event}.delta", {**_where(item, of, at), "delta": whole[len(before) :]}


def finished(items: Items, item: Item, raw: bytes) -> Iterator[Said]:
    """The events up to an item's end, and the item as it then is in `whole`; `raw` is as the backend gave it."""
    given = OBJECT.decode(raw)
    fields = _completed(item, given)
    item.whole = raw if fields == given else msgspec.json.encode(fields)
    if item.place is None:
        item.forget()  # what came of a call before its name
    yield from begun(items, item, fields)
    for of, at, whole in _texts(item, fields):
        yield from rest(items, item, of, at, whole)
        if (of, at) not in item.ended:
            item.ended.add((of, at))
            yield f"{of.event}.done", {**_where(item, of, at), of.key: whole}
        if of.part and not item.parts[of.parts, at]:
            item.parts[of.parts, at] = True
            yield f"{PARTS[of.parts]}.done", {**_where(item, of, at), "part": _part(of, whole)}


def can_end(item: Item) -> bool:
    """Whether an item whose end did not come can be made up: a call needs its name."""
    return item.kind not in CALLS or bool(text(item.head.get("name", ABSENT)))


def _completed(item: Item, fields: Object) -> Object:
    """An item's fields with the texts that came as deltas alone, and an id."""
    fields = dict(fields)
    given = text(fields.get("id", ABSENT))
    item.id = item.id or given
    if (item.kind in WITH_TEXTS or item.id) and given != item.name():
        fields["id"] = encoded(item.id)  # SDKs take no other one than it began with
    for parts in PARTS:
        told = {at: (of, item.told(of, at)) for of, at in item.texts() if of.parts == parts}
        if told and (filled := _filled(fields.get(parts), told)) is not None:
            fields[parts] = filled
    if (of := CALLS.get(item.kind)) and not text(fields.get(of.key, ABSENT)):
        fields[of.key] = encoded(item.told(of, 0))
    return fields


def _filled(raw: msgspec.Raw | None, told: dict[int, tuple[Text, str]]) -> msgspec.Raw | None:
    """A list of parts with the texts that are missing in it; None where none is."""
    given = None if raw is None else value(raw)
    parts = list(given) if isinstance(given, list) else []
    is_same = True
    for at in sorted(told):
        of, said = told[at]
        if at < len(parts) and not (isinstance(parts[at], dict) and not parts[at].get(of.key) and said):
            continue
        is_same = False
        mended = _part(of, said)
        if at < len(parts):
            parts[at] = {**parts[at], **mended}
        else:
            parts.append(mended)
    return None if is_same else encoded(parts)


def _texts(item: Item, fields: Object) -> Iterator[tuple[Text, int, str]]:
    if of := CALLS.get(item.kind):
        yield of, 0, text(fields.get(of.key, ABSENT))
    if item.kind not in WITH_TEXTS:
        return
    for parts in PARTS:
        given = value(fields[parts]) if parts in fields else None
        for at, part in enumerate(given if isinstance(given, list) else []):
            found = BY_PART.get((parts, str(part.get("type")))) if isinstance(part, dict) else None
            if found and found.kind == item.kind and isinstance(whole := part.get(found.key), str):
                yield found, at, whole


def _part(of: Text, whole: str) -> dict[str, Any]:
    return {"type": of.part, of.key: whole, **({"annotations": []} if of.part == "output_text" else {})}


def _where(item: Item, of: Text, at: int) -> dict[str, Any]:
    return {"item_id": item.name(), "output_index": item.place, **({of.place: at} if of.place else {})}
