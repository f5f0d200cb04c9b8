"""A request's body as a person reads it: its fields, the conversation, the tools, what was changed, and the JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ..raw import Object
from .items import Gap, chat_items, items_text
from .layout import LARGEST, block, bounded, clip, count, indented, prose, size, table
from .shortened import compact, line, pretty
from .tool_list import tools_text

# Items shown of a conversation, and of its raw JSON: the first ones and the last ones.
FIRST_ITEMS, LAST_ITEMS = 20, 150
FIRST_RAW, LAST_RAW = 10, 20

# Shown of instructions before they are folded, in characters.
FOLDED = 600

# Where the conversation stands: in a Responses request, in one for chat completions.
CONVERSATION = ("input", "messages")

# Fields of a request with a section of their own.
TOLD = frozenset(("model", "instructions", "tools", *CONVERSATION))


def request_text(data: bytes, state: Mapping[str, Any] | None = None) -> str:
    """A request's body. `state` is what the proxy knows of the flow: what it changed, and why."""
    state = state or {}
    try:
        body = msgspec.json.decode(data, type=Object)
        items, number = chosen(body)
        values = {key: msgspec.json.decode(raw) for key, raw in body.items() if key not in CONVERSATION}
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as e:
        return bounded([f"# not the JSON of a request: {line(str(e))}", *changed(state), undecodable(data)])
    talk = items_text(chat_items(items) if "messages" in body else items)
    tools = values.get("tools")
    if isinstance(tools, list) and tools:
        talk.append(block("tools", tools_text(tools), count(len(tools), "tool")))
    raw = {key: values[key] if key in values else shortlist(items, FIRST_RAW, LAST_RAW) for key in body}
    sections = [headline(values, state, number, len(data)), settings(values), instructions(values)]
    return bounded([*sections, *talk, *changed(state), "raw JSON:\n" + indented(pretty(raw))])


def chosen(body: Object) -> tuple[list[Any], int]:
    """The items that are shown, and how many there are."""
    raw = next((body[key] for key in CONVERSATION if key in body), msgspec.Raw(b"[]"))
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        plain = msgspec.json.decode(raw)
        return [{"role": "user", "content": plain} if isinstance(plain, str) else plain], 1
    shown = shortlist(items, FIRST_ITEMS, LAST_ITEMS)
    return [item if isinstance(item, Gap) else msgspec.json.decode(item) for item in shown], len(items)


def shortlist(items: list[Any], first: int, last: int) -> list[Any]:
    """The first and the last items, and a word on how many stand between them."""
    left_out = len(items) - first - last
    if left_out <= 0:
        return items
    return [*items[:first], Gap(f"… {count(left_out, 'item')} left out …"), *items[-last:]]


def undecodable(data: bytes) -> str:
    return block("body", clip(data[:LARGEST].decode("utf-8", "replace")), size(len(data)))


def headline(values: Mapping[str, Any], state: Mapping[str, Any], items: int, length: int) -> str:
    """`# gpt-4.1 → gpt-6-luna · effort high · 4 items · 24.9 kB`."""
    sent = str(values.get("model") or state.get("sent_model") or "no model")
    asked = str(state.get("model") or sent)
    effort = values.get("reasoning_effort")
    if isinstance(values.get("reasoning"), dict):
        effort = values["reasoning"].get("effort") or effort
    parts = [
        line(sent if asked == sent else f"{asked} → {sent}"),
        f"effort {line(effort, 40)}" if effort else "",
        count(items, "item"),
        size(length),
    ]
    return "# " + " · ".join(part for part in parts if part)


def settings(values: Mapping[str, Any]) -> str:
    """The fields that have no section of their own, on a line each."""
    rows = [[f"{line(key, 60)}:", setting(value)] for key, value in values.items() if key not in TOLD]
    return table(rows[:40]) if rows else ""


def setting(value: Any) -> str:
    """A value as JSON; what would be long as a comment, which need not be whole."""
    text = compact(value)
    return text if len(text) <= 120 else f"# {line(text)}"


def instructions(values: Mapping[str, Any]) -> str:
    text = values.get("instructions")
    if not isinstance(text, str):
        return ""
    return prose("instructions", clip(text, FOLDED), count(len(text), "character") if text else "")


def changed(state: Mapping[str, Any]) -> list[str]:
    """What was changed on the way up, field by field and header by header, and why; and what else is to be known."""
    rows = [("", *row) for row in rows_of(state.get("changes"))]
    rows += [("header ", *row) for row in rows_of(state.get("header_changes"))]
    changes = [f"{kind}{line(name, 60)}: {line(what, 200)}\n    {line(why, 300)}" for kind, name, what, why in rows]
    notes = state.get("notes")
    told = [line(note, 500) for note in notes[:50]] if isinstance(notes, list) else []
    return [
        block("changed on the way up", "\n".join(changes)) if changes else "",
        prose("notes", "\n".join(told)) if told else "",
    ]


def rows_of(value: Any) -> list[list[Any]]:
    """The changes in a flow's state; a flow loaded from a file may hold anything there."""
    rows = value if isinstance(value, list | tuple) else []
    return [list(row[:3]) for row in rows[:200] if isinstance(row, list | tuple) and len(row) >= 3]
