"""The tools of a request as text."""

from collections.abc import Mapping
from typing import Any

from .shortened import compact, line, objects

NOT_TOLD_OF_TOOLS = ("type", "name", "description", "parameters", "strict")
MOST_TOOLS = 100


def tools_text(tools: Any) -> str:
    """Tools as a short list: name, parameters, the first line of what they are for."""
    rows = [row for tool in objects(tools)[:MOST_TOOLS] for row in tool_rows(tool)]
    left_out = len(objects(tools)) - MOST_TOOLS
    return "\n".join(rows) + (f"\n… {left_out:,} more …" if left_out > 0 else "")


def tool_rows(tool: Mapping[str, Any], inside: str = "") -> list[str]:
    if isinstance(tool.get("function"), dict):
        tool = {"type": "function", **tool["function"]}
    kind, name = str(tool.get("type") or "?"), str(tool.get("name") or "")
    if kind == "namespace":
        return [
            row for each in objects(tool.get("tools"))[:MOST_TOOLS] for row in tool_rows(each, f"{line(name, 60)}.")
        ]
    if kind == "function":
        text = f"{inside}{line(name, 60)}({line(parameters(tool.get('parameters')), 300)})"
    else:
        rest = [f"{line(key, 40)}: {line(value, 60)}" for key, value in tool.items() if key not in NOT_TOLD_OF_TOOLS]
        text = (
            inside
            + (f"{line(name, 60)}, " if name else "")
            + line(kind, 60)
            + (f" ({', '.join(rest)})" if rest else "")
        )
    about = str(tool.get("description") or "").strip().partition("\n")[0]
    return [text] + ([f"    {line(about, 160)}"] if about else [])


def parameters(schema: Any) -> str:
    """`city: string, unit?: "celsius" | "kelvin" = "celsius"`."""
    schema = schema if isinstance(schema, dict) else {}
    known = schema.get("properties")
    required = schema.get("required")
    needed = required if isinstance(required, list) else []
    return ", ".join(
        f"{name}{'' if name in needed else '?'}: {type_name(one)}"
        + (f" = {compact(one['default'])}" if default(one) else "")
        for name, one in (list(known.items())[:30] if isinstance(known, dict) else [])
    )


def default(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("default") is not None


def type_name(schema: Any, level: int = 0) -> str:
    """The type that a JSON schema describes, in a few characters."""
    if not isinstance(schema, dict):
        return "any"
    if isinstance(schema.get("enum"), list):
        return " | ".join(line(compact(one), 40) for one in schema["enum"][:12])
    kind = schema.get("type")
    if level > 3:
        return "…"
    if kind == "array":
        return f"{type_name(schema.get('items'), level + 1)}[]"
    if isinstance(kind, list):
        return " | ".join(str(one) for one in kind[:8])
    if isinstance(kind, str):
        return kind
    several = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(several, list):
        return " | ".join(type_name(one, level + 1) for one in several[:8])
    return str(schema.get("$ref") or "any").rpartition("/")[2]
