"""Read from a request's items what it asks for."""

from collections.abc import Iterator
from typing import Any

type Item = dict[str, Any]

OUTPUTS = ("function_call_output", "custom_tool_call_output")
CALLS = ("function_call", "custom_tool_call")
# A tool with such a name changes the user's machine, which a test must not do.
RISKY = ("exec", "shell", "bash", "command", "write", "edit", "delete", "remove", "patch", "kill", "spawn", "run")


def text_of(content: object) -> str:
    """The text of a string or of a list of parts."""
    if isinstance(content, list):
        return " ".join(
            str(part.get("text") or part.get("refusal") or "") for part in content if isinstance(part, dict)
        ).strip()
    return content if isinstance(content, str) else ""


def last_user_text(items: list[Item]) -> str:
    return next((text_of(item.get("content")) for item in reversed(items) if item.get("role") == "user"), "")


def tool_output(items: list[Item]) -> str | None:
    """The last tool output, if no user message follows."""
    for item in reversed(items):
        if item.get("type") in OUTPUTS:
            return text_of(item["output"])
        if item.get("role") == "user":
            return None
    return None


def functions(body: dict[str, Any]) -> Iterator[Item]:
    """The function tools, those of a Lite request too (docs/backend.md, 3.6)."""
    extra = (item.get("tools") or () for item in body["input"] if item.get("type") == "additional_tools")
    for tools in (body.get("tools") or (), *extra):
        if isinstance(tools, list):
            found = (tool for tool in tools if isinstance(tool, dict) and tool.get("type") == "function")
            yield from (tool for tool in found if isinstance(tool.get("name"), str))


def tool_to_call(body: dict[str, Any]) -> Item | None:
    """The function that the answer calls; None: it says something.

    A call in the first round only, unless one is required. Which: the one the request names, else one about the
    weather, else the first that sounds harmless.
    """
    choice = body.get("tool_choice")
    tools = {tool["name"]: tool for tool in functions(body)}
    mode = choice if isinstance(choice, str) else "auto"
    if isinstance(choice, dict):
        if choice["type"] == "function":
            return tools.get(choice["name"])
        if choice["type"] == "allowed_tools":
            names = {tool.get("name") for tool in choice.get("tools") or ()}
            tools, mode = ({name: tool for name, tool in tools.items() if name in names}, choice["mode"])
    called = [item["name"] for item in body["input"] if item.get("type") in CALLS]
    if mode == "required":
        return next((tool for name, tool in tools.items() if name not in called), _best(tools))
    has_output = any(item.get("type") in OUTPUTS for item in body["input"])
    return None if mode == "none" or has_output else _best(tools, careful=True)


def _best(tools: dict[str, Item], careful: bool = False) -> Item | None:
    for name, tool in tools.items():
        if "weather" in name.lower():
            return tool
    fit = (tool for name, tool in tools.items() if not (careful and any(word in name.lower() for word in RISKY)))
    return next(fit, None)
