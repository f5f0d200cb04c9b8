"""Assemble an answer from the events of a Responses stream or of chat completions."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..answer.events import UNREADABLE, Delta, Event, Head, Response, chunk_part, decoded
from ..answer.last import LAST
from ..raw_json import first
from .layout import clip
from .shortened import line, pretty

# How many items and errors of an answer are shown.
MOST_ITEMS, MOST_ERRORS = 100, 10

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

# Names in the timeline for events without a type.
DONE, CHUNK, NO_TYPE = "[DONE]", "chat.completion.chunk", "(no type)"


@dataclass
class Item:
    """An item of the answer: as deltas while it grows, whole once it is done."""

    head: dict[str, Any]
    pieces: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    done: bytes = b""
    gap: bool = False
    cited: list[Any] = field(default_factory=list)
    """Of a chat's text: what it refers to."""

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
                cited = {"annotations": self.cited} if self.cited and part == "output_text" else {}
                item.setdefault("content", []).append({"type": part, key: text, **cited})
            elif part in ("summary", "content"):
                item.setdefault(part, []).append({"type": "summary_text", "text": text})
            else:
                item[part] = item.get(part, "") + text
        return item


class Transcript:
    """Takes the events of a stream in their order; `values` are the items of the answer."""

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
            part = chunk_part(events[-1])
            kind = NO_TYPE if events[-1].choices is None else f"{part}: {CHUNK}" if part else CHUNK
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
        error = event.error or {"code": event.code, "message": event.message}
        # The proxy's own word for a stream that the backend did not end (repair.py).
        broken = isinstance(error, dict) and error.get("code") == "stream_broken"
        self.ended, self.status = "error", "broken off" if broken else "failed"
        self._failed(error)

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
        for one in delta.annotations or ():
            self._item((index, "text"), "message").cited.append(one.get("url_citation"))
        for tool in delta.tool_calls or ():
            self._called((index, "call", tool.index), tool.id, tool.function or {}, tool.custom or {})
        if delta.function_call:
            self._called((index, "call", 0), None, delta.function_call, {})

    def _called(self, key: Any, call_id: str | None, function: dict[str, Any], custom: dict[str, Any]) -> None:
        item = self._item(key, "custom_tool_call" if custom else "function_call")
        known = {"call_id": call_id, "name": (custom or function).get("name")}
        item.head.update({key: value for key, value in known.items() if value})
        for inner, name in ((function, "arguments"), (custom, "input")):
            if isinstance(inner.get(name), str):
                item.pieces_of(name).append(inner[name])

    def skip(self) -> None:
        """A gap: the next event does not continue the previous one."""
        self._skipped = True
        for item in self.items.values():
            item.gap = True

    def values(self) -> list[Any]:
        """The items of the answer; by the last event, where none came by themselves."""
        if self.items:
            return [item.value() for item in itertools.islice(self.items.values(), MOST_ITEMS + 1)]
        return [decoded(raw) for raw in self._output[: MOST_ITEMS + 1]]


@functools.lru_cache(maxsize=256)
def named(kind: str) -> str:
    """The type of an event as the timeline shows it, whatever the type is."""
    return line(kind, 80)
