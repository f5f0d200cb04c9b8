"""The rules for `tools`: what the backend refuses in them is patched (docs/backend.md, 3.4)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from .. import bounds, stored_files
from ..changes import Change, put, taken_off
from ..raw_json import ABSENT, LIST, LIST_OR_NULL, OBJECT, Object, encoded, first
from .item_shape import Assessment

# Renamed: the older names of the hosted search (docs/backend.md, 3.4; CLIP#2223).
RENAMED = {"web_search_preview": "web_search", "web_search_preview_2025_03_11": "web_search"}

# Hosted tools that this backend does not have (docs/backend.md, 3.4; P-AMP).
REFUSED = ("file_search", "code_interpreter", "computer_use", "computer_use_preview", "computer", "apply_patch")

# Keys inside a tool that cause a 400 (docs/backend.md, 3.4; CLIP d26ad8224).
REFUSED_KEYS = ("cache_control", "prompt_cache_breakpoint")

# Taken only where there is something that searches among the tools (docs/backend.md, 3.4).
DEFERRED, SEARCH = "defer_loading", "tool_search"


class Shape(msgspec.Struct):
    """The keys of a tool that a rule may be about."""

    type: str = ""
    name: str | None = None
    function: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    defer_loading: msgspec.Raw = ABSENT
    cache_control: msgspec.Raw = ABSENT
    prompt_cache_breakpoint: msgspec.Raw = ABSENT
    input_image_mask: msgspec.Raw = ABSENT


SHAPE = msgspec.json.Decoder(Shape)


def apply(body: Object, items: Iterable[Assessment] = ()) -> list[Change]:
    """Patch the tools of a decoded body in place; tools without changes stay byte for byte. `items` are those of its input."""
    changes: list[Change] = []
    tools = listed(body.get("tools", ABSENT))
    bounds.check_count("tools", tools, bounds.TOOLS)
    keys = REFUSED_KEYS if any(searches(raw) for raw in (*tools, *of_items(items))) else (*REFUSED_KEYS, DEFERRED)
    kept = [fixed for raw in tools if (fixed := _tool(raw, keys, changes)) is not None]
    if changes:
        body["tools"] = encoded(kept)
    return changes


def listed(tools: msgspec.Raw) -> list[msgspec.Raw]:
    """The elements; none where there is no list: the backend refuses it."""
    try:
        return LIST_OR_NULL.decode(tools) or [] if first(tools) else []
    except msgspec.MsgspecError:
        return []


def of_items(items: Iterable[Assessment]) -> list[msgspec.Raw]:
    """The tools that stand in the input: those of a Lite request, and those that a search has found (docs/backend.md, 3.6)."""
    return [
        raw
        for _, shape in items
        if shape and shape.kind in ("additional_tools", "tool_search_output")
        for raw in listed(shape.raw("tools"))
    ]


def look(raw: msgspec.Raw) -> Shape | None:
    """None for a tool of a form that no rule knows: the backend decides."""
    try:
        return SHAPE.decode(raw)
    except msgspec.MsgspecError:
        return None


def searches(raw: msgspec.Raw) -> bool:
    shape = look(raw)
    return shape is not None and shape.type == SEARCH


def _tool(raw: msgspec.Raw, keys: tuple[str, ...], changes: list[Change], within: bool = False) -> msgspec.Raw | None:
    shape = look(raw)
    if shape is None:
        return raw
    if shape.type in REFUSED:
        changes.append(taken_off(f"tools {shape.type}", 'the backend answers 400 "Unsupported tool type"'))
        return None
    if first(shape.input_image_mask) == b"{":
        stored_files.without(OBJECT.decode(shape.input_image_mask), "tools")
    inside = None if within else _inside(shape, keys, changes)
    nested = shape.type == "function" and first(shape.function) == b"{"
    extra = [key for key in keys if first(getattr(shape, key))]
    if not (nested or extra or shape.type in RENAMED or inside is not None):
        return raw
    tool: dict[str, Any] = OBJECT.decode(raw)
    if inside is not None:
        tool["tools"] = inside
    if shape.type in RENAMED:
        tool["type"] = RENAMED[shape.type]
        changes.append(put("tools", f"{shape.type} → {RENAMED[shape.type]}", "its name at this backend"))
    if nested:
        inner = OBJECT.decode(tool.pop("function"))
        tool = {**tool, **inner}
        extra = [key for key in keys if key in tool]
        changes.append(put("tools", "chat form flattened", "the Responses API has name and parameters at the top"))
    for key in extra:
        del tool[key]
        why = (
            "the backend refuses it in a tool"
            if key != DEFERRED
            else f"without {SEARCH} the backend refuses it in a tool"
        )
        changes.append(taken_off(f"tools[].{key}", why))
    return encoded(tool)


def _inside(shape: Shape, keys: tuple[str, ...], changes: list[Change]) -> list[msgspec.Raw] | None:
    """The functions in a namespace, of which none is one itself, as they are to be; None where nothing has to be changed."""
    if shape.type != "namespace" or first(shape.tools) != b"[":
        return None
    before = len(changes)
    functions = LIST.decode(shape.tools)
    bounds.check_count("tools", functions, bounds.TOOLS)
    kept = [fixed for raw in functions if (fixed := _tool(raw, keys, changes, within=True)) is not None]
    return kept if len(changes) > before else None
