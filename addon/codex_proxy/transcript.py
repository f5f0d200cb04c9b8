"""An answer as a person reads it: from the events of a Responses stream, from those of chat completions, or from one object."""

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from . import sse
from .conversation import (
    FULL,
    LARGEST,
    LEAST,
    LONGEST_TOKEN,
    ROOM,
    annotations,
    block,
    bounded,
    chat_items,
    clip,
    count,
    indented,
    item_text,
    line,
    objects,
    pretty,
    size,
)
from .raw import ABSENT, first
from .repair import LAST
from .timeline import COMMENT, Frame, Timeline, Usual, Windows, cut, given_windows, windows

# A finished stream up to this size is read in whole, in bytes; so is one with up to so many lines.
WHOLE, MOST_LINES = 16 << 20, 150_000

# Shown of an answer: items, and errors and frames that are no events.
MOST_ITEMS, MOST_ERRORS = 100, 10

# Names of token counts in both APIs → what is told of them, and of their details.
USAGE: tuple[tuple[tuple[str, ...], str, dict[str, str]], ...] = (
    (
        ("input_tokens", "prompt_tokens"),
        "in",
        {"cached_tokens": "cached", "cache_write_tokens": "written to the cache"},
    ),
    (("output_tokens", "completion_tokens"), "out", {"reasoning_tokens": "reasoning"}),
    (("total_tokens",), "in all", {}),
)

# Kinds of tokens that are told of even where there are none.
ALWAYS = ("cached", "reasoning")

GAP = "\n… left out …\n"

# Type of a delta → the item it belongs to, and what of it.
DELTAS = {
    "response.output_text.delta": ("message", "output_text"),
    "response.refusal.delta": ("message", "refusal"),
    "response.reasoning_summary_text.delta": ("reasoning", "summary"),
    "response.reasoning_text.delta": ("reasoning", "content"),
    "response.function_call_arguments.delta": ("function_call", "arguments"),
    "response.custom_tool_call_input.delta": ("custom_tool_call", "input"),
    "response.code_interpreter_call_code.delta": ("code_interpreter_call", "code"),
    "response.mcp_call_arguments.delta": ("mcp_call", "arguments"),
}

# How a stream of events begins.
FIELDS = (b"event:", b"data:", b"id:", b"retry:", b":")

# Names in the timeline for what is no event with a type.
NO_EVENT, NOT_JSON, CUT, COMING = "(no event)", "(not readable)", "(cut off)", "(still coming)"
NOT_EVENTS = (COMMENT, NO_EVENT, NOT_JSON)
DONE, CHUNK, NO_TYPE = "[DONE]", "chat.completion.chunk", "(no type)"


class ToolDelta(msgspec.Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: dict[str, Any] | None = None


class Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolDelta] | None = None


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Event(msgspec.Struct, gc=False):
    """What is read of an event; the large values stay undecoded."""

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    summary_index: int | None = None
    content_index: int | None = None
    delta: Any = None
    item: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    choices: list[Choice] | None = None
    usage: msgspec.Raw = ABSENT
    error: Any = None
    code: Any = None
    message: Any = None
    model: Any = None


class Head(msgspec.Struct):
    """An item that begins."""

    type: str = ""
    id: Any = None
    name: Any = None
    namespace: Any = None
    call_id: Any = None


class Response(msgspec.Struct):
    """What is read of a response object."""

    model: Any = None
    status: Any = None
    usage: Any = None
    error: Any = None
    incomplete_details: Any = None
    output: msgspec.Raw = ABSENT


EVENT = msgspec.json.Decoder(Event)
SEQUENCE = re.compile(rb'"sequence_number": ?(\d{1,12})\b')
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass
class Item:
    """An item of the answer: as deltas while it grows, whole once it is done."""

    head: dict[str, Any]
    pieces: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    done: bytes = b""
    gap: bool = False

    def pieces_of(self, part: str, index: int = 0) -> list[str]:
        """The pieces so far of one of its texts, to put more to."""
        pieces = self.pieces.setdefault((part, index), [])
        if self.gap:
            pieces.append(GAP)
            self.gap = False
        return pieces

    def value(self) -> dict[str, Any]:
        """The item in the form in which the API has it when it is done."""
        if self.done:
            try:
                return dict(msgspec.json.decode(self.done))
            except UNREADABLE:
                pass
        item: dict[str, Any] = dict(self.head)
        for (part, _), pieces in sorted(self.pieces.items(), key=lambda entry: entry[0][1]):
            text = "".join(pieces)
            if part in ("output_text", "refusal"):
                key = "refusal" if part == "refusal" else "text"
                item.setdefault("content", []).append({"type": part, key: text})
            elif part in ("summary", "content"):
                item.setdefault(part, []).append({"type": "summary_text", "text": text})
            else:
                item[part] = item.get(part, "") + text
        return item


