"""A request's body as readable text: its fields, the conversation, the tools, what was changed, and the JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ..raw_json import Object
from .items import Gap, chat_items, items_text
from .known import NOTHING, Known
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

# Changes shown, of fields and of headers.
MOST_CHANGES = 200

# Fields of a request with a section of their own.
TOLD = frozenset(("model", "instructions", "tools", *CONVERSATION))


def request_text(data: bytes, known: Known = NOTHING) -> str:
    """A request's body. `known` is what the proxy knows of the flow: what it changed, and why."""
    try:
        body = msgspec.json.decode(data, type=Object)
        items, number = chosen(body)
        values = {key: msgspec.json.decode(raw) for key, raw in body.items() if key not in CONVERSATION}
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as e:
        return bounded([f"# not the JSON of a request: {line(str(e))}", *changed(known), undecodable(data)])
    talk = items_text(chat_items(items) if "messages" in body else items)
    tools = values.get("tools")
    if isinstance(tools, list) and tools:
        talk.append(block("tools", tools_text(tools), count(len(tools), "tool")))
    raw = {key: values[key] if key in values else shortlist(items, FIRST_RAW, LAST_RAW) for key in body}
    sections = [headline(values, known, number, len(data)), settings(values), instructions(values)]
    return bounded([*sections, *talk, *changed(known), "raw JSON:\n" + indented(pretty(raw))])


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


def headline(values: Mapping[str, Any], known: Known, items: int, length: int) -> str:
    """`# gpt-4.1 → gpt-6-luna · effort high · 4 items · 24.9 kB`."""
    sent = str(values.get("model") or known.sent_model or "no model")
    asked = known.model or sent
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
    """The fields without a section of their own, one per line."""
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


def changed(known: Known) -> list[str]:
    """What was changed on the way up, field by field and header by header, and why; and what else is to be known."""
    rows = [("", change) for change in known.changes[:MOST_CHANGES]]
    rows += [("header ", change) for change in known.header_changes[:MOST_CHANGES]]
    changes = [f"{kind}{line(one.field, 60)}: {line(one.what, 200)}\n    {line(one.why, 300)}" for kind, one in rows]
    told = [line(note, 500) for note in known.notes[:50]]
    return [
        block("changed on the way up", "\n".join(changes)) if changes else "",
        prose("notes", "\n".join(told)) if told else "",
    ]
