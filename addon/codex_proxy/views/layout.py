"""Layout of the views' text: YAML-like blocks (`name: |`), tables, line lengths, and no tokens."""

import re
from collections.abc import Sequence

from ..output.redact import by_form, by_value
from ..printable import lines

# Shown of one text at most, in characters.
FULL = 32_000

# Upper limit for a whole view, in characters.
LARGEST = 200_000

# A token that is cut in two is not recognised any more; none is longer than this, in characters.
LONGEST_TOKEN = 4096
NO_TOKEN = re.compile(r"[^\w.~+/=-]")

# Where a text is cut if it has one of these near the place, in characters.
SPACES, NEAR = (" ", "\n"), 100

# What stands in JSON for a character; in JSON inside JSON there are more backslashes.
ESCAPE = re.compile(r"(\\+(?:u[\da-fA-F]{4}|[bfnrt])?)")

# A line of prose is no longer than this, in characters: mitmweb does not wrap, and half a window has room for it.
WIDTH = 72

# As much of a line as there is room for, or a word that is longer. Never cut between "Bearer" and its token, nor inside
# one: it would not be known as a token any more.
ROW = re.compile(
    rf"(?i:(?P<row>.{{1,{WIDTH}}}(?<!\bbearer)(?<!\bbasic))[ \t]+|(?P<word>(?:\b(?:bearer|basic) )?\S+)[ \t]*)"
)

# Of every line that is not empty.
LINE_START = re.compile(r"(?m)^(?!$)")


def count(number: int, what: str) -> str:
    """`1 item`, `2,041 items`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def size(number: int) -> str:
    """`812 B`, `1.2 kB`, `402 kB`, `5.0 MB`."""
    if number < 1000:
        return f"{number} B"
    value, unit = (number / 1e3, "kB") if number < 999_500 else (number / 1e6, "MB")
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def clip(text: str, limit: int = FULL, gap: str = "\n… {} left out …\n") -> str:
    """`text`, or the beginning and end of a long one, without cutting a token into unrecognizable parts."""
    # The omitted part has to be longer than the note about it.
    if len(text) <= limit + min(100, limit // 8):
        return text
    head = limit * 3 // 4
    beginning, ending = first_part(text, head), last_part(text, limit - head)
    return beginning + gap.format(count(len(text) - len(beginning) - len(ending), "character")) + ending


def first_part(text: str, length: int) -> str:
    seam = max(text.rfind(space, max(0, length - NEAR), length) for space in SPACES)
    # Without space near there may be a token, which has to be known before it is cut.
    return text[: seam + 1] if seam >= 0 else hidden(text[: length + LONGEST_TOKEN])[:length]


def last_part(text: str, length: int) -> str:
    if length <= 0:
        return ""
    start = len(text) - length
    found = [seam for space in SPACES if (seam := text.find(space, start, start + NEAR)) >= 0]
    seam = min(found, default=-1)
    if seam >= 0 and not text[max(0, seam - 6) : seam].lower().endswith(("bearer", "basic")):
        return text[seam:]
    boundary = NO_TOKEN.search(text, max(0, start - LONGEST_TOKEN))
    return hidden(text[boundary.start() :])[-length:] if boundary else ""


def one_line(text: str, limit: int = 100) -> str:
    short = text if len(text) <= limit else clip(text, limit, " … ")
    return " ".join(short.split())


def block(title: str, text: str, note: str = "") -> str:
    """`title: |` and the text below it, indented; `note` as a comment behind the title."""
    comment = f"  # {one_line(note)}" if note else ""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        return f'{title}: ""{comment}'
    # YAML takes the indentation from the first line, unless it is told.
    told = "2" if text[0] in " \t" else ""
    return f"{title}: |{told}{comment}\n" + indented(text)


def prose(title: str, text: str, note: str = "") -> str:
    """A block of text that is read: its long lines are broken."""
    return block(title, wrapped(text), note)


def wrapped(text: str) -> str:
    """`text` with its long lines broken where there is space."""
    return "\n".join(line if len(line) <= WIDTH else rows(line) for line in text.split("\n"))


def rows(line: str) -> str:
    # With a space at its end the last row is found like the others.
    return "\n".join((found["row"] or found["word"]).rstrip() for found in ROW.finditer(line + " "))


def indented(text: str) -> str:
    return LINE_START.sub("  ", text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the last one as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows)


def bounded(sections: Sequence[str], limit: int = LARGEST) -> str:
    """The sections one below the other, without tokens, and never more than `limit` characters."""
    return hidden(clip("\n\n".join(section for section in sections if section) + "\n", limit - 200))


def hidden(text: str) -> str:
    """`text` without secrets and terminal escapes, JSON or not: in JSON the line end before a token is the
    letter n, which would hide it."""
    return lines("".join(map(by_form, ESCAPE.split(shown))) if "\\" in (shown := by_value(text)) else by_form(shown))
