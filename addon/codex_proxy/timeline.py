"""When what came: a stream's events as rows, with runs of the same event as one; and how a stream is cut into events."""

import bisect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from .conversation import count, size

# Rows shown of a long timeline: its first ones and its last ones.
FIRST_ROWS, LAST_ROWS = 150, 150

# Read of a stream that is not read in whole: windows at its beginning and at its end, in bytes. One without a whole
# event grows to LARGEST_WINDOW.
HEAD, TAIL, LARGEST_WINDOW = 1 << 14, 3 << 14, 1 << 20

# Frames of the form that nearly all have: an event line or none, one line of data, an object. Found in one go, which is
# many times faster than one by one.
USUAL = re.compile(rb"(?:(?:event: [^\n]*+\n)?data: \{[^\n]*+\n\n)++|(?:(?:event: [^\n]*+\n)?data: \{[^\n]*+\n\r\n)++")

# How an empty line begins, whatever the line ends are.
EMPTY_LINES = (b"\n\n", b"\n\r", b"\r\r")

# What live.so_far puts in the place of what it leaves out of a running answer.
LEFT_OUT = re.compile(rb"\n\n: \[(\d{1,15}) bytes more[^\n]*\]\n\n")

# What comes in many pieces, and the events and comments that say nothing and don't end a run of them (contract 5).
GROWING = (".delta", ".chunk")
COMMENT = "(comment)"
QUIET = (COMMENT, "keepalive")

FRAMING = len(b"data: ")

# So many of them are decoded at once.
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

    `left_out` bytes stood between them; what is behind stood so many bytes (`shift`) further on in the stream itself.
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


class Clock:
    """The times of places in a stream, by marks of [offset, milliseconds]; asked with rising offsets."""

    def __init__(self, marks: Sequence[Sequence[int]]) -> None:
        self.marks, self._next = marks, 0

    def seek(self, offset: int) -> None:
        """What is asked next lies behind `offset`."""
        self._next = bisect.bisect_left(self.marks, offset, key=lambda mark: mark[0])

    def times(self, ends: Iterable[int]) -> list[int]:
        """Milliseconds since the request at which the byte before each offset came; empty without marks."""
        marks, place, last = self.marks, self._next, len(self.marks)
        times = []
        for end in ends if marks else ():
            while place < last and marks[place][0] < end:
                place += 1
            times.append(marks[max(0, place - 1)][1])
        self._next = place
        return times


@dataclass(slots=True)
class Run:
    """Events of one type that came one after the other; mostly it is one. Times are None where they are not known."""

    number: int | None
    kind: str
    at: int | None = None
    gap: int | None = None
    last_at: int = 0
    longest: int = 0
    events: int = 0
    quiet: int = 0
    """Events that only keep the connection alive, which came in between."""
    size: int = 0

    def row(self) -> list[str]:
        number, last = self.number, self.events + self.quiet - 1
        numbers = "" if number is None else f"{number:,}-{number + last:,}" if last else f"{number:,}"
        what = self.kind
        if self.events > 1:
            what += f" x {self.events:,}"
            if self.at is not None:
                what += f" in {self.last_at - self.at:,} ms, longest gap {self.longest:,} ms"
        if self.quiet:
            what += f", {count(self.quiet, 'keep-alive')} between"
        return [numbers, _ms(self.at), _ms(self.gap), size(self.size), what]


def _ms(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


class Timeline:
    """Takes events in their order; `text` is the table."""

    def __init__(self, marks: Sequence[Sequence[int]] = ()) -> None:
        self.clock = Clock(marks)
        self.events = 0
        self.lasted: int | None = None
        """Milliseconds from the request to the last event."""
        self.numbered = True
        """Is it known how many events there are?"""
        self._runs: list[Run | str] = []
        self._shift = 0
        self._run: Run | None = None

    def add(self, kind: str, ends: Sequence[int], length: int) -> None:
        """Events of one type, `length` bytes together; `ends` are the offsets behind each."""
        times = self.clock.times([end + self._shift for end in ends] if self._shift else ends)
        gaps = [now - before for before, now in pairwise((self.lasted or 0, *times))]
        run = self._run
        quiet = run is not None and kind in QUIET and run.kind.endswith(GROWING)
        if run is None or (run.kind != kind and not quiet):
            run = self._run = Run(self.events + 1 if self.numbered else None, kind)
            self._runs.append(run)
            if times:
                run.at, run.gap = times[0], gaps.pop(0)
        self.events += len(ends)
        run.events += 0 if quiet else len(ends)
        run.quiet += len(ends) if quiet else 0
        run.size += length
        if times:
            run.longest, run.last_at = max(run.longest, *gaps, 0), times[-1]
            self.lasted = times[-1]

    def skip(self, window: Windows, events: int | None) -> None:
        """What is left out comes now; `events` is None where nobody knows how many."""
        told = f"{count(events, 'event')}, " if events is not None else ""
        self._runs.append(f"… {told}{size(window.left_out)} …")
        self._run, self.numbered, self._shift = None, events is not None, window.shift
        self.events += events or 0
        start = window.tail + window.shift
        self.clock.seek(start)
        self.lasted = next(iter(self.clock.times([start])), None)

    def text(self) -> str:
        shown = self._runs
        left_out = len(shown) - FIRST_ROWS - LAST_ROWS
        if left_out > 1:
            shown = [*shown[:FIRST_ROWS], f"… {left_out:,} rows …", *shown[-LAST_ROWS:]]
        rows = [["#", "ms", "gap", "size", "event"]]
        rows += [run.row() if isinstance(run, Run) else ["", "", "", "", run] for run in shown]
        if not self.clock.marks:
            rows = [[row[0], *row[3:]] for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][1:-1]
        first = max(len(row[0]) for row in rows)
        return "\n".join("  ".join([row[0].ljust(first), *map(str.rjust, row[1:], widths), row[-1]]) for row in rows)
