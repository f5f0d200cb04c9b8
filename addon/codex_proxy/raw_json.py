"""Helpers for peeking into undecoded JSON (`msgspec.Raw`)."""

from typing import Any

import msgspec

Object = dict[str, msgspec.Raw]

# One level of an object or a list; the values stay undecoded.
OBJECT = msgspec.json.Decoder(Object)
LIST = msgspec.json.Decoder(list[msgspec.Raw])
LIST_OR_NULL = msgspec.json.Decoder(list[msgspec.Raw] | None)

# A value that is not there. (`Raw | None` would not do: msgspec takes it for null alone.)
ABSENT = msgspec.Raw(b"")


def first(raw: msgspec.Raw) -> bytes:
    """The byte that tells the type: `{`, `[`, `"`, `n`, `t`, `f`, a digit; empty if there is no value."""
    return bytes(memoryview(raw)[:1])


def value(raw: msgspec.Raw) -> Any:
    """The decoded value; None if there is none."""
    return msgspec.json.decode(raw) if first(raw) else None


def text(raw: msgspec.Raw) -> str:
    """The value if it is a string, else an empty one."""
    return str(value(raw)) if first(raw) == b'"' else ""


def encoded(plain: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(plain))


def with_value(document: bytes, key: str, value: bytes) -> bytes:
    """The JSON object with one value put or replaced, all others as they were. Raises msgspec.MsgspecError."""
    return msgspec.json.encode({**OBJECT.decode(document), key: msgspec.Raw(value)})
