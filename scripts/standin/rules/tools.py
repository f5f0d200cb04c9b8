"""The rules for `tools` and `tool_choice` (docs/backend.md, 3.4)."""

import re
from typing import Any

from ..wire.replies import api_error, detail, invalid_value, missing, too_long, unknown, wrong_type
from ..world.schema import example

TYPES = ("function", "custom", "web_search", "image_generation", "namespace", "tool_search", "local_shell")
FUNCTION_KEYS = ("type", "name", "description", "strict", "parameters")
# Keys of other providers and modes, refused in any tool.
STRANGE_KEYS = ("defer_loading", "cache_control", "function")
NAME = re.compile(r"[a-zA-Z0-9_-]+")
MODES = ("none", "auto", "required")


def check(tools: object, where: str) -> None:
    if tools is None:
        return
    if not isinstance(tools, list):
        raise wrong_type(where, "an array of objects", tools)
    for index, tool in enumerate(tools):
        _check_tool(tool, f"{where}[{index}]")


def _check_tool(tool: object, where: str) -> None:
    if not isinstance(tool, dict):
        raise wrong_type(where, "an object", tool)
    if tool.get("type") not in TYPES:
        raise detail(f"Unsupported tool type: {tool.get('type')}")
    if tool["type"] in ("function", "custom", "namespace"):
        _check_name(tool.get("name"), f"{where}.name")
    allowed = FUNCTION_KEYS if tool["type"] == "function" else tuple(tool)
    for key in tool:
        if key in STRANGE_KEYS or key not in allowed:
            raise unknown(f"{where}.{key}")
    if tool["type"] == "function":
        _check_function(tool, where)
    if tool["type"] == "namespace":
        check(tool.get("tools"), f"{where}.tools")


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
    if isinstance(choice, str):
        if choice not in MODES:
            raise invalid_value(choice, MODES, "tool_choice")
        return
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "one of 'none', 'auto', 'required' or an object", choice)
    if choice.get("type") == "allowed_tools":
        if choice.get("mode") not in ("auto", "required"):
            raise invalid_value(choice.get("mode"), ("auto", "required"), "tool_choice.mode")
        if not isinstance(choice.get("tools"), list):
            raise missing("tool_choice.tools")
        for tool in choice["tools"]:
            _check_chosen(tool, body, "tool_choice.tools")
    else:
        _check_chosen(choice, body, "tool_choice")


def _check_chosen(choice: Any, body: dict[str, Any], where: str) -> None:
    if not isinstance(choice, dict):
        raise wrong_type(where, "an object", choice)
    if choice.get("type") not in TYPES:
        raise detail(f"Unsupported tool type: {choice.get('type')}")
    if choice["type"] not in ("function", "custom"):
        return
    if choice.get("name") is None:
        raise missing(f"{where}.name")
    names = [tool.get("name") for tool in body.get("tools") or () if tool["type"] == choice["type"]]
    if choice["name"] not in names:
        raise api_error(f"Tool choice '{choice['name']}' not found in 'tools' parameter.", param=where)
