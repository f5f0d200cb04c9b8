r"""Make text from outside safe to show: escape what a terminal would obey or a reader would not see (`\x1b`, `\u202e`)."""

import re

# In a text of several lines, what does more than stand there: controls (C0, DEL, C1), line separators, characters that change the
# direction of what follows (Unicode TR 9; "Trojan Source"), halves of characters. Joiners and marks of real scripts stay.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]",
)
HALVES = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """One line with nothing invisible in it: for a log line, a comment, a table, a name."""
    return text if text.isprintable() else "".join(each if each.isprintable() else escaped(each) for each in text)


def lines(text: str) -> str:
    """Lines and tabs stay, and every script; for an answer's text in a terminal, or an error's message."""
    return UNSAFE.sub(lambda found: escaped(found[0]), text.replace("\r\n", "\n"))


def whole(text: str) -> str:
    """Only halves of characters are escaped, for which UTF-8 has nothing."""
    return HALVES.sub(lambda found: escaped(found[0]), text)


def in_json(document: str) -> str:
    """A JSON document with the same meaning, in which nothing unsafe stands as itself."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", document)


def escaped(character: str) -> str:
    """As in Python's source; a byte that was not UTF-8 (PEP 383) as the byte it was."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
