"""A stream as readable text: its answer, how it broke off, its timeline."""

import re

from ..answer import sse
from ..answer.events import EVENT, UNREADABLE, chunk_part
from .answer_text import sections
from .frames import Frame, Usual, Windows, cut, given_windows, windows
from .known import NOTHING, Known
from .layout import LARGEST, LONGEST_TOKEN, block, bounded, clip, count, prose, size
from .shortened import line
from .timeline import COMMENT, Timeline
from .transcript import Transcript

# A finished stream up to this size is read in whole, in bytes; so is one with up to this many lines.
WHOLE, MOST_LINES = 16 << 20, 150_000

# How many frames that are not events are shown.
MOST_UNREADABLE = 10

# How a stream of events begins.
FIELDS = (b"event:", b"data:", b"id:", b"retry:", b":")

# Names in the timeline for frames that are not events.
NO_EVENT, NOT_JSON, CUT, COMING = "(no event)", "(not readable)", "(cut off)", "(still coming)"
NOT_EVENTS = (COMMENT, NO_EVENT, NOT_JSON)

SEQUENCE = re.compile(rb'"sequence_number": ?(\d{1,12})\b')


def stream_text(body: bytes, known: Known = NOTHING, running: bool = False) -> str:
    """A stream's answer and its timeline; of a running one its beginning and its end, whatever its size."""
    reader = Reader(Timeline(known.marks), COMING if running else CUT)
    window = given_windows(body)
    if window is None and (running or len(body) > WHOLE or max(body.count(b"\n"), body.count(b"\r")) > MOST_LINES):
        window = windows(body)
    if window is None:
        reader.read(body, 0, len(body))
    else:
        reader.ends(body, window)
    length = len(body) + (window.shift if window else 0)
    if body and not reader.transcript.events and not body[:64].lstrip().startswith(FIELDS):
        shown = clip(body[:LARGEST].decode("utf-8", "replace"))
        return bounded(["# no stream of events", block("body", shown, size(len(body)))])
    told = [headline(reader, length, known, running)]
    if not running and (problems := broken(reader, known)):
        told.append(prose("broken", "\n".join(problems)))
    return bounded(
        [*told, *sections(reader.transcript, reader.transcript.values()), block("timeline", reader.timeline.text())]
    )


class Reader:
    """Reads a stream; its events go to the transcript, and all there is to the timeline."""

    def __init__(self, timeline: Timeline, half_name: str) -> None:
        self.timeline, self.transcript = timeline, Transcript()
        self.half: bytes | None = None
        """What came of an event that is not whole; in the timeline by the name given."""
        self._half_name = half_name
        self.unreadable: list[str] = []
        """The first few frames that are no event in JSON."""

    def read(self, body: bytes, start: int, stop: int) -> None:
        """What lies between two seams."""
        for found in cut(body, start, stop):
            if isinstance(found, Frame):
                self._frame(found)
            else:
                self._usual(found)

    def ends(self, body: bytes, window: Windows) -> None:
        """The first and the last events only."""
        self.read(body, 0, window.head)
        if window.left_out:
            before, after = self.transcript.sequence, first_number(body, window.tail)
            between = None if before is None or after is None else max(0, after - before - 1)
            self.timeline.skip(window, between)
            self.transcript.skip()
        self.read(body, window.tail, len(body))

    def _usual(self, found: Usual) -> None:
        try:
            events = EVENT.decode_lines(b"\n".join(found.data))
        except UNREADABLE:
            events = []
        if len(events) != len(found.data):
            for line, data, end in zip(found.lines, found.data, found.ends, strict=True):
                self._frame(Frame(end, line + b"data: " + data, True))
            return
        begun, start = 0, found.start
        lines, kinds = found.lines, [event.type or chunk_part(event) for event in events]
        for place in range(1, len(events) + 1):
            if place == len(events) or kinds[place] != kinds[begun] or lines[place] != lines[begun]:
                kind = events[begun].type or sse.parse(lines[begun])[0]
                name = self.transcript.add(kind, events[begun:place])
                self.timeline.add(name, found.ends[begun:place], found.ends[place - 1] - start)
                begun, start = place, found.ends[place - 1]

    def _frame(self, frame: Frame) -> None:
        kind, data = sse.parse(frame.data)
        name = COMMENT if frame.data.lstrip()[:1] == b":" else NO_EVENT
        if data == b"[DONE]":
            name = self.transcript.done()
        elif data:
            try:
                event = EVENT.decode(data)
            except UNREADABLE:
                name = NOT_JSON
            else:
                name = self.transcript.add(event.type or kind, [event])
        # What lacks nothing but the empty line behind it is an event: the last one often does.
        if not frame.whole and name in NOT_EVENTS:
            self.half, name = frame.data, self._half_name
        elif name == NOT_JSON and len(self.unreadable) < MOST_UNREADABLE:
            self.unreadable.append(excerpt(frame.data))
        self.timeline.add(name, [frame.end], len(frame.data))


def excerpt(data: bytes) -> str:
    """The beginning of a frame, in one line."""
    # Longer than what is shown, so that a token in it is known as one.
    return line(data[: 2 * LONGEST_TOKEN].decode("utf-8", "replace"), 160)


def first_number(body: bytes, start: int) -> int | None:
    """The number of the event at a seam, by its own word."""
    found = SEQUENCE.search(body, start, start + 1000)
    return int(found[1]) if found else None


def headline(reader: Reader, length: int, known: Known, running: bool) -> str:
    """`# gpt-6-sol · completed · 3.42 s · 2,041 events · 402 kB`."""
    transcript, took = reader.transcript, reader.timeline.lasted
    status = "running" if running else transcript.status if transcript.ended else "broken off"
    parts = [
        line(transcript.model or known.sent_model),
        status,
        "" if took is None else f"{took / 1000:,.2f} s",
        count(reader.timeline.events, "event") if reader.timeline.numbered else f"{reader.timeline.events:,}+ events",
        size(length),
    ]
    return "# " + " · ".join(part for part in parts if part)


def broken(reader: Reader, known: Known) -> list[str]:
    """Where and how a stream broke off, one line for each fact."""
    transcript, told = reader.transcript, []
    if reader.half is not None:
        told.append(f"broke off inside an event, {size(len(reader.half))} into it: {excerpt(reader.half)}")
    if not transcript.ended:
        last = f", after {transcript.last}" if transcript.last else ""
        told.append(f"ended without a last event{last}")
    told += [f"not readable: {frame}" for frame in reader.unreadable]
    if known.ended and known.ended != transcript.ended:
        told.append(f"the proxy noted: {line(known.ended, 300)}")
    return told
