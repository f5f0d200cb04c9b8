"""Split a stream into frames, and limit how much of a long one is read."""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Read of a stream that is not read in whole: windows at its beginning and at its end, in bytes. One without a whole
# event grows to LARGEST_WINDOW.
HEAD, TAIL, LARGEST_WINDOW = 1 << 14, 3 << 14, 1 << 20

# Frames of the form that nearly all have: an event line or none, one line of data, an object. Found in one go, which is
# many times faster than one by one.
USUAL = re.compile(rb"(?:(?:event: [^\n]*+\n)?data: \{[^\n]*+\n\n)++|(?:(?:event: [^\n]*+\n)?data: \{[^\n]*+\n\r\n)++")

# How an empty line begins, whatever the line ends are.
EMPTY_LINES = (b"\n\n", b"\n\r", b"\r\r")

# The comment that live_view.py puts in place of the omitted part of a running answer.
LEFT_OUT = re.compile(rb"\n\n: \[(\d{1,15}) bytes more[^\n]*\]\n\n")

FRAMING = len(b"data: ")

# How many are decoded at once.
TOGETHER = 512


class Frame(NamedTuple):
    """A frame as it stands; `end` is the offset behind it in the stream, `whole` whether the empty line came."""

    end: int
    data: bytes
    whole: bool


class Usual(NamedTuple):
    """Some frames of the usual form: the event line of each, its data, and the offset behind it."""

    lines: list[bytes]
    data: list[bytes]
    ends: list[int]
    start: int


def cut(body: bytes, start: int, stop: int) -> Iterator[Frame | Usual]:
    """A stream's frames between two seams, in their order; the last one may be a half."""
    seams = Seams(body, start, stop)
    while start < stop:
        if found := USUAL.match(body, start, stop):
            yield from _usual(found[0], start)
            start = found.end()
            continue
        end, behind = seams.after(start)
        if (data := body[start:end]) and not data.isspace():
            yield Frame(behind, data, end < stop)
        start = behind


class Seams:
    """Finds the empty lines of a stream, in one pass over it."""

    def __init__(self, body: bytes, start: int, stop: int) -> None:
        self._body, self._stop = body, stop
        self._next = {sign: start - 1 for sign in EMPTY_LINES}

    def after(self, place: int) -> tuple[int, int]:
        """Where the frame that begins at `place` ends, and where the next one begins."""
        for sign, known in self._next.items():
            if known < place:
                found = self._body.find(sign, place, self._stop)
                self._next[sign] = self._stop if found < 0 else found
        end = min(self._next.values())
        return end, min(_behind(self._body, end), self._stop)


def _behind(body: bytes, place: int) -> int:
    """Where an empty line ends that begins at `place`; CR LF is one line end."""
    return place + (3 if body[place + 1 : place + 3] == b"\r\n" else 2)


def _usual(run: bytes, start: int) -> Iterator[Usual]:
    separator = b"\n\r\n" if run.endswith(b"\n\r\n") else b"\n\n"
    pieces = run.split(separator)[:-1]
    for first in range(0, len(pieces), TOGETHER):
        end = start
        some = [piece.partition(b"data: ") for piece in pieces[first : first + TOGETHER]]
        ends = [end := end + len(line) + len(data) + FRAMING + len(separator) for line, _, data in some]
        yield Usual([line for line, _, _ in some], [data for _, _, data in some], ends, start)
        start = end


class Windows(NamedTuple):
    """Of a long stream its beginning up to `head` and its end from `tail` on are read, both seams of two events.

    `left_out` bytes stood between them; what follows was `shift` bytes further on in the stream itself.
    """

    head: int
    tail: int
    left_out: int
    shift: int = 0


def windows(body: bytes) -> Windows:
    """`head` is 0 where no event ends near the beginning, `tail` the length where none ends near the end."""
    size, head = HEAD, 0
    while not head and size <= LARGEST_WINDOW:
        head = last_seam(body, size)
        size *= 4
    size, tail = TAIL, len(body)
    while tail == len(body) and size <= LARGEST_WINDOW:
        if len(body) - size <= head:
            return Windows(head, head, 0)
        tail = Seams(body, len(body) - size, len(body)).after(len(body) - size)[1]
        size *= 4
    return Windows(head, tail, tail - head)


def given_windows(body: bytes) -> Windows | None:
    """The same for a body that came with its middle left out; None for any other."""
    gap = LEFT_OUT.search(body) if len(body) <= LARGEST_WINDOW else None
    if gap is None:
        return None
    head, tail = last_seam(body, gap.start()), Seams(body, gap.end(), len(body)).after(gap.end())[1]
    shift = int(gap[1]) - len(gap[0])
    return Windows(head, tail, tail - head + shift, shift)


def last_seam(body: bytes, stop: int) -> int:
    """The offset behind the last empty line before `stop`; 0 if there is none."""
    place = max(body.rfind(sign, 0, stop) for sign in EMPTY_LINES)
    return _behind(body, place) if place > 0 else 0
