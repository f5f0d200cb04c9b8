r"""Refuse ambiguous JSON: a key that occurs twice in an object, bytes that are not UTF-8.

RFC 8259 (section 4) leaves open which of two equal keys counts, and the proxy and the backend must read a body in the same way.
Keys are compared as decoded, so that `"type"` and `"typ\u0065"` are equal.
"""

import codecs
import json
import re
from typing import Any

import msgspec

from ..errors import ProxyError
from ..raw_json import LIST, OBJECT, Object

encode = msgspec.json.encode
decode = msgspec.json.decode

# Objects up to this size are decoded whole, in bytes; in longer ones the texts, which may be images, are only skipped.
SMALL = 256 << 10

# A list that does not come out as it went in is looked at element by element down to this level: that of tools and items.
LISTS = 2

# How many levels deep longer values are examined; a value of that length below them is refused.
DEEP = 16

# Bytes per call of functions that hold the GIL.
PIECE = 1 << 20

KEY = re.compile(rb'[{,][ \t\n\r]*+("(?:[^"\\]|\\.)*+")[ \t\n\r]*+:[ \t\n\r]*+', re.DOTALL)
HTML = ((rb"\u003c", b"<"), (rb"\u003e", b">"), (rb"\u0026", b"&"))

SPACE = re.compile(rb"[ \t\n\r]++")


def check(data: bytes, body: Object) -> None:
    """`body` is the top level of `data`. Raises ProxyError 400; UnicodeDecodeError for what is not UTF-8."""
    _check_utf8(data)
    if len(data) <= SMALL and _is_plain(data):
        return
    _check_keys(data.lstrip(), body)
    for raw in body.values():
        _check(raw, 1)


def _check_utf8(data: bytes) -> None:
    if not data.isascii():
        decoder = codecs.getincrementaldecoder("utf-8")()
        for start in range(0, len(data), PIECE):
            decoder.decode(data[start : start + PIECE])
        decoder.decode(b"", final=True)


def _check(raw: msgspec.Raw, level: int) -> None:
    view = memoryview(raw)
    begins = view[:1].tobytes()
    if begins not in (b"{", b"["):
        return
    if view.nbytes <= SMALL and _is_plain(data := view.tobytes()):
        return
    if view.nbytes <= SMALL and (begins == b"{" or level > LISTS):
        json.loads(data, object_pairs_hook=_pairs, parse_int=len, parse_float=len)
        return
    if begins == b"[":
        values = LIST.decode(raw)
    else:
        body = OBJECT.decode(raw)
        _check_keys(view.tobytes(), body)
        values = list(body.values())
    if level >= DEEP:
        raise ProxyError(
            "too_much", f"More than {SMALL >> 10} KB of the request body are nested more than {DEEP} levels deep, more than the proxy accepts.", status=400
        )  # fmt: skip
    for value in values:
        _check(value, level + 1)


def _is_plain(data: bytes) -> bool:
    """Whether encoding it gives the same bytes: the encoder writes no key twice, so then there is no duplicate."""
    try:
        written = encode(decode(data))
    except msgspec.DecodeError:
        return False  # a number that a float cannot represent
    return data == written or _plain(data, len(written)) == written


def _plain(data: bytes, size: int) -> bytes:
    """The same pairs, nearer to what the encoder writes: without the spaces of Python's, and what Go's escapes in every text."""
    if b": " in data[:128]:
        data = msgspec.json.format(data, indent=-1)
    if len(data) > size and b"\\u00" in data:
        for escaped, plain in HTML:
            data = data.replace(escaped, plain)
    return data


def _pairs(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        raise twice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]


def _check_keys(data: bytes, body: Object) -> None:
    """`body` is `data`, an object, decoded: its keys in the order of their first places, its values those of the last ones. So the
    text is that of the pairs in order, or a key occurs twice."""
    at, before = 0, ""
    for key, raw in body.items():
        found = KEY.match(data, at)
        here = decode(found[1]) if found else before
        if found is None or here != key or not data.startswith(raw, found.end()):
            raise twice(here)
        at = _after_space(data, found.end() + memoryview(raw).nbytes)
        before = key
    if body and not data.startswith(b"}", at):
        found = KEY.match(data, at)
        raise twice(decode(found[1]) if found else before)


def _after_space(data: bytes, at: int) -> int:
    found = SPACE.match(data, at)
    return found.end() if found else at


def twice(key: str) -> ProxyError:
    return ProxyError(
        "duplicate_key", f"The key {json.dumps(key[:60])} occurs twice in one object of the request, so its meaning is ambiguous: send"
        " each key once.",
    )  # fmt: skip
