"""Parse heads of HTTP/1 messages from a connection's bytes, within bounds (RFC 9112, sections 2, 3 and 5)."""

import re
from collections.abc import Sequence
from typing import NamedTuple


class Bounds(NamedTuple):
    size: int
    """Of a whole head, in bytes."""
    line: int
    """Of its first line, in bytes."""
    fields: int
    """How many header lines."""


# Cloudflare, in front of the backend, takes 128 KiB of headers and addresses of 16 KiB: what is longer would not arrive.
CLIENT = Bounds(size=128 << 10, line=16 << 10, fields=256)

# Cookies of 100 KB and 2,000 lines of them have been seen; twice the largest request is plenty.
BACKEND = Bounds(size=256 << 10, line=16 << 10, fields=4096)

# The first line of an answer; controls are spaces there.
STATUS_LINE = re.compile(rb"HTTP/1\.[01] +[1-5][0-9][0-9](?: .*)?")

# Interim answers (RFC 9110, section 15.2) before the one that counts.
INTERIM = 1000

BLANK = re.compile(rb"\n\r?\n")
LEADING = re.compile(rb"(?:\r?\n)+")
# What RFC 9110, section 5.5, calls dangerous in a value, and the other controls with it; a tab may stand there.
CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]+")


class HeadTooLarge(Exception):
    """`part` is "line", "fields" or "size"; the message says which bound it is."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(message)
        self.part = part


class HeadReader:
    """Takes heads off a buffer that grows; looks at no byte twice."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._looked = 0
        self._lines = 0

    def read(self, data: bytearray) -> list[bytes] | None:
        """The lines of a whole head without their ends, taken off `data`; None while it is not whole. Raises HeadTooLarge.

        Empty lines before it are dropped (RFC 9112, section 2.2).
        """
        bounds = self.bounds
        if self._looked < 2 and (empty := LEADING.match(data)):
            del data[: empty.end()]
            self._looked = 0
        # The end may lie across the seam: its first two bytes may have been looked at.
        found = BLANK.search(data, max(0, self._looked - 2), bounds.size)
        end = found.end() if found else min(len(data), bounds.size)
        if data.find(b"\n", 0, bounds.line) < 0 and len(data) >= bounds.line:
            raise HeadTooLarge("line", f"its first line is longer than {bounds.line:,} bytes")
        self._lines += data.count(b"\n", self._looked, end)
        # Beside the header lines there are the first and the empty one.
        if self._lines > bounds.fields + 2:
            raise HeadTooLarge("fields", f"it has more than {bounds.fields:,} header lines")
        if found is None:
            if len(data) >= bounds.size:
                raise HeadTooLarge("size", f"it is larger than {bounds.size:,} bytes")
            self._looked = len(data)
            return None
        self._looked = self._lines = 0
        head = bytes(data[:end])
        del data[:end]
        return [line.removesuffix(b"\r") for line in head.split(b"\n")[:-2]]


def unfolded(lines: Sequence[bytes]) -> list[bytes]:
    """Header lines that go on in the next one put together with a space (RFC 9112, section 5.2)."""
    found: list[bytes] = []
    more: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and len(found) > 1:
            more.append(line.strip())
            continue
        if more:
            found[-1] = b" ".join((found[-1], *more))
            more = []
        found.append(line)
    if more:
        found[-1] = b" ".join((found[-1], *more))
    return found


def cleaned(lines: Sequence[bytes]) -> list[bytes]:
    """The lines of an answer's head: no spaces before a colon (RFC 9112, section 5.1), spaces for controls (RFC 9110, section
    5.5). Raises ValueError if it is not HTTP/1."""
    first, *fields = unfolded(lines)
    clean = [CONTROLS.sub(b" ", first)]
    if not STATUS_LINE.fullmatch(clean[0]):
        raise ValueError(f"its first line is {first[:80]!r}")
    for line in fields:
        name, colon, value = line.partition(b":")
        clean.append(name.rstrip(b" \t") + colon + CONTROLS.sub(b" ", value))
    return clean
