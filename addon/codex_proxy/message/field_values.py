"""Characters that header names and values may contain (RFC 9110, sections 5.1 and 5.5)."""

import re
from collections.abc import Iterable

from ..printable import printable

Fields = list[tuple[bytes, bytes]]

NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# Visible characters, with space and tab between them. Bytes above 0x7f (obs-text) are opaque, and allowed.
VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# Of a secret that goes into a header: visible ASCII and single spaces, which every server reads in the same way.
PLAIN = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


def is_plain(text: str) -> bool:
    """Can a token or the name of an account go into a header as it is?"""
    return PLAIN.fullmatch(text) is not None


def malformed(fields: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The name of the first invalid header; None if all are valid."""
    for name, value in fields:
        if not (NAME.fullmatch(name) and VALUE.fullmatch(value.strip(b" \t"))):
            return printable(name[:60].decode("utf-8", "surrogateescape"))
    return None


def cleaned(fields: Iterable[tuple[bytes, bytes]]) -> Fields:
    """Lines of a server's head: a space for each control character (as section 5.5 has it), and no line with an invalid name."""
    return [(name, CONTROLS.sub(b" ", value).strip(b" \t")) for name, value in fields if NAME.fullmatch(name)]
