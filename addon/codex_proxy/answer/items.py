"""The items of an answer as they grow: which of them an event belongs to, and what of each the client has been told."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from ..raw_json import Object
from .texts import Text

# Beginning of an item's id, by its type.
PREFIX = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}

Slot = tuple[str, int]
"""A part: the list it stands in, and its place there."""


@dataclass(slots=True, eq=False)
class Item:
    kind: str = ""
    id: str = ""
    place: int | None = None
    """In the client's answer, from 0; None as long as the client does not know of it."""
    head: Object = field(default_factory=dict)
    """As it began."""
    whole: bytes = b""
    """As it ended; empty before."""
    _told: dict[tuple[Text, int], list[str]] = field(default_factory=dict)
    """Its texts by kind and place of the part, as far as they came, in pieces."""
    ended: set[tuple[Text, int]] = field(default_factory=set)
    """The texts whose end has been told."""
    parts: dict[Slot, bool] = field(default_factory=dict)
    """The parts that the client knows of, and whether it knows of their end."""

    def grow(self, of: Text, at: int, more: str) -> None:
        self.pieces(of, at).append(more)

    def pieces(self, of: Text, at: int) -> list[str]:
        """A text as far as it came; what is put there belongs to it."""
        return self._told.setdefault((of, at), [])

    def told(self, of: Text, at: int) -> str:
        """How far a text came."""
        return "".join(self._told.get((of, at), ()))

    def texts(self) -> list[tuple[Text, int]]:
        """Those of which something came."""
        return list(self._told)

    def forget(self) -> None:
        """What came of its texts is told once more."""
        self._told.clear()

    def name(self) -> str:
        """Its id, made up where the backend gave none."""
        self.id = self.id or f"{PREFIX.get(self.kind, 'item')}_{secrets.token_hex(12)}"
        return self.id


class Items:
    """`begun` are those the client knows of, in order. Events name an item by its id, by its place, or by neither; the place may be
    that of another item (docs/backend.md, 5)."""

    def __init__(self) -> None:
        self.begun: list[Item] = []
        self._by_name: dict[str, Item] = {}
        self._by_place: dict[int, Item] = {}
        self._known: list[Item] = []

    def find(
        self,
        kind: str,
        place: object,
        item_id: object,
        call_id: object = None,
        *,
        begins: bool = False,
        is_over: Callable[[Item], bool] = lambda item: False,
    ) -> Item:
        """The item that an event is of, or a new one. `place` is the backend's; any of the three may be missing, or of another type.
        `begins`: the event is an item's first; `is_over`: nothing of its kind may follow in that item."""
        names = [name for name in (item_id, call_id) if isinstance(name, str) and name]
        found = next((self._by_name[each] for each in names if each in self._by_name), None)
        if found is None and isinstance(place, int):
            there = self._by_place.get(place)
            if there is not None and _fits(there, kind, names, begins=begins or (bool(names) and is_over(there))):
                found = there
        elif found is None and not names and not begins:
            found = next((each for each in reversed(self._known) if not each.whole and each.kind == kind), None)
        if found is None:
            found = Item(kind)
            self._known.append(found)
        if isinstance(item_id, str):
            found.id = found.id or item_id
        for each in names:
            self._by_name[each] = found
        if isinstance(place, int):
            self._by_place[place] = found
        return found

    def placed(self, place: object, item_id: object) -> Item | None:
        """The item of an event that none begins with."""
        found = self._by_name.get(item_id) if isinstance(item_id, str) else None
        return found or (self._by_place.get(place) if isinstance(place, int) else None)

    def known(self) -> list[Item]:
        """All, in the order in which they came."""
        return list(self._known)

    def open(self) -> list[Item]:
        """Those of them that have not ended."""
        return [each for each in self._known if not each.whole]

    def begin(self, item: Item) -> None:
        item.place = len(self.begun)
        self.begun.append(item)


def _fits(item: Item, kind: str, names: list[str], *, begins: bool) -> bool:
    """Whether an event with an id of its own at an item's place is of that item: some backends give each event another id."""
    if item.kind != kind or (begins and item.place is not None):
        return False
    return not (item.whole and names)
