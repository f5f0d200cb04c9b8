"""The rules for `tool_choice`, which is looked at together with the tools there are (docs/backend.md, 3.4)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..changes import Change, put
from ..chat import tools as chat_tools
from ..raw_json import ABSENT, Object, encoded, first, value
from . import tool_rules
from .item_shape import Assessment
from .tool_rules import RENAMED

MODES = ("auto", "none", "required")

# Tools that are chosen by their names.
NAMED = ("function", "custom")

# Hosted tools that can't be chosen though they are there (docs/backend.md, 3.4).
NEVER = (*tool_rules.REFUSED, "image_generation")


@dataclass
class Known:
    """The tools of a request: the names of those that are called by one, with their types, and the types of all."""

    names: set[tuple[str, str]] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    def add(self, raw: msgspec.Raw, within: bool = False) -> None:
        shape = tool_rules.look(raw)
        if shape is None:
            return
        self.types.add(shape.type)
        if shape.type in NAMED and shape.name is not None:
            self.names.add((shape.type, shape.name))
        if shape.type == "namespace" and not within:
            for inner in tool_rules.listed(shape.tools):
                self.add(inner, within=True)

    def has(self, chosen: Any) -> bool:
        """Can it be chosen? What no rule knows is left to the backend."""
        kind = chosen.get("type") if isinstance(chosen, dict) else None
        if not isinstance(kind, str):
            return True
        if kind in NAMED:
            name = chosen.get("name")
            return not isinstance(name, str) or (kind, name) in self.names
        return kind in self.types and kind not in NEVER


def apply(body: Object, items: Iterable[Assessment] = (), *, chained: bool = False) -> list[Change]:
    """Patch the choice of a decoded body in place, after its tools. `items` are those of its input. `chained`: where it has no tools,
    those of an earlier request count."""
    raw = body.get("tool_choice", ABSENT)
    if first(raw) not in (b'"', b"{"):
        return []
    said = value(raw)
    chosen, why = _in_form(said), "its form at this backend"
    if not chained or "tools" in body:
        known = Known()
        for tool in (*tool_rules.listed(body.get("tools", ABSENT)), *tool_rules.of_items(items)):
            known.add(tool)
        possible = _possible(chosen, known)
        if possible != chosen:
            chosen, why = (
                possible,
                'of the tools that are left, or can be chosen; else the backend answers 400 "not found"',
            )
    if chosen == said:
        return []
    body["tool_choice"] = encoded(chosen)
    what = f'set to "{chosen}"' if isinstance(chosen, str) else "put into the backend's form"
    return [put("tool_choice", what, why)]


def _in_form(said: Any) -> Any:
    """A choice as the backend has it: flat, a mode as a text, and a tool by its name there."""
    chosen = chat_tools.flat_choice(said)
    if not isinstance(chosen, dict):
        return chosen
    if chosen.get("type") in MODES:
        return chosen["type"]
    if isinstance(chosen.get("tools"), list):
        chosen = {**chosen, "tools": [_renamed(one) for one in chosen["tools"]]}
    return _renamed(chosen)


def _renamed(chosen: Any) -> Any:
    kind = chosen.get("type") if isinstance(chosen, dict) else None
    return {**chosen, "type": RENAMED[kind]} if isinstance(kind, str) and kind in RENAMED else chosen


def _possible(chosen: Any, known: Known) -> Any:
    """A choice among the tools there are."""
    if isinstance(chosen, str):
        return "auto" if chosen == "required" and not known.names else chosen
    if chosen.get("type") == "allowed_tools":
        return _allowed(chosen, known)
    return chosen if known.has(chosen) else "auto"


def _allowed(chosen: dict[str, Any], known: Known) -> Any:
    """`allowed_tools` without those that are not there. Where none is left, no tool is allowed that the client did not name."""
    named = chosen.get("tools")
    if not isinstance(named, list) or not named:
        return chosen
    left = [one for one in named if known.has(one)]
    if not left:
        is_there = any(one.get("type") in known.types for one in named)
        return "auto" if is_there or not known.names else "none"
    mode = chosen.get("mode")
    if mode == "required" and all(isinstance(one, dict) and one.get("type") not in NAMED for one in left):
        mode = "auto"  # a hosted tool can't be required
    return chosen if (left, mode) == (named, chosen.get("mode")) else {**chosen, "mode": mode, "tools": left}
