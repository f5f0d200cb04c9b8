"""Translate tools, the older functions, and the choice of one to the Responses API (docs/backend.md, 3.4)."""

from typing import Any

import msgspec

from .. import bounds
from ..changes import Change, taken_off
from ..raw_json import ABSENT, LIST, OBJECT, Object, first, text, value
from .parts import there

# Without parameters a function takes none; in the Responses API the key has to be there.
NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')

FUNCTION_KEYS = ("name", "description", "parameters", "strict", "defer_loading")

# Keys that may stand beside the function as well as inside it.
BESIDE = ("defer_loading",)


def tools(body: Object, changes: list[Change]) -> list[Any] | None:
    """The tools of a decoded chat body, `functions` and `web_search_options` among them; None where there is no list."""
    if all(first(body.get(key, ABSENT)) in (b"", b"n") for key in ("tools", "functions", "web_search_options")):
        return None
    flat, older = _list(body.get("tools", ABSENT)), _list(body.get("functions", ABSENT))
    bounds.check_count("tools", len(flat) + len(older), bounds.TOOLS)
    found = [_tool(raw, changes) for raw in flat] + [_function(raw, changes) for raw in older]
    if first(body.get("web_search_options", ABSENT)) == b"{":
        found.append(_web_search(value(body["web_search_options"])))
    return found


def choice(body: Object) -> Any:
    """What `tool_choice` or `function_call` says, flat; None where there is neither."""
    raw = body.get("tool_choice", ABSENT)
    if first(raw) in (b"", b"n"):
        raw = body.get("function_call", ABSENT)
        if first(raw) == b"{":
            return {"type": "function", "name": value(raw).get("name")}
    if first(raw) in (b"", b"n"):
        return None
    return flat_choice(value(raw))


def flat_choice(said: Any) -> Any:
    """A choice without the nesting of a chat."""
    if not isinstance(said, dict):
        return said
    kind = said.get("type")
    inner = said.get(str(kind))
    if kind == "allowed_tools":
        held = inner if isinstance(inner, dict) else said
        named = held.get("tools")
        return {
            **held,
            "type": kind,
            **({"tools": [flat_choice(one) for one in named]} if isinstance(named, list) else {}),
        }
    return {"type": kind, "name": inner.get("name")} if isinstance(inner, dict) else said


def _tool(raw: msgspec.Raw, changes: list[Change]) -> Any:
    if first(raw) != b"{":
        return raw
    tool = OBJECT.decode(raw)
    kind = text(tool.get("type", ABSENT))
    inner = tool.get(kind, ABSENT)
    if kind not in ("function", "custom") or first(inner) != b"{":
        return raw  # a hosted tool, or in the Responses form already
    for key in tool:
        if key not in ("type", kind, *BESIDE):
            changes.append(taken_off(f"tools[].{key}", "a tool of the Responses API has no such key"))
    if kind == "custom":
        return _custom(inner)
    return {**there({key: tool.get(key, ABSENT) for key in BESIDE}), **_function(inner, changes)}


def _function(raw: msgspec.Raw, changes: list[Change]) -> Any:
    if first(raw) != b"{":
        return raw
    inner = there(OBJECT.decode(raw))
    for key in inner:
        if key not in FUNCTION_KEYS:
            changes.append(taken_off(f"tools[].{key}", "a tool of the Responses API has no such key"))
    kept = {key: inner[key] for key in FUNCTION_KEYS if key in inner}
    # Unset means false in a chat completion, and true in the Responses API.
    return {"type": "function", "parameters": NO_PARAMETERS, "strict": False, **kept}


def _custom(raw: msgspec.Raw) -> dict[str, Any]:
    inner = msgspec.json.decode(raw)
    form = inner.get("format")
    if isinstance(form, dict) and isinstance(form.get("grammar"), dict):
        inner["format"] = {"type": form.get("type"), **form["grammar"]}
    return {"type": "custom", **inner}


def _web_search(options: dict[str, Any]) -> dict[str, Any]:
    tool = {"type": "web_search", **options}
    place = options.get("user_location")
    if isinstance(place, dict) and isinstance(place.get("approximate"), dict):
        tool["user_location"] = {"type": "approximate", **place["approximate"]}
    return tool


def _list(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The elements; anything but a list counts as one element, for the backend to refuse."""
    if first(raw) in (b"", b"n"):
        return []
    return LIST.decode(raw) if first(raw) == b"[" else [raw]
