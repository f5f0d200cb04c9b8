"""An example value for a JSON schema: tool arguments and structured answers that fit."""

import re
from typing import Any

type Schema = dict[str, Any]

DEEPEST = 8
MOST_ITEMS = 100
FORMATS = {
    "date": "2026-11-21",
    "date-time": "2026-11-21T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.org",
    "uri": "https://example.org/",
    "uuid": "11111111-2222-4333-8444-555555555555",
    "ipv4": "192.0.2.1",
}
PLACE = re.compile(r"\b(?:in|for|at|of)\s+([A-ZÄÖÜÅØÆ][\w-]+)")


def example(schema: object, asked: str = "", name: str = "value") -> Any:
    """A value that fits; `asked` is the user's text, from which fitting words are taken."""
    root = schema if isinstance(schema, dict) else {}
    return _example(root, root, asked, name, 0)


def _example(schema: object, root: Schema, asked: str, name: str, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > DEEPEST:
        return None
    schema = _resolved(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            chosen = next((each for each in schema[key] if each.get("type") != "null"), schema[key][0])
            return _example(chosen, root, asked, name, depth + 1)
    return _by_type(schema, root, asked, name, depth)


def _resolved(schema: Schema, root: Schema) -> Schema:
    """References followed, `allOf` merged."""
    for _ in range(DEEPEST):
        if not isinstance(schema.get("$ref"), str):
            break
        target: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            target = target.get(step, {}) if step and isinstance(target, dict) else target
        schema = target if isinstance(target, dict) else {}
    for part in schema.get("allOf") or ():
        part = _resolved(part, root)
        properties = {**schema.get("properties", {}), **part.get("properties", {})}
        required = [*schema.get("required", ()), *part.get("required", ())]
        schema = {**schema, **part, "properties": properties, "required": required}
    return schema


def _by_type(schema: Schema, root: Schema, asked: str, name: str, depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    match kind:
        case "object":
            wanted = schema.get("required", ())
            properties = schema.get("properties", {})
            return {key: _example(properties.get(key, {}), root, asked, key, depth + 1) for key in wanted}
        case "array":
            count = min(max(schema.get("minItems", 1), 0), MOST_ITEMS)
            return [_example(schema.get("items", {}), root, asked, name, depth + 1) for _ in range(count)]
        case "integer":
            return _number(schema, 1)
        case "number":
            return _number(schema, 0.5)
        case "boolean":
            return True
        case "null":
            return None
    return _string(schema, asked, name)


def _number(schema: Schema, step: float) -> Any:
    low = schema.get("minimum", 1)
    if isinstance(schema.get("exclusiveMinimum"), int | float):
        low = schema["exclusiveMinimum"] + step
    high = schema.get("maximum", low)
    if isinstance(schema.get("exclusiveMaximum"), int | float):
        high = min(high, schema["exclusiveMaximum"] - step)
    multiple = schema.get("multipleOf")
    value = min(low, high)
    return value if not multiple else -(-value // multiple) * multiple


def _string(schema: Schema, asked: str, name: str) -> str:
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    place = PLACE.search(asked)
    value = place[1] if place else name
    value = value.ljust(schema.get("minLength", 0), "·")
    return value[: schema.get("maxLength", len(value))]