class Transcript:
    """Takes the events of a stream in their order; `sections` is what is to be shown."""

    def __init__(self) -> None:
        self.model = ""
        self.status = ""
        self.items: dict[Any, Item] = {}
        self.errors: list[str] = []
        self.usage: dict[str, Any] = {}
        self.events = 0
        self.last = ""
        """Type of the event that came last."""
        self.ended = ""
        """Type of the event that ends the stream, once it came."""
        self.sequence: int | None = None
        """Number of the event that came last, by its own word."""
        self._output: Sequence[Any] = ()
        self._skipped = False
        self._ids: dict[str, Any] = {}

    def add(self, kind: str, events: Sequence[Event]) -> str:
        """Events of one type, `kind` by their data or their event line; the answer is its name in the timeline."""
        self.events += len(events)
        self.sequence = events[-1].sequence_number
        if kind in DELTAS:
            self._deltas(*DELTAS[kind], events)
        elif kind:
            for event in events:
                self._other(kind, event)
            kind = named(kind)
        else:
            for event in events:
                self._chunk(event)
            kind = NO_TYPE if events[-1].choices is None else CHUNK
        self.last = kind
        return kind

    def done(self) -> str:
        """The word that ends a stream of chat completions."""
        self.events, self.last, self.ended = self.events + 1, DONE, self.ended or DONE
        return DONE

    def _deltas(self, what: str, part: str, events: Sequence[Event]) -> None:
        before: Event | None = None
        pieces: list[str] = []
        for event in events:
            if not isinstance(event.delta, str):
                continue
            if (
                before is None
                or event.output_index != before.output_index
                or event.item_id != before.item_id
                or event.content_index != before.content_index
                or event.summary_index != before.summary_index
            ):
                before, pieces = event, self._pieces(what, part, event)
            pieces.append(event.delta)

    def _pieces(self, what: str, part: str, event: Event) -> list[str]:
        key: Any = event.output_index
        if key is None:
            key = self._ids.get(event.item_id or "", event.item_id)
        index = event.summary_index if event.content_index is None else event.content_index
        return self._item(key, what).pieces_of(part, index or 0)

    def _item(self, key: Any, what: str) -> Item:
        item = self.items.get(key)
        if item is None:
            item = self.items[key] = Item({"type": what}, gap=self._skipped)
        return item

    def _other(self, kind: str, event: Event) -> None:
        if kind in ("response.output_item.added", "response.output_item.done"):
            self._placed(kind, event)
        elif first(event.response) == b"{":
            self._response(kind, event.response)
        elif kind == "error":
            self._broke(event)

    def _placed(self, kind: str, event: Event) -> None:
        """An item that begins or is done."""
        try:
            head = msgspec.json.decode(event.item, type=Head)
        except UNREADABLE:
            return
        name = head.id if isinstance(head.id, str) else ""
        key: Any = event.output_index
        if key is None:
            key = self._ids.get(name) or name or ("nameless", len(self.items))
        self._ids[name] = key
        known = {name: value for name, value in msgspec.structs.asdict(head).items() if value}
        item = self.items.setdefault(key, Item(known))
        if kind == "response.output_item.done":
            item.done = bytes(event.item)

    def _broke(self, event: Event) -> None:
        self.ended, self.status = "error", "failed"
        self._failed(event.error or {"code": event.code, "message": event.message})

    def _response(self, kind: str, raw: msgspec.Raw) -> None:
        """The response object, as it is at the beginning and at the end."""
        try:
            self.take(msgspec.json.decode(raw, type=Response))
        except UNREADABLE:
            return
        if kind in LAST or kind == "response.failed":
            self.ended = kind
            self.status = self.status or kind.removeprefix("response.")

    def take(self, response: Response) -> None:
        if isinstance(response.model, str):
            self.model = response.model
        self.status = line(response.status or self.status, 40)
        if isinstance(response.usage, dict):
            self.usage = response.usage
        if response.error:
            self._failed(response.error)
        if isinstance(response.incomplete_details, dict):
            self.status += f" ({line(response.incomplete_details.get('reason') or 'no reason given')})"
        if first(response.output) == b"[":
            self._output = msgspec.json.decode(response.output, type=list[msgspec.Raw])

    def _failed(self, error: Any) -> None:
        if len(self.errors) >= MOST_ERRORS:
            return
        if isinstance(error, dict):
            code, message = error.get("code") or error.get("type"), error.get("message")
            rest = {key: value for key, value in error.items() if value and key not in ("code", "type", "message")}
            told = [line(code, 80) if code else "", clip(str(message), 4000) if message else ""]
            self.errors.append("\n".join(text for text in (*told, pretty(rest, 1000) if rest else "") if text))
        else:
            self.errors.append(line(error, 4000))

    def _chunk(self, event: Event) -> None:
        """An event without a type, as those of chat completions are."""
        if event.error:
            self._broke(event)
        if isinstance(event.model, str):
            self.model = event.model
        if first(event.usage) == b"{":
            self.usage = decoded(event.usage)
        for choice in event.choices or ():
            if choice.finish_reason:
                self.status = line(choice.finish_reason, 40)
                self.ended = self.ended or "finish_reason"
            if choice.delta:
                self._choice(choice.index, choice.delta)

    def _choice(self, index: int, delta: Delta) -> None:
        if delta.content:
            self._item((index, "text"), "message").pieces_of("output_text").append(delta.content)
        if delta.reasoning_content:
            self._item((index, "reasoning"), "reasoning").pieces_of("summary").append(delta.reasoning_content)
        if delta.refusal:
            self._item((index, "text"), "message").pieces_of("refusal", 1).append(delta.refusal)
        for tool in delta.tool_calls or ():
            function = tool.function or {}
            item = self._item((index, "call", tool.index), "function_call")
            known = {"call_id": tool.id, "name": function.get("name")}
            item.head.update({key: value for key, value in known.items() if value})
            if isinstance(function.get("arguments"), str):
                item.pieces_of("arguments").append(function["arguments"])

    def skip(self) -> None:
        """What comes next does not follow upon what came before."""
        self._skipped = True
        for item in self.items.values():
            item.gap = True

    def values(self) -> list[Any]:
        """The items of the answer; by the last event, where none came by themselves."""
        if self.items:
            return [item.value() for item in itertools.islice(self.items.values(), MOST_ITEMS + 1)]
        return [decoded(raw) for raw in self._output[: MOST_ITEMS + 1]]

    def sections(self, items: Sequence[Any]) -> list[str]:
        """Errors, then the answer's items, then the tokens it took."""
        told = [block("error", error) for error in self.errors]
        more = "# … more items …" if len(items) > MOST_ITEMS else ""
        return [*told, *answer_items(items[:MOST_ITEMS]), more, usage_text(self.usage)]


