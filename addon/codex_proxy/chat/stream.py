"""Translate a Responses stream to the deltas of a chat completion, as OpenAI streams them."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..answer import sse
from ..answer.events import EVENT, UNREADABLE, Event
from ..answer.last import FAILED, LAST
from ..backend import refusals
from ..errors import ProxyError
from ..raw_json import first
from .reading import Item, Part, Response, annotations, read, usage
from .request import Chat
from .stop import StopText

Delta = dict[str, Any]

# Type of an event → what of the message its delta is.
TEXT, REFUSAL, REASONING, CALL = "content", "refusal", "reasoning_content", "call"
DELTAS = {
    "response.output_text.delta": TEXT,
    "response.refusal.delta": REFUSAL,
    "response.reasoning_summary_text.delta": REASONING,
    "response.reasoning_text.delta": REASONING,
    "response.function_call_arguments.delta": CALL,
    "response.custom_tool_call_input.delta": CALL,
}

# Type of a call → its key in a chat's tool call, and the key there of what it is called with.
CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}

# Why an answer is incomplete → how a chat says it.
INCOMPLETE = {"max_output_tokens": "length", "max_tokens": "length", "content_filter": "content_filter"}

# Between two messages of one answer, and two parts of a reasoning.
GAP = "\n\n"


@dataclass
class _Growing:
    """An item of the answer, and how much of each of its texts has been given, in characters."""

    kind: str = ""
    place: int | None = None
    number: int = -1
    """Of a call: its place among the calls."""
    part: tuple[Any, Any] | None = None
    is_aside: bool = False
    """Of a message: is it no part of the text (`phase`: docs/backend.md, 4)? What the model says on its way is no JSON."""
    begins_at: int = 0
    """Of a message: where it begins in the whole text."""
    given: dict[str, int] = field(default_factory=dict)


class ChatStream:
    """Takes frames and gives deltas, the first of them with the role. `finish` or `error` tell how it ended."""

    def __init__(self, chat: Chat, model: str = "") -> None:
        self.chat = chat
        self.id = f"chatcmpl-{secrets.token_hex(12)}"
        self.created = int(time.time())
        self.model = model
        self.tier: str | None = None
        self.usage: dict[str, Any] | None = None
        self.finish = ""
        """`finish_reason`, once the answer has ended well."""
        self.error: ProxyError | None = None
        self._stop = StopText(chat.stop)
        self._begun = False
        self._items: dict[int | str | None, _Growing] = {}
        """By place in the answer, and by id; an event may name one of them alone."""
        self._calls = 0
        self._cited: list[dict[str, Any]] = []
        self._length = 0
        """Of the whole text so far, in characters."""

    @property
    def stopped(self) -> bool:
        """Whether it ended at a stop string of the client, so that the rest is not needed."""
        return self._stop.hit

    def feed(self, frames: Iterable[bytes]) -> list[Delta]:
        deltas: list[Delta] = []
        for frame in frames:
            kind, data = sse.parse(frame)
            try:
                event = EVENT.decode(data) if data else None
            except UNREADABLE:
                continue
            if event is not None:
                self._event(event.type or kind, event, deltas)
        return deltas

    def _event(self, kind: str, event: Event, deltas: list[Delta]) -> None:
        if self.finish or self.error:
            if kind in LAST:
                self._response(event)
            return
        if kind in DELTAS:
            if isinstance(event.delta, str):
                self._grown(DELTAS[kind], event, deltas)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            if item := read(event.item):
                growing = self._growing(event.output_index, item.id, item.type)
                self._placed(growing, item, deltas, done=kind.endswith("done"))
        elif kind in FAILED:
            self._failed(kind, event)
        elif first(event.response) == b"{":
            response = self._response(event)
            self._begin(deltas)
            if kind in LAST:
                self._last(kind, response, deltas)
        if self._stop.hit:
            self.finish = "stop"
        if self.finish and self._cited:
            # In one delta: OpenAI's SDK takes a second list for pieces of the first one's elements.
            deltas.append({"annotations": self._cited})

    def _begin(self, deltas: list[Delta]) -> None:
        if not self._begun:
            self._begun = True
            deltas.append({"role": "assistant", "content": None, "refusal": None})

    def _response(self, event: Event) -> Response:
        try:
            response = msgspec.json.decode(event.response, type=Response)
        except UNREADABLE:
            return Response()
        if not self._begun:
            # They stay the same from the first chunk to the last.
            self.id = f"chatcmpl-{response.id.removeprefix('resp_')}" if response.id else self.id
            self.created = int(response.created_at or self.created)
            self.model = response.model or self.model
        if response.service_tier != "auto":  # what was asked, and not what it became
            self.tier = response.service_tier or self.tier
        self.usage = usage(response.usage) if response.usage else self.usage
        return response

    def _growing(self, place: int | None, item_id: str | None, kind: str = "") -> _Growing:
        found = self._items.get(place) if place is not None else None
        if found is None:
            found = self._items.get(item_id or None)
            if found is None or (place is not None and found.place is not None):
                found = _Growing(kind)
        if place is not None:
            found.place = place
            self._items[place] = found
        if item_id or place is None:
            self._items.setdefault(item_id or None, found)
        return found

    def _grown(self, what: str, event: Event, deltas: list[Delta]) -> None:
        growing = self._growing(event.output_index, event.item_id)
        what = REASONING if what is TEXT and growing.is_aside else what
        if what is REASONING:
            part = (event.summary_index, event.content_index)
            more = GAP if growing.part not in (None, part) else ""
            growing.part = part
            self._put(growing, what, more + event.delta, deltas)
        elif what is not CALL or growing.number >= 0:
            self._put(growing, what, event.delta, deltas)

    def _put(self, growing: _Growing, what: str, text: str, deltas: list[Delta]) -> None:
        """More of a text of an item's."""
        self._begin(deltas)
        before = growing.given.get(what, 0)
        growing.given[what] = before + len(text)
        if not before and what in (TEXT, REASONING):
            others = [one for one in self._items.values() if one is not growing and one.given.get(what)]
            if others:
                gap = self._stop.feed(GAP) if what is TEXT else GAP
                deltas += [{what: gap}] if gap else []
                self._length += len(GAP) if what is TEXT else 0
            growing.begins_at = self._length
        if what is TEXT:
            self._length += len(text)
            text = self._stop.feed(text)
        if not text:
            return
        deltas.append(self._call_delta(growing, text) if what is CALL else {what: text})

    def _call_delta(self, growing: _Growing, text: str) -> Delta:
        key, name = CALLS[growing.kind]
        if self.chat.functions:
            return {"function_call": {"arguments": text}} if growing.number == 0 else {}
        return {"tool_calls": [{"index": growing.number, key: {name: text}}]}

    def _placed(self, growing: _Growing, item: Item, deltas: list[Delta], done: bool) -> None:
        """An item that begins or is done; what the deltas left out of it comes now."""
        growing.kind = growing.kind or item.type
        growing.is_aside |= self.chat.json and item.phase == "commentary" and not growing.given
        if item.type in CALLS:
            if growing.number < 0:
                self._call_begins(growing, item, deltas)
            if done:
                self._rest(
                    growing, CALL, (item.arguments if item.type == "function_call" else item.input) or "", deltas
                )
        elif item.type == "reasoning" and done:
            parts = item.summary or item.content or []
            self._rest(growing, REASONING, GAP.join(part.text for part in parts), deltas, only_whole=True)
        elif item.type == "message" and done:
            self._message_done(growing, item.content or [], deltas)

    def _message_done(self, growing: _Growing, parts: list[Part], deltas: list[Delta]) -> None:
        said = "".join(part.text for part in parts if part.type == "output_text")
        if growing.is_aside:
            self._rest(growing, REASONING, said, deltas)
            return
        self._rest(growing, TEXT, said, deltas)
        if self._stop.hit:
            return
        self._rest(growing, REFUSAL, "".join(part.refusal for part in parts if part.type == "refusal"), deltas)
        self._flush(deltas)
        self._cited += annotations(parts, growing.begins_at)

    def _rest(self, growing: _Growing, what: str, text: str, deltas: list[Delta], only_whole: bool = False) -> None:
        given = growing.given.get(what, 0)
        if len(text) > given and not (only_whole and given):
            self._put(growing, what, text[given:], deltas)

    def _call_begins(self, growing: _Growing, item: Item, deltas: list[Delta]) -> None:
        self._flush(deltas)
        self._begin(deltas)
        growing.kind, growing.number = item.type, self._calls
        self._calls += 1
        key, name = CALLS[item.type]
        if self.chat.functions:
            if growing.number == 0:
                deltas.append({"function_call": {"name": item.name, "arguments": ""}})
            return
        call = {"index": growing.number, "id": item.call_id, "type": key, key: {"name": item.name, name: ""}}
        deltas.append({"tool_calls": [call]})

    def _flush(self, deltas: list[Delta]) -> None:
        if rest := self._stop.flush():
            deltas.append({TEXT: rest})

    def _last(self, kind: str, response: Response, deltas: list[Delta]) -> None:
        if not self._items:
            for place, raw in enumerate(response.output or []):
                if self._stop.hit:
                    break
                if item := read(raw):
                    self._placed(self._items.setdefault(place, _Growing(item.type)), item, deltas, done=True)
        self._flush(deltas)
        if (kind == "response.incomplete" or response.incomplete_details) and not self._stop.hit:
            reason = str((response.incomplete_details or {}).get("reason") or "max_output_tokens")
            if reason not in INCOMPLETE:
                message = f"The backend ended the answer before it was complete: {reason}."
                self.error = refusals.in_stream({"code": "response_incomplete", "message": message})
                return
            self.finish = INCOMPLETE[reason]
            return
        called = "function_call" if self.chat.functions else "tool_calls"
        self.finish = called if self._calls and not self._stop.hit else "stop"

    def _failed(self, kind: str, event: Event) -> None:
        error: Any = event.error
        if kind == "response.failed":
            try:
                error = msgspec.json.decode(event.response, type=Response).error
            except UNREADABLE:
                error = None
        if not isinstance(error, dict):
            error = {"code": event.code, "message": event.message}
        self.error = refusals.in_stream(error)
