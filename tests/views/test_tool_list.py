from typing import Any

import pytest

from codex_proxy.views.tool_list import tools_text


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "function", "name": "f", "parameters": {"properties": properties, "required": ["a"]}}


TOOLS = [
    (schema(a={"type": "string"}, b={"type": "integer", "default": 3}), "f(a: string, b?: integer = 3)"),
    (schema(a={"enum": ["x", "y"]}), 'f(a: "x" | "y")'),
    (schema(a={"type": "array", "items": {"type": "number"}}), "f(a: number[])"),
    (schema(a={"type": ["string", "null"]}), "f(a: string | null)"),
    (schema(a={"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Unit"}]}), "f(a: string | Unit)"),
    (schema(a=True), "f(a: any)"),
    ({"type": "function", "name": "f", "parameters": None}, "f()"),
    ({"type": "function", "function": {"name": "f", "description": "Does it.\nAt length."}}, "f()\n    Does it."),
    ({"type": "web_search", "search_context_size": "low"}, "web_search (search_context_size: low)"),
    ({"type": "custom", "name": "patch", "format": {"type": "grammar"}}, 'patch, custom (format: {"type": "grammar"})'),
    ({"type": "namespace", "name": "db", "tools": [{"type": "function", "name": "q"}]}, "db.q()"),
]


@pytest.mark.parametrize(("tool", "text"), TOOLS)
def test_a_tool_is_a_line_with_its_parameters(tool: Any, text: str) -> None:
    assert tools_text([tool]) == text


def test_of_very_many_tools_the_first_ones_are_shown() -> None:
    text = tools_text([{"type": "function", "name": f"tool_{n}"} for n in range(150)])
    assert "tool_99()" in text and "tool_100()" not in text and text.endswith("\n… 50 more …")


@pytest.mark.parametrize("tools", [None, "x", {}, [None], [[]]])
def test_what_is_no_list_of_tools_is_an_empty_one(tools: Any) -> None:
    assert tools_text(tools) == ""
