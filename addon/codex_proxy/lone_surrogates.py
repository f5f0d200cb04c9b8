r"""Halves of characters in JSON: `"\ud83d"` without the half that belongs to it, as JavaScript leaves it where it cuts a text.

JSON's grammar allows them (RFC 8259, section 8.2); they are no Unicode, and no strict reader takes them.
"""

import re

from .changes import put
from .raw_json import Object

# What may be half a character, and the two forms: the first of two, with the second behind it or not, and the second alone.
BEGIN = re.compile(rb"\\u[dD]")
HALF = re.compile(
    rb"\\u(?:[dD][89abAB][0-9a-fA-F]{2}(?P<other>\\u[dD][c-fC-F][0-9a-fA-F]{2})?|[dD][c-fC-F][0-9a-fA-F]{2})"
)

# Backslashes are looked at in stretches of so many.
STRETCH = 256

# Bodies up to this size are mended, in bytes, and with up to so many characters written in such halves.
LARGEST, MOST = 16 << 20, 200_000

REPLACED = put("body", "half a character replaced", "a text was cut inside a character, and what is left of it is none")


class Mended(Object):
    """The top level of a body in which halves have been replaced."""


def replaced(data: bytes) -> bytes | None:
    r"""JSON with U+FFFD for each half, as long as it was; None where there is none, or it is too much to look through."""
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
    """How many stand before `end`, side by side."""
    start = end
    while start > 0:
        stretch = data[max(0, start - STRETCH) : start]
        rest = stretch.rstrip(b"\\")
        start -= len(stretch) - len(rest)
        if rest:
            break
    return end - start
