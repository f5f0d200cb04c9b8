"""The rules for `tools` and `tool_choice` (docs/backend.md, 3.4)."""

import re
from typing import Any

from ..wire.replies import api_error, detail, invalid_value, missing, too_long, unknown, wrong_type
from ..world.schema import example

TYPES = ("function", "custom", "web_search", "image_generation", "namespace", "tool_search", "local_shell")
FUNCTION_KEYS = ("type", "name", "description", "strict", "parameters")
# Keys of other providers and modes, refused in any tool.
STRANGE_KEYS = ("defer_loading", "cache_control", "prompt_cache_breakpoint", "function")
NAME = re.compile(r"[a-zA-Z0-9_-]+")
MODES = ("none", "auto", "required")
# Tools that a client is told to call, by their names.
CALLED = ("function", "custom")


def check(tools: object, where: str, deferred: bool = False) -> None:
    """`deferred`: is there a search for tools that are not loaded at first?"""
    if tools is None:
        return
    if not isinstance(tools, list):
        raise wrong_type(where, "an array of objects", tools)
    for index, tool in enumerate(tools):
        _check_tool(tool, f"{where}[{index}]", deferred)


def of_request(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools of a request, those in its input and in namespaces among them; those of no known form left out."""
    lists = [body.get("tools")]
    lists += [
        item.get("tools")
        for item in body["input"]
        if isinstance(item, dict) and item.get("type") in ("additional_tools", "tool_search_output")
    ]
    found = [tool for tools in lists if isinstance(tools, list) for tool in tools if isinstance(tool, dict)]
    inner = [tool.get("tools") for tool in found if tool.get("type") == "namespace"]
    return found + [tool for tools in inner if isinstance(tools, list) for tool in tools if isinstance(tool, dict)]


def _check_tool(tool: object, where: str, deferred: bool) -> None:
    if not isinstance(tool, dict):
        raise wrong_type(where, "an object", tool)
    if tool.get("type") not in TYPES:
        raise detail(f"Unsupported tool type: {tool.get('type')}")
    if tool["type"] in ("function", "custom", "namespace"):
        _check_name(tool.get("name"), f"{where}.name")
    allowed = FUNCTION_KEYS if tool["type"] == "function" else tuple(tool)
    for key in tool:
        if key == "defer_loading" and deferred:
            continue
        if key in STRANGE_KEYS or key not in allowed:
            raise unknown(f"{where}.{key}")
    if tool["type"] == "function":
        _check_function(tool, where)
    if tool["type"] == "namespace":
        check(tool.get("tools"), f"{where}.tools", deferred)


def _check_function(tool: dict[str, Any], where: str) -> None:
    parameters = tool.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise wrong_type(f"{where}.parameters", "an object", parameters)
    if not isinstance(tool.get("strict"), bool | None):
        raise wrong_type(f"{where}.strict", "a boolean", tool["strict"])
    check_schema(parameters or {}, f"function '{tool['name']}'", f"{where}.parameters", "invalid_function_parameters")


def check_schema(schema: dict[str, Any], what: str, where: str, code: str) -> None:
    """A schema without possible values is refused."""
    if schema.get("type", "object") != "object":
        text = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema['type']}\"'."
        raise api_error(f"Invalid schema for {what}: {text}", param=where, code=code)
    try:
        example(schema)
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, ArithmeticError) as e:
        raise api_error(f"Invalid schema for {what}.", param=where, code=code) from e


def _check_name(name: object, where: str) -> None:
    """The nested chat form has its name a level deeper, so it fails here."""
    if name is None:
        raise missing(where)
    if not isinstance(name, str):
        raise wrong_type(where, "a string", name)
    if not NAME.fullmatch(name):
        text = (
            f"Invalid '{where}': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
        raise api_error(text, param=where, code="invalid_value")
    if len(name) > 64:
        raise too_long(where, name, 64)


def check_choice(choice: object, body: dict[str, Any]) -> None:
    if choice is None:
        return
    tools = of_request(body)
    if isinstance(choice, str):
        if choice not in MODES:
            raise invalid_value(choice, MODES, "tool_choice")
        if choice == "required" and not any(tool.get("type") in CALLED for tool in tools):
            raise api_error("Tool choice 'required' must be specified with 'tools' parameter.", param="tool_choice")
        return
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "one of 'none', 'auto', 'required' or an object", choice)
    if choice.get("type") == "allowed_tools":
        if choice.get("mode") not in ("auto", "required"):
            raise invalid_value(choice.get("mode"), ("auto", "required"), "tool_choice.mode")
        if not isinstance(choice.get("tools"), list) or not choice["tools"]:
            raise missing("tool_choice.tools")
        for tool in choice["tools"]:
            _check_chosen(tool, tools, "tool_choice.tools")
    else:
        _check_chosen(choice, tools, "tool_choice")


def _check_chosen(choice: Any, tools: list[dict[str, Any]], where: str) -> None:
    if not isinstance(choice, dict):
        raise wrong_type(where, "an object", choice)
    kind = choice.get("type")
    if kind not in TYPES:
        raise detail(f"Unsupported tool type: {kind}")
    if kind in CALLED and choice.get("name") is None:
        raise missing(f"{where}.name")
    name = choice["name"] if kind in CALLED else kind
    there = [tool.get("name") if kind in CALLED else kind for tool in tools if tool.get("type") == kind]
    # A picture can't be asked for, though the tool be there (docs/backend.md, 3.4).
    if name not in there or kind == "image_generation":
        raise api_error(f"Tool choice '{name}' not found in 'tools' parameter.", param=where)
