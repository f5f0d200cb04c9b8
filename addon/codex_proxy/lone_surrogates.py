r"""Lone surrogates in JSON: `"\ud83d"` without its other half, as JavaScript leaves it when it cuts a text.

JSON's grammar allows them (RFC 8259, section 8.2); they are not valid Unicode, and strict readers refuse them.
"""

import re

from .changes import put
from .raw_json import Object

# A possible surrogate, and its two forms: a high one, with or without a low one behind it, and a low one alone.
BEGIN = re.compile(rb"\\u[dD]")
HALF = re.compile(
    rb"\\u(?:[dD][89abAB][0-9a-fA-F]{2}(?P<other>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[dD][c-fC-F][0-9a-fA-F]{2})"
)

# Backslashes are examined in runs of this many.
STRETCH = 256

# Limits for the replacement: bytes of a body, and surrogates in it.
LARGEST, MOST = 16 << 20, 200_000

REPLACED = put("body", "lone surrogate replaced", "a text was cut inside a character, which left an invalid half")


class Mended(Object):
    """The top level of a body in which lone surrogates have been replaced."""


def replaced(data: bytes) -> bytes | None:
    r"""JSON with U+FFFD for each lone surrogate, of the same length; None if there is none, or the body is too large."""
    if len(data) > LARGEST:
        return None
    mended, done = bytearray(data), 0
    for number, begin in enumerate(BEGIN.finditer(data)):
        if number == MOST:
            return None
        at = begin.start()
        if at < done or _backslashes(data, at) % 2:
            continue
        found = HALF.match(data, at)
        if found and found["other"]:
            done = found.end()
        elif found:
            mended[at : found.end()] = b"\\ufffd"
    return None if mended == data else bytes(mended)


def _backslashes(data: bytes, end: int) -> int:
    """The number of consecutive backslashes before `end`."""
    start = end
    while start > 0:
        stretch = data[max(0, start - STRETCH) : start]
        rest = stretch.rstrip(b"\\")
        start -= len(stretch) - len(rest)
        if rest:
            break
    return end - start
