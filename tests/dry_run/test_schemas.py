import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.dry_run import schemas

EXAMPLES: list[tuple[Any, Any]] = [
    ({"type": "string"}, "dry-run"),
    ({"type": "string", "minLength": 9}, "dry-run--"),
    ({"type": "string", "maxLength": 3}, "dry"),
    ({"type": "string", "format": "date"}, "2026-11-20"),
    ({"type": "string", "enum": ["b", "a"]}, "b"),
    ({"type": "string", "default": "x", "enum": ["y"]}, "x"),
    ({"const": 5}, 5),
    ({"type": "integer"}, 0),
    ({"type": "integer", "minimum": 3}, 3),
    ({"type": "integer", "exclusiveMinimum": 3}, 4),
    ({"type": "number", "minimum": 3, "multipleOf": 5}, 5),
    ({"type": "integer", "maximum": -2}, -2),
    ({"type": "boolean"}, False),
    ({"type": "null"}, None),
    ({"type": ["null", "integer"]}, 0),
    ({"type": "array", "items": {"type": "integer"}}, []),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
    # Only what is required.
    ({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, {"a": "dry-run"}),
    ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": 0}),
    ({"type": "object", "required": ["unsaid"]}, {"unsaid": "dry-run"}),
    # Ways and references.
    ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 0),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 0),
    (
        {"allOf": [{"$ref": "#/$defs/n"}], "$defs": {"n": {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}}},
        {"a": 1},
    ),
    # No schema at all.
    (True, "dry-run"),
    (None, None),
    ({}, "dry-run"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), EXAMPLES)
def test_an_example_fits(schema: Any, value: Any) -> None:
    assert schemas.example(schema) == value


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    node: Any = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}

    assert json.dumps(schemas.example(node)).count("next") < 20


KEYS = st.sampled_from(
    "type properties required items minItems enum anyOf allOf $ref minimum multipleOf maxLength minLength format".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["object", "array", "#", "number"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)  # fmt: skip


@given(JSON)
def test_no_schema_however_wrong_raises(schema: Any) -> None:
    json.dumps(schemas.example(schema))
