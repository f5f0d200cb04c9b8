r"""Halves of characters in JSON: `"\ud83d"` without the half that belongs to it, as JavaScript leaves it where it cuts a text.

JSON's grammar allows them (RFC 8259, section 8.2); they are no Unicode, and no strict reader takes them.
"""

import re

from ..changes import put
from ..raw import Object

# Any escape, so that an escaped backslash is not taken for the beginning of one; the first group is a lone half.
ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
HALF = re.compile(rb"\\u[dD][89a-fA-F]")

REPLACED = put("body", "half a character replaced", "a text was cut inside a character, and what is left of it is none")


class Mended(Object):
    """The top level of a body in which halves have been replaced."""


def replaced(data: bytes) -> bytes | None:
    r"""JSON with U+FFFD for each half, as long as it was; None where there is none."""
    if not HALF.search(data):
        return None
    mended = ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], data)
    return None if mended == data else mended
