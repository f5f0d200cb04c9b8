"""An item of `input` as the rules look at it: decoded at its top level alone."""

from dataclasses import dataclass

import msgspec

from .. import bounds
from ..raw_json import ABSENT, OBJECT, Object, first, text


@dataclass(slots=True)
class Shape:
    """An item, decoded at its top level, and those of its texts that a rule may be about."""

    values: Object
    type: str | None = None
    role: str | None = None
    id: str | None = None
    call_id: str | None = None
    kind: str = ""
    """Its type, or what it stands for without one."""

    @property
    def is_encrypted(self) -> bool:
        return first(self.values.get("encrypted_content", ABSENT)) == b'"' and self.values["encrypted_content"] != EMPTY

    def raw(self, key: str) -> msgspec.Raw:
        return self.values.get(key, ABSENT)

    def text(self, key: str) -> str:
        """A value if it is a string, else an empty one."""
        if key in TEXTS:
            return getattr(self, key) or ""
        return text(self.raw(key))


TEXTS = ("type", "role", "id", "call_id")
TEXT = msgspec.json.Decoder(str | None)
EMPTY = msgspec.Raw(b'""')

Assessment = tuple[msgspec.Raw, Shape | None]


def look(raw: msgspec.Raw) -> Shape | None:
    """None for items of a form that no rule knows: the backend decides."""
    try:
        shape = Shape(values := OBJECT.decode(raw))
        for key in TEXTS:
            if key in values:
                setattr(shape, key, TEXT.decode(values[key]))
    except msgspec.MsgspecError:
        return None
    # An item without a type is a message, or, with an id and nothing else, a reference (docs/backend.md, 4).
    shape.kind = shape.type or ("message" if shape.role else "item_reference" if shape.id else "")
    if len(values) > bounds.FIELDS:
        bounds.check_count("keys in an item of `input`", values, bounds.FIELDS)
    return shape if first(values.get("encrypted_content", ABSENT)) in (b"", b'"', b"n") else None
