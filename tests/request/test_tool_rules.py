import json
from typing import Any

import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.raw_json import Object
from codex_proxy.request import tool_rules
from codex_proxy.request.item_shape import look

FLAT = {"type": "function", "name": "f", "description": "d", "strict": None, "parameters": {"type": "object"}}
NESTED = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def put_right(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    raw = msgspec.json.decode(json.dumps(body), type=Object)
    items = msgspec.json.decode(raw.get("input", b"[]"), type=list[msgspec.Raw])
    changes = tool_rules.apply(raw, [(each, look(each)) for each in items])
    return json.loads(msgspec.json.encode(raw)), [change.short for change in changes]


@pytest.mark.parametrize(
    "tool, becomes, told",
    [
        (NESTED, {"type": "function", "name": "f", "parameters": {"type": "object"}}, "tools chat form flattened"),
        ({"type": "web_search_preview", "search_context_size": "low"}, {"type": "web_search", "search_context_size": "low"},
         "tools web_search_preview → web_search"),
        ({"type": "web_search_preview_2025_03_11"}, {"type": "web_search"}, "tools web_search_preview_2025_03_11 → web_search"),
        ({**FLAT, "defer_loading": True}, FLAT, "-tools[].defer_loading"),
        ({**FLAT, "cache_control": {"type": "ephemeral"}}, FLAT, "-tools[].cache_control"),
    ],
)  # fmt: skip
def test_a_tool_in_another_form_is_put_right(tool: Any, becomes: Any, told: str) -> None:
    assert put_right({"tools": [tool]}) == ({"tools": [becomes]}, [told])


@pytest.mark.parametrize(
    "kind", ["file_search", "code_interpreter", "computer_use", "computer_use_preview", "computer", "apply_patch"]
)
def test_a_hosted_tool_that_is_not_there_is_taken_off(kind: str) -> None:
    assert put_right({"tools": [FLAT, {"type": kind}, FLAT]}) == ({"tools": [FLAT, FLAT]}, [f"-tools {kind}"])


@pytest.mark.parametrize(
    "tools",
    [
        [],
        None,
        "none",
        {"a": 1},
        [FLAT],
        [{"type": "web_search", "filters": {"allowed_domains": ["a"]}}],
        [{"type": "image_generation", "output_format": "png"}],
        [{"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}],
        [{"type": "namespace", "name": "n", "tools": [FLAT]}],
        [{"type": "namespace", "name": "n", "tools": "odd"}],
        [{"type": "tool_search"}, {"type": "local_shell"}, {"type": "mcp", "server_label": "s"}],
        ["odd", 1, None, {}, {"type": 5}, {"name": "no type"}],
        [{"type": "function", "function": None}, {"type": "function", "function": "f"}],
        [{"type": "custom", "function": {"name": "f"}}],
    ],
)
def test_other_tools_are_left_to_the_backend(tools: Any) -> None:
    assert put_right({"tools": tools}) == ({"tools": tools}, [])


def test_without_tools_there_is_nothing_to_do() -> None:
    assert put_right({"model": "m"}) == ({"model": "m"}, [])


def test_beside_a_tool_that_is_put_right_the_others_stay_byte_for_byte() -> None:
    odd = b'{ "type":"function" ,"name":"f\\u0041","parameters":{"maximum":1e3,"minimum":1.0,"x":[ ]}}'
    body = {"tools": msgspec.Raw(b"[" + odd + b' , {"type":"apply_patch"}, ' + odd + b"]")}
    tool_rules.apply(body)
    assert bytes(body["tools"]) == b"[" + odd + b"," + odd + b"]"


def test_in_a_flattened_tool_the_schema_stays_byte_for_byte() -> None:
    schema = b'{ "maximum":1e3,"minimum":1.0 }'
    body = {"tools": msgspec.Raw(b'[{"type":"function","function":{"name":"f","parameters":' + schema + b"}}]")}
    tool_rules.apply(body)
    assert bytes(body["tools"]) == b'[{"type":"function","name":"f","parameters":' + schema + b"}]"


SEARCH = {"type": "tool_search"}
DEFERRED = {**FLAT, "defer_loading": True}
SPACE = {"type": "namespace", "name": "n", "tools": [DEFERRED, FLAT]}


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [SEARCH, DEFERRED]},
        {"tools": [SPACE, SEARCH]},
        {"tools": [DEFERRED], "input": [{"type": "additional_tools", "role": "developer", "tools": [SEARCH]}]},
    ],
)
def test_where_there_is_a_search_tools_may_be_deferred(body: dict[str, Any]) -> None:
    assert put_right(body) == (body, [])


@pytest.mark.parametrize("key", ["defer_loading", "cache_control", "prompt_cache_breakpoint"])
def test_what_a_tool_may_not_have_comes_off_in_a_namespace_too(key: str) -> None:
    space = {**SPACE, "tools": [{**FLAT, key: True}, FLAT]}
    becomes = {**SPACE, "tools": [FLAT, FLAT]}
    assert put_right({"tools": [space]}) == ({"tools": [becomes]}, [f"-tools[].{key}"])


def test_a_function_of_a_chat_is_flattened_in_a_namespace_too() -> None:
    space = {"type": "namespace", "name": "n", "tools": [NESTED]}
    flat = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    assert put_right({"tools": [space]}) == ({"tools": [{**space, "tools": [flat]}]}, ["tools chat form flattened"])


def test_a_stored_picture_is_refused() -> None:
    tool = {"type": "image_generation", "input_image_mask": {"file_id": "file-EXAMPLE"}}
    with pytest.raises(ProxyError) as e:
        put_right({"tools": [tool]})
    assert (e.value.code, e.value.extra) == ("not_supported", {"param": "tools"})
