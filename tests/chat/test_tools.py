import json
from typing import Any

import msgspec
import pytest

from codex_proxy.changes import Change
from codex_proxy.chat.tools import choice, flat_choice, tools

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
NONE = {"type": "object", "properties": {}}
WEB = {"type": "web_search", "search_context_size": "low"}


def raw(body: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(json.dumps(value).encode()) for key, value in body.items()}


def translated(body: dict[str, Any]) -> tuple[Any, list[str]]:
    changes: list[Change] = []
    found = tools(raw(body), changes)
    return json.loads(msgspec.json.encode(found)), [change.short for change in changes]


TOOLS: list[tuple[Any, Any]] = [
    ({}, None),
    ({"tools": None, "functions": None}, None),
    ({"tools": []}, []),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}]},
        [{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}],
    ),
    # What is not said means false in a chat, and true in the Responses API.
    (
        {"tools": [{"type": "function", "function": {"name": "f", "description": None, "strict": None}}]},
        [{"type": "function", "name": "f", "parameters": NONE, "strict": False}],
    ),
    (
        {"functions": [{"name": "f", "parameters": SCHEMA}]},
        [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}],
    ),
    (
        {"tools": [{"type": "custom", "custom": {"name": "sh", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "a"}}}}]},
        [{"type": "custom", "name": "sh", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}}],
    ),
    ({"tools": [WEB]}, [WEB]),
    ({"tools": [{"type": "function", "name": "f", "parameters": SCHEMA}]}, [{"type": "function", "name": "f", "parameters": SCHEMA}]),
    ({"web_search_options": {}}, [{"type": "web_search"}]),
    (
        {"web_search_options": {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}}},
        [{**WEB, "user_location": {"type": "approximate", "city": "Oslo"}}],
    ),
    ({"tools": "all"}, ["all"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "becomes"), TOOLS)
def test_tools(body: Any, becomes: Any) -> None:
    assert translated(body) == (becomes, [])


def test_keys_that_a_tool_can_not_have_are_told() -> None:
    tool = {"type": "function", "cache_control": {}, "function": {"name": "f", "examples": []}}
    assert translated({"tools": [tool]})[1] == ["-tools[].cache_control", "-tools[].examples"]


CHOICES: list[tuple[Any, Any]] = [
    ({}, None),
    ({"tool_choice": None}, None),
    ({"tool_choice": "required"}, "required"),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "function", "name": "f"}),
    ({"tool_choice": {"type": "custom", "custom": {"name": "sh"}}}, {"type": "custom", "name": "sh"}),
    ({"tool_choice": {"type": "function", "name": "f"}}, {"type": "function", "name": "f"}),
    (
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {
            "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "sh"}}]}}},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "sh"}]},
    ),
    ({"function_call": "none"}, "none"),
    ({"function_call": {"name": "f"}}, {"type": "function", "name": "f"}),
    ({"tool_choice": {"type": "web_search"}}, {"type": "web_search"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "becomes"), CHOICES)
def test_which_is_to_be_called(body: Any, becomes: Any) -> None:
    assert choice(raw(body)) == becomes


def test_a_choice_that_is_flat_is_the_same() -> None:
    for said in (
        "auto",
        {"type": "function", "name": "f"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    ):
        assert flat_choice(said) == said


@pytest.mark.parametrize("inside", [True, False])
def test_a_function_may_be_deferred(inside: bool) -> None:
    tool: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    (tool["function"] if inside else tool)["defer_loading"] = True
    flat = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False, "defer_loading": True}
    assert translated({"tools": [tool, {"type": "tool_search"}]}) == ([flat, {"type": "tool_search"}], [])
