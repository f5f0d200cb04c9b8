"""The timeline of a stream: its events with their times, runs of the same event in one row."""

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .frames import Windows
from .layout import count, size

# Rows shown of a long timeline: its first ones and its last ones.
FIRST_ROWS, LAST_ROWS = 150, 150

# What comes in many pieces, and the events and comments that say nothing and don't end a run of them (docs/backend.md, 5).
GROWING = (".delta", ".chunk")
COMMENT = "(comment)"
QUIET = (COMMENT, "keepalive")


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
        """A gap follows; `events` is their number, None if unknown."""
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
