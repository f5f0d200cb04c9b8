"""The rules for `tools` and `tool_choice`: what the backend refuses in them is patched (docs/backend.md, 3.4)."""

from typing import Any

import msgspec

from .. import bounds
from ..changes import Change, put, taken_off
from ..raw_json import ABSENT, LIST_OR_NULL, OBJECT, Object, encoded, first, value

# Renamed: the older names of the hosted search (docs/backend.md, 3.4; CLIP#2223).
RENAMED = {"web_search_preview": "web_search", "web_search_preview_2025_03_11": "web_search"}

# Hosted tools that this backend does not have (docs/backend.md, 3.4; P-AMP).
REFUSED = ("file_search", "code_interpreter", "computer_use", "computer_use_preview", "computer", "apply_patch")

# Keys inside a tool that cause a 400 (docs/backend.md, 3.4; CLIP d26ad8224).
REFUSED_KEYS = ("defer_loading", "cache_control")


class Shape(msgspec.Struct):
    """The keys of a tool that a rule may be about."""

    type: str = ""
    function: msgspec.Raw = ABSENT
    defer_loading: msgspec.Raw = ABSENT
    cache_control: msgspec.Raw = ABSENT


SHAPE = msgspec.json.Decoder(Shape)


def apply(body: Object) -> list[Change]:
    """Patch the tools of a decoded body in place; tools without changes stay byte for byte."""
    changes: list[Change] = []
    try:
        tools = LIST_OR_NULL.decode(body.get("tools", b"null"))
    except msgspec.MsgspecError:
        return changes  # not a list: the backend refuses it
    bounds.check_count("tools", tools or (), bounds.TOOLS)
    kept = [fixed for raw in tools or [] if (fixed := _tool(raw, changes)) is not None]
    if changes:
        body["tools"] = encoded(kept)
    return changes + _choice(body)


def _tool(raw: msgspec.Raw, changes: list[Change]) -> msgspec.Raw | None:
    try:
        shape = SHAPE.decode(raw)
    except msgspec.MsgspecError:
        return raw
    if shape.type in REFUSED:
        changes.append(taken_off(f"tools {shape.type}", 'the backend answers 400 "Unsupported tool type"'))
        return None
    nested = shape.type == "function" and first(shape.function) == b"{"
    extra = [key for key in REFUSED_KEYS if first(getattr(shape, key))]
    if not (nested or extra or shape.type in RENAMED):
        return raw
    tool: dict[str, Any] = OBJECT.decode(raw)
    for key in extra:
        del tool[key]
        changes.append(taken_off(f"tools[].{key}", "the backend refuses it in a tool"))
    if shape.type in RENAMED:
        tool["type"] = RENAMED[shape.type]
        changes.append(put("tools", f"{shape.type} → {RENAMED[shape.type]}", "its name at this backend"))
    if nested:
        inner = OBJECT.decode(tool.pop("function"))
        tool = {**tool, **inner}
        changes.append(put("tools", "chat form flattened", "the Responses API has name and parameters at the top"))
    return encoded(tool)


def _choice(body: Object) -> list[Change]:
    """Patch `tool_choice` after the tools: renamed with them, flattened, removed with the tool it named."""
    raw = body.get("tool_choice", ABSENT)
    if first(raw) != b"{":
        return []
    choice = value(raw)
    fixed = dict(choice)
    if isinstance(choice.get("tools"), list):
        fixed["tools"] = [
            {**t, "type": RENAMED.get(str(t.get("type")), t.get("type"))} if isinstance(t, dict) else t
            for t in choice["tools"]
        ]
    kind = choice.get("type")
    if kind in REFUSED:
        body["tool_choice"] = msgspec.Raw(b'"auto"')
        return [put("tool_choice", 'set to "auto"', f"this backend does not have the tool {kind}")]
    if isinstance(kind, str) and kind in RENAMED:
        fixed["type"] = RENAMED[kind]
    if kind == "function" and isinstance(choice.get("function"), dict):
        fixed = {"type": "function", "name": choice["function"].get("name")}
    if fixed == choice:
        return []
    body["tool_choice"] = encoded(fixed)
    return [put("tool_choice", "put into the backend's form", "see tools")]
