"""Items of a conversation or an answer as text."""

from collections.abc import Mapping, Sequence
from typing import Any

from .layout import FULL, block, clip, indented, prose, size
from .shortened import binary, line, objects, parsed, pretty
from .tool_list import tools_text

# Shown of a conversation or of an answer, all its items together, in characters.
ROOM = 80_000

# Of one item's text at least, however many there are.
LEAST = 300

TEXT_PARTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")

RESULTS = ("function_call_output", "custom_tool_call_output", "local_shell_call_output", "tool_search_output")


class Gap(str):
    """Stands for items that are left out."""


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
        return prose("image", f"[{picture}]" + (f"\n{clip(str(prompt), limit)}" if prompt else ""))
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


def message(item: Mapping[str, Any], limit: int) -> str:
    role, phase = str(item.get("role") or "message"), item.get("phase")
    return prose(line(role, 40), content_text(item.get("content"), limit), phase if isinstance(phase, str) else "")


def reasoning(item: Mapping[str, Any], limit: int = FULL) -> str:
    sealed = item.get("encrypted_content")
    note = f"encrypted, {size(len(sealed))}" if isinstance(sealed, str) and sealed else ""
    parts = [*objects(item.get("summary")), *objects(item.get("content"))]
    return prose("reasoning", "\n\n".join(part_text(part, limit) for part in parts), note)


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


def content_text(content: Any, limit: int = FULL) -> str:
    """The content of a message, the output of a tool: a text, or parts."""
    if not isinstance(content, list):
        return "" if content is None else part_text(content, limit)
    each = max(LEAST, limit // max(1, len(content)))
    shown = [part_text(part, each) for part in content[:50]]
    return "\n".join(shown + ([f"… {len(content) - 50:,} more parts …"] if len(content) > 50 else []))


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
    """The citations of a text, one per line."""
    lines = [
        f"\n[{place}] " + " ".join(line(one[key], 200) for key in ("title", "url", "filename") if one.get(key))
        for place, one in enumerate(objects(value)[:20], 1)
    ]
    return "\n" + "".join(lines) if lines else ""


def chat_items(messages: Sequence[Any]) -> list[Any]:
    """Messages of a chat-completions request as the items that they would be in a Responses request."""
    items: list[Any] = []
    for one in messages:
        if not isinstance(one, dict):
            items.append(one)
        elif one.get("role") in ("tool", "function"):
            call_id = one.get("tool_call_id") or one.get("name")
            items.append({"type": RESULTS[0], "call_id": call_id, "output": one.get("content")})
        else:
            if one.get("reasoning_content"):
                items.append(
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": one["reasoning_content"]}]}
                )
            calls = objects(one.get("tool_calls"))
            if isinstance(one.get("function_call"), dict):
                calls = [*calls, {"function": one["function_call"]}]
            if one.get("content") or one.get("refusal") or not calls:
                items.append({"type": "message", "role": one.get("role"), "content": chat_content(one)})
            items += [chat_call(each) for each in calls]
    return items


def chat_content(message: Mapping[str, Any]) -> Any:
    if message.get("refusal"):
        return [{"type": "refusal", "refusal": message["refusal"]}]
    cited = [
        one["url_citation"] for one in objects(message.get("annotations")) if isinstance(one.get("url_citation"), dict)
    ]
    content = message.get("content")
    return [{"type": "output_text", "text": content, "annotations": cited}] if cited else content


def chat_call(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    inner = tool_call.get("function") or tool_call.get("custom")
    return {"type": "function_call", "call_id": tool_call.get("id"), **(inner if isinstance(inner, dict) else {})}
