"""Generate a value that fits a JSON schema, for made-up tool arguments and structured answers."""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

# Levels followed down; a schema may refer to itself.
DEEPEST = 8

# A number in a schema that is larger says nothing.
MOST = 1e15

# Made up where the schema asks for any text: no file, no command and no address is called so.
TEXT = "dry-run"

FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.invalid",
    "uri": "https://example.invalid/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
}


def example(schema: Any) -> Any:
    """The smallest value that fits: of an object what is required, else by type."""
    return _example(schema, _mapping(schema), 0)


def _example(schema: Any, root: Schema, level: int) -> Any:
    if not isinstance(schema, Mapping) or level > DEEPEST:
        return TEXT if schema is True else None
    schema = _resolved(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if values := _list(schema.get(key)):
            return values[0]
    for key in ("anyOf", "oneOf"):
        if ways := _list(schema.get(key)):
            better = [way for way in ways if _mapping(way).get("type") != "null"]
            return _example((better or ways)[0], root, level + 1)
    return _by_type(schema, root, level)


def _resolved(schema: Schema, root: Schema) -> Schema:
    """References followed, `allOf` put together."""
    for _ in range(DEEPEST):
        if not isinstance(schema.get("$ref"), str):
            break
        schema = _target(schema["$ref"], root)
    for part in _list(schema.get("allOf")):
        if isinstance(part, Mapping):
            part = _target(part["$ref"], root) if isinstance(part.get("$ref"), str) else part
            properties = {**_mapping(schema.get("properties")), **_mapping(part.get("properties"))}
            required = [*_list(schema.get("required")), *_list(part.get("required"))]
            schema = {**schema, **part, "properties": properties, "required": required}
    return schema


def _target(reference: str, root: Schema) -> Schema:
    found: Any = root
    for step in filter(None, reference.removeprefix("#").split("/")):
        found = _mapping(found).get(step)
    return _mapping(found)


def _by_type(schema: Schema, root: Schema, level: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    match kind:
        case "object":
            properties, required = _mapping(schema.get("properties")), _list(schema.get("required"))
            return {str(name): _example(properties.get(str(name), True), root, level + 1) for name in required}
        case "array":
            wanted = min(int(_number_of(schema, "minItems", 0)), 10)
            return [_example(schema.get("items", True), root, level + 1) for _ in range(wanted)]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "null":
            return None
    return _text(schema)


def _number(schema: Schema) -> int | float:
    value = _number_of(schema, "minimum", 0)
    if "exclusiveMinimum" in schema:
        value = _number_of(schema, "exclusiveMinimum", 0) + 1
    value = min(value, _number_of(schema, "maximum", value))
    step = _number_of(schema, "multipleOf", 0)
    return -(-value // step) * step if step > 0 else value


def _text(schema: Schema) -> str:
    if form := FORMATS.get(str(schema.get("format"))):
        return form
    text = TEXT.ljust(min(int(_number_of(schema, "minLength", 0)), 1000), "-")
    return text[: max(0, int(_number_of(schema, "maxLength", len(text))))]


def _number_of(schema: Schema, key: str, other: int | float) -> int | float:
    value = schema.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST
    return value if is_number else other  # type: ignore[return-value]


def _mapping(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