@functools.lru_cache(maxsize=256)
def named(kind: str) -> str:
    """The type of an event as the timeline shows it, whatever the type is."""
    return line(kind, 80)


def decoded(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return {"type": "unreadable item"}


def answer_items(values: Sequence[Any]) -> list[str]:
    """The items of an answer; of the first ones the most is shown."""
    shown, room = [], ROOM
    for value in values:
        limit = max(LEAST, min(FULL, room // 2))
        text = answer_item(value, limit)
        room = max(0, room - len(text))
        shown.append(text)
    return shown


def answer_item(item: Any, limit: int) -> str:
    """A message by what it says, `text` or `refusal`; any other item as in a conversation."""
    if not isinstance(item, dict) or item.get("type") != "message":
        return item_text(item, limit)
    phase = str(item.get("phase") or "")
    blocks = []
    for part in objects(item.get("content"))[:50]:
        if part.get("type") == "refusal":
            blocks.append(block("refusal", clip(str(part.get("refusal") or ""), limit)))
        else:
            text = str(part.get("text") or "")
            blocks.append(block("text", clip(text, limit) + annotations(part.get("annotations")), phase))
    return "\n".join(blocks) or item_text({**item, "role": "text"}, limit)


def usage_text(usage: Mapping[str, Any]) -> str:
    """`tokens: 1,234 in (1,024 cached), 56 out (12 reasoning), 1,290 in all`."""
    parts = []
    for names, what, details in USAGE:
        name = next((name for name in names if isinstance(usage.get(name), int)), None)
        if name is None:
            continue
        inside = usage.get(f"{name}_details")
        numbers = {word: inside.get(key) for key, word in details.items()} if isinstance(inside, dict) else {}
        told = ", ".join(f"{n:,} {word}" for word, n in numbers.items() if isinstance(n, int) and (n or word in ALWAYS))
        parts.append(f"{usage[name]:,} {what}" + (f" ({told})" if told else ""))
    return "tokens: " + ", ".join(parts) if parts else ""


def stream_text(body: bytes, state: Mapping[str, Any] | None = None, running: bool = False) -> str:
    """A stream's answer and its timeline; of a running one its beginning and its end, whatever its size."""
    state = state or {}
    reader = Reader(Timeline(marks_of(state)), COMING if running else CUT)
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
    told = [headline(reader, length, state, running)]
    if not running and (problems := broken(reader, state)):
        told.append(block("broken", "\n".join(problems)))
    return bounded(
        [*told, *reader.transcript.sections(reader.transcript.values()), block("timeline", reader.timeline.text())]
    )


def marks_of(state: Mapping[str, Any]) -> list[list[int]]:
    """When the pieces of the stream came; none where the state is not as the proxy writes it."""
    marks = state.get("marks")
    if not isinstance(marks, list) or not all(isinstance(mark, list | tuple) for mark in marks[:1] + marks[-1:]):
        return []
    return marks


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
        lines = found.lines
        for place in range(1, len(events) + 1):
            if place == len(events) or events[place].type != events[begun].type or lines[place] != lines[begun]:
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
        elif name == NOT_JSON and len(self.unreadable) < MOST_ERRORS:
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


def headline(reader: Reader, length: int, state: Mapping[str, Any], running: bool) -> str:
    """`# gpt-6-sol · completed · 3.42 s · 2,041 events · 402 kB`."""
    transcript, took = reader.transcript, reader.timeline.lasted
    status = "running" if running else transcript.status if transcript.ended else "broken off"
    parts = [
        line(transcript.model or str(state.get("sent_model") or "")),
        status,
        "" if took is None else f"{took / 1000:,.2f} s",
        count(reader.timeline.events, "event") if reader.timeline.numbered else f"{reader.timeline.events:,}+ events",
        size(length),
    ]
    return "# " + " · ".join(part for part in parts if part)


def broken(reader: Reader, state: Mapping[str, Any]) -> list[str]:
    """Where and how a stream broke, a line each."""
    transcript, told = reader.transcript, []
    if reader.half is not None:
        told.append(f"broke off inside an event, {size(len(reader.half))} into it: {excerpt(reader.half)}")
    if not transcript.ended:
        last = f", after {transcript.last}" if transcript.last else ""
        told.append(f"ended without a last event{last}")
    told += [f"not readable: {frame}" for frame in reader.unreadable]
    ended = state.get("ended")
    if isinstance(ended, str) and ended and ended != transcript.ended:
        told.append(f"the proxy noted: {line(ended, 300)}")
    return told


def object_text(data: bytes) -> str:
    """An answer that is one JSON object: a response, or a chat completion. Raises ValueError for anything else."""
    body = decoded(msgspec.Raw(data))
    output, choices = (body.get("output"), body.get("choices")) if isinstance(body, dict) else (None, None)
    if not isinstance(output, list) and not isinstance(choices, list):
        raise ValueError("no answer")
    known = ("model", "status", "usage", "error", "incomplete_details")
    told: dict[str, Any] = {name: body.get(name) for name in known}
    transcript = Transcript()
    transcript.take(Response(**told))
    items = output if isinstance(output, list) else chat_items([one.get("message") for one in objects(choices)])
    status = transcript.status or line(next((one.get("finish_reason") for one in objects(choices)), None) or "", 40)
    head = " · ".join(part for part in (transcript.model, status, count(len(items), "item"), size(len(data))) if part)
    return bounded([f"# {line(head)}", *transcript.sections(items), "raw JSON:\n" + indented(pretty(body))])
