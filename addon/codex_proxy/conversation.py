"""A request's body as a person reads it; and the items a conversation is made of, which an answer consists of too.

Every text stands in a block of YAML (`name: |`), calls stand as JSON: so the whole is highlighted as YAML.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .raw import Object
from .redact import redact

# Shown of one text at most, in characters; a long conversation's older items get less, down to LEAST.
FULL = 32_000
LEAST = 300

# Shown of a conversation or of an answer, all its items together, in characters.
ROOM = 80_000

# Shown of all there is, in characters: whatever comes, no more goes to a browser.
LARGEST = 200_000

# Items shown of a conversation, and of its raw JSON: the first ones and the last ones.
FIRST_ITEMS, LAST_ITEMS = 20, 150
FIRST_RAW, LAST_RAW = 10, 20

# Of JSON: characters of text in all and in one value, values in all, levels.
JSON_ROOM, JSON_TEXT, JSON_VALUES, JSON_LEVELS = 40_000, 2_000, 2_500, 40

# Shown of instructions before they are folded, in characters.
FOLDED = 600

# A token that is cut in two is not recognised any more; none is longer than this, in characters.
LONGEST_TOKEN = 4096
NO_TOKEN = re.compile(r"[^\w.~+/=-]")

# What stands in JSON for a character; in JSON inside JSON there are more backslashes.
ESCAPE = re.compile(r"(\\+(?:u[\da-fA-F]{4}|[bfnrt])?)")

# Of every line that is not empty.
LINE_START = re.compile(r"(?m)^(?!$)")

BASE64 = re.compile(r"[\w+/=-]+")
DATA_URL = re.compile(r"data:([\w.+/-]*)[^,]{0,100};base64,")

TEXT_PARTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")

# Where the conversation stands: in a Responses request, in one for chat completions.
CONVERSATION = ("input", "messages")

# Fields of a request with a section of their own.
TOLD = frozenset(("model", "instructions", "tools", *CONVERSATION))

NOT_TOLD_OF_TOOLS = ("type", "name", "description", "parameters", "strict")
MOST_TOOLS = 100

RESULTS = ("function_call_output", "custom_tool_call_output", "local_shell_call_output", "tool_search_output")


def count(number: int, what: str) -> str:
    """`1 item`, `2,041 items`."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def size(number: int) -> str:
    """`812 B`, `1.2 kB`, `402 kB`, `5.0 MB`."""
    if number < 1000:
        return f"{number} B"
    value, unit = (number / 1e3, "kB") if number < 999_500 else (number / 1e6, "MB")
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def clip(text: str, limit: int = FULL, gap: str = "\n… {} left out …\n") -> str:
    """`text`, and if it is long its beginning and its end, with no token that would not be known as one any more."""
    # What would be left out has to be more than the word that tells of it.
    if len(text) <= limit + min(100, limit // 8):
        return text
    head = limit * 3 // 4
    tail = limit - head
    start = max(0, len(text) - tail - LONGEST_TOKEN)
    # The end must not begin in the middle of a token.
    boundary = NO_TOKEN.search(text, start)
    ending = hidden(text[boundary.start() :])[-tail:] if boundary and tail else ""
    left_out = gap.format(count(len(text) - head - len(ending), "character"))
    return hidden(text[: head + LONGEST_TOKEN])[:head] + left_out + ending


def line(value: Any, limit: int = 100) -> str:
    """A value in one line."""
    text = value if isinstance(value, str) else compact(value)
    short = text if len(text) <= limit else clip(text, limit, " … ")
    return " ".join(short.split())


def block(title: str, text: str, note: str = "") -> str:
    """`title: |` and the text below it, indented; `note` as a comment behind the title."""
    comment = f"  # {line(note)}" if note else ""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        return f'{title}: ""{comment}'
    # YAML takes the indentation from the first line, unless it is told.
    told = "2" if text[0] in " \t" else ""
    return f"{title}: |{told}{comment}\n" + indented(text)


def indented(text: str) -> str:
    return LINE_START.sub("  ", text)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the last one as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join("  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows)


def bounded(sections: Sequence[str], limit: int = LARGEST) -> str:
    """The sections one below the other, without tokens, and never more than `limit` characters."""
    return hidden(clip("\n\n".join(section for section in sections if section) + "\n", limit - 200))


def hidden(text: str) -> str:
    """`text` without tokens, JSON or not: in JSON the line end before a token is the letter n, which would hide it."""
    return "".join(map(redact, ESCAPE.split(text))) if "\\" in text else redact(text)


class Shortener:
    """JSON values as they are shown: without long base64 and texts longer than `longest`, and not too many of them."""

    def __init__(self, room: int = JSON_ROOM, longest: int = JSON_TEXT) -> None:
        self.room, self.longest, self.values = room, longest, JSON_VALUES

    def __call__(self, value: Any, key: str = "", level: int = 0) -> Any:
        self.values -= 1
        match value:
            case str():
                return self._text(str(value), key)
            case list() | dict() if level >= JSON_LEVELS:
                return f"… {count(len(value), 'value')} …"
            case list():
                return self._list(value, key, level + 1)
            case dict():
                return self._object(value, level + 1)
            case int() if abs(value) >= 1 << 63:
                return float(value) if abs(value) < 1 << 1000 else "…"
        return value

    def _list(self, value: list[Any], key: str, level: int) -> list[Any]:
        shown: list[Any] = []
        for place, one in enumerate(value):
            if self.values <= 0:
                shown.append(f"… {len(value) - place:,} more …")
                break
            shown.append(self(one, key, level))
        return shown

    def _object(self, value: dict[str, Any], level: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for place, (key, one) in enumerate(value.items()):
            if self.values <= 0:
                shown["…"] = f"{len(value) - place:,} more"
                break
            shown[clip(key, 200, " … {} left out … ")] = self(one, key, level)
        return shown

    def _text(self, value: str, key: str) -> str:
        if key == "encrypted_content":
            return encrypted(value)
        if (found := binary(value)) is not None:
            kind, length = found
            return f"{value[:24]}… ({kind}, {size(length)})"
        limit = max(80, min(self.longest, self.room // 2))
        self.room -= min(len(value), limit)
        return clip(value, limit, " … {} left out … ")


def encrypted(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:16]}… ({count(len(value), 'character')})"


def binary(value: str) -> tuple[str, int] | None:
    """Type and size in bytes of what a text holds as base64; None if it holds none, or little."""
    if found := DATA_URL.match(value):
        return found[1] or "data", (len(value) - found.end()) * 3 // 4
    if len(value) > 400 and BASE64.fullmatch(value, 0, 400):
        return "base64", len(value) * 3 // 4
    return None


def compact(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(Shortener()(value)), indent=0).decode()


def pretty(value: Any, limit: int = JSON_ROOM, longest: int = JSON_TEXT) -> str:
    """A value as JSON, in one line where that is short."""
    raw = msgspec.json.encode(Shortener(limit, longest)(value))
    flat = msgspec.json.format(raw, indent=0).decode()
    return flat if len(flat) <= 100 else msgspec.json.format(raw, indent=2).decode()


def parsed(text: str) -> Any:
    """The value of a JSON text; None if it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none if it is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def part_text(part: Any, limit: int = FULL) -> str:
    """A part of a message's content."""
    if isinstance(part, str):
        return clip(part, limit)
    if not isinstance(part, dict):
        return line(part)
    kind = part.get("type")
    if kind in TEXT_PARTS and isinstance(part.get("text"), str):
        return clip(part["text"], limit) + annotations(part.get("annotations"))
    if kind == "refusal":
        return "[refused] " + clip(str(part.get("refusal") or ""), limit)
    if kind in ("input_image", "image_url"):
        url = part.get("image_url")
        if isinstance(url, dict):
            part = {**part, **url}
            url = url.get("url")
        detail = f", detail {line(part['detail'])}" if part.get("detail") else ""
        return f"[image {attached(url or part.get('file_id'))}{detail}]"
    if kind in ("input_file", "file"):
        file = part["file"] if isinstance(part.get("file"), dict) else part
        name = f" {line(file['filename'])}" if file.get("filename") else ""
        return f"[file{name} {attached(file.get('file_data') or file.get('file_url') or file.get('file_id'))}]"
    return clip(pretty(part, limit), limit)


def attached(value: Any) -> str:
    """An image or a file: type and size of its base64, or where it is."""
    if not isinstance(value, str):
        return "(nothing)"
    found = binary(value)
    return f"{found[0]}, {size(found[1])}" if found else line(value, 200)


def annotations(value: Any) -> str:
    """What a text refers to, a line each."""
    lines = [
        f"\n[{place}] " + " ".join(line(one[key], 200) for key in ("title", "url", "filename") if one.get(key))
        for place, one in enumerate(objects(value)[:20], 1)
    ]
    return "\n" + "".join(lines) if lines else ""


def content_text(content: Any, limit: int = FULL) -> str:
    """The content of a message, the output of a tool: a text, or parts."""
    if not isinstance(content, list):
        return "" if content is None else part_text(content, limit)
    each = max(LEAST, limit // max(1, len(content)))
    shown = [part_text(part, each) for part in content[:50]]
    return "\n".join(shown + ([f"… {len(content) - 50:,} more parts …"] if len(content) > 50 else []))


def message(item: Mapping[str, Any], limit: int) -> str:
    role, phase = str(item.get("role") or "message"), item.get("phase")
    return block(line(role, 40), content_text(item.get("content"), limit), phase if isinstance(phase, str) else "")


def reasoning(item: Mapping[str, Any], limit: int = FULL) -> str:
    sealed = item.get("encrypted_content")
    note = f"encrypted, {size(len(sealed))}" if isinstance(sealed, str) and sealed else ""
    parts = [*objects(item.get("summary")), *objects(item.get("content"))]
    return block("reasoning", "\n\n".join(part_text(part, limit) for part in parts), note)


def call(item: Mapping[str, Any], limit: int = FULL) -> str:
    """A tool's call: its arguments as JSON where they are JSON."""
    title = f"call {line(called(item), 80)}"
    note = line(str(item.get("call_id") or item.get("id") or ""), 80)
    for key in ("arguments", "input", "action", "queries", "code"):
        value = item.get(key)
        if value in (None, ""):
            continue
        if isinstance(value, str):
            known = parsed(value) if key == "arguments" else None
            if not isinstance(known, dict | list):
                return block(title, clip(value, limit), note)
            value = known
        comment = f"  # {note}" if note else ""
        return f"{title}:{comment}\n" + indented(clip(pretty(value, limit, limit), limit))
    return block(title, "", note)


def called(item: Mapping[str, Any]) -> str:
    name = str(item.get("name") or str(item.get("type") or "?").removesuffix("_call"))
    return f"{item['namespace']}.{name}" if item.get("namespace") else name


def result(item: Mapping[str, Any], limit: int = FULL, title: str = "output") -> str:
    """What a tool gave back: as JSON where it is JSON."""
    output = item.get("output", item.get("tools"))
    known = parsed(output) if isinstance(output, str) and output[:1] in ("{", "[") else None
    if isinstance(known, dict | list):
        return f"{title}:\n" + indented(clip(pretty(known, limit, limit), limit))
    return block(title, content_text(output, limit))


def item_text(item: Any, limit: int = FULL) -> str:
    """An item of a conversation or of an answer."""
    if isinstance(item, Gap):
        return f"# {item}"
    if not isinstance(item, dict):
        return block("item", line(item))
    kind = str(item.get("type") or ("message" if item.get("role") else ""))
    if kind == "message":
        return message(item, limit)
    if kind == "reasoning":
        return reasoning(item, limit)
    if kind in RESULTS:
        return result(item, limit, f"output of {line(str(item.get('call_id') or '?'), 80)}")
    if kind == "image_generation_call":
        prompt = item.get("revised_prompt")
        picture = attached(item.get("result")).replace("base64", line(item.get("output_format") or "base64", 20))
        return block("image", f"[{picture}]" + (f"\n{clip(str(prompt), limit)}" if prompt else ""))
    if kind == "additional_tools":
        return block("additional tools", tools_text(item.get("tools")))
    if kind.endswith("_call"):
        return call(item, limit)
    rest = {key: value for key, value in item.items() if key != "type"}
    return f"{line(kind, 40) or 'item'}:\n" + indented(clip(pretty(rest, limit), limit))


def items_text(items: Sequence[Any], room: int = ROOM) -> list[str]:
    """Items one after the other, each call with its output beside it; of the last ones the most is shown."""
    outputs = pairs(items)
    beside = set(outputs.values())
    shown: list[str] = []
    for place in range(len(items) - 1, -1, -1):
        if place in beside:
            continue
        limit = max(LEAST, min(FULL, room // 4))
        text = item_text(items[place], limit)
        if place in outputs:
            text += "\n" + result(items[outputs[place]], limit)
        room = max(0, room - len(text))
        shown.append(text)
    return shown[::-1]


def pairs(items: Sequence[Any]) -> dict[int, int]:
    """Place of a call → place of the output that answers it."""
    calls: dict[str, int] = {}
    found: dict[int, int] = {}
    for place, item in enumerate(items):
        name = item.get("call_id") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if is_call(item):
            calls[name] = place
        elif name in calls and item.get("type") in RESULTS:
            found.setdefault(calls[name], place)
    return found


def is_call(item: Mapping[str, Any]) -> bool:
    return str(item.get("type") or "").endswith("_call")


def tools_text(tools: Any) -> str:
    """Tools as a short list: name, parameters, the first line of what they are for."""
    rows = [row for tool in objects(tools)[:MOST_TOOLS] for row in tool_rows(tool)]
    left_out = len(objects(tools)) - MOST_TOOLS
    return "\n".join(rows) + (f"\n… {left_out:,} more …" if left_out > 0 else "")


def tool_rows(tool: Mapping[str, Any], inside: str = "") -> list[str]:
    if isinstance(tool.get("function"), dict):
        tool = {"type": "function", **tool["function"]}
    kind, name = str(tool.get("type") or "?"), str(tool.get("name") or "")
    if kind == "namespace":
        return [
            row for each in objects(tool.get("tools"))[:MOST_TOOLS] for row in tool_rows(each, f"{line(name, 60)}.")
        ]
    if kind == "function":
        text = f"{inside}{line(name, 60)}({line(parameters(tool.get('parameters')), 300)})"
    else:
        rest = [f"{line(key, 40)}: {line(value, 60)}" for key, value in tool.items() if key not in NOT_TOLD_OF_TOOLS]
        text = (
            inside
            + (f"{line(name, 60)}, " if name else "")
            + line(kind, 60)
            + (f" ({', '.join(rest)})" if rest else "")
        )
    about = str(tool.get("description") or "").strip().partition("\n")[0]
    return [text] + ([f"    {line(about, 160)}"] if about else [])


def parameters(schema: Any) -> str:
    """`city: string, unit?: "celsius" | "kelvin" = "celsius"`."""
    schema = schema if isinstance(schema, dict) else {}
    known = schema.get("properties")
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    return ", ".join(
        f"{name}{'' if name in needed else '?'}: {type_name(one)}"
        + (f" = {compact(one['default'])}" if default(one) else "")
        for name, one in (list(known.items())[:30] if isinstance(known, dict) else [])
    )


def default(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("default") is not None


def type_name(schema: Any, level: int = 0) -> str:
    """The type that a JSON schema describes, in a few characters."""
    if not isinstance(schema, dict):
        return "any"
    if isinstance(schema.get("enum"), list):
        return " | ".join(line(compact(one), 40) for one in schema["enum"][:12])
    kind = schema.get("type")
    if level > 3:
        return "…"
    if kind == "array":
        return f"{type_name(schema.get('items'), level + 1)}[]"
    if isinstance(kind, list):
        return " | ".join(str(one) for one in kind[:8])
    if isinstance(kind, str):
        return kind
    several = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(several, list):
        return " | ".join(type_name(one, level + 1) for one in several[:8])
    return str(schema.get("$ref") or "any").rpartition("/")[2]


def chat_items(messages: Sequence[Any]) -> list[Any]:
    """Messages of a chat-completions request as the items that they would be in a Responses request."""
    items: list[Any] = []
    for one in messages:
        if not isinstance(one, dict):
            items.append(one)
        elif one.get("role") == "tool":
            items.append({"type": RESULTS[0], "call_id": one.get("tool_call_id"), "output": one.get("content")})
        else:
            calls = objects(one.get("tool_calls"))
            if one.get("content") or one.get("refusal") or not calls:
                refused = [{"type": "refusal", "refusal": one["refusal"]}] if one.get("refusal") else None
                items.append({"type": "message", "role": one.get("role"), "content": refused or one.get("content")})
            items += [chat_call(each) for each in calls]
    return items


def chat_call(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    inner = tool_call.get("function") or tool_call.get("custom")
    return {"type": "function_call", "call_id": tool_call.get("id"), **(inner if isinstance(inner, dict) else {})}


class Gap(str):
    """Stands for items that are left out."""


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
    return block("instructions", clip(text, FOLDED), count(len(text), "character") if text else "")


def changed(state: Mapping[str, Any]) -> list[str]:
    """What was changed on the way up, field by field and header by header, and why; and what else is to be known."""
    fields = [[line(field, 60), line(what, 80), line(why, 300)] for field, what, why in rows_of(state.get("changes"))]
    headers = rows_of(state.get("header_changes"))
    of_headers = [[f"header {line(name, 60)}", line(what, 80), line(why, 300)] for name, what, why in headers]
    notes = state.get("notes")
    told = [line(note, 500) for note in notes[:50]] if isinstance(notes, list) else []
    tables = "\n\n".join(table(rows) for rows in (fields, of_headers) if rows)
    return [
        block("changed on the way up", tables) if tables else "",
        block("notes", "\n".join(told)) if told else "",
    ]


def rows_of(value: Any) -> list[list[Any]]:
    """The changes in a flow's state; a flow loaded from a file may hold anything there."""
    rows = value if isinstance(value, list | tuple) else []
    return [list(row[:3]) for row in rows[:200] if isinstance(row, list | tuple) and len(row) >= 3]
