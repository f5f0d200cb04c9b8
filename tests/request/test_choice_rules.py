"""A choice goes along with the tools there are (docs/backend.md, 3.4)."""

import json
from typing import Any

import msgspec
import pytest

from codex_proxy.chat import dialect
from codex_proxy.raw_json import Object
from codex_proxy.request import choice_rules
from codex_proxy.request.body_rules import PatchOptions, patch
from codex_proxy.request.item_shape import look

from ..oracle import refusal

F, G = ({"type": "function", "name": name, "parameters": {"type": "object"}} for name in "fg")
SH = {"type": "custom", "name": "sh"}
PICTURE, WEB, FILES = {"type": "image_generation"}, {"type": "web_search"}, {"type": "file_search"}
SPACE = {"type": "namespace", "name": "n", "tools": [F]}
CHOSEN = {"type": "function", "name": "f"}


def allowed(*tools: Any, mode: str = "auto") -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


def put_right(choice: Any, tools: Any, items: Any = (), *, chained: bool = False) -> tuple[Any, list[str]]:
    body = {"tool_choice": choice} | ({} if tools is None else {"tools": tools})
    raw = msgspec.json.decode(json.dumps(body), type=Object)
    looked = [(one := msgspec.Raw(json.dumps(item).encode()), look(one)) for item in items]
    changes = choice_rules.apply(raw, looked, chained=chained)
    return json.loads(bytes(raw["tool_choice"])), [change.short for change in changes]


FORM = "tool_choice put into the backend's form"
CHANGED: list[tuple[Any, list[Any], Any]] = [
    # In the form of a chat, or under an older name.
    ({"type": "function", "function": {"name": "f"}}, [F], CHOSEN),
    ({"type": "custom", "custom": {"name": "sh"}}, [SH], {"type": "custom", "name": "sh"}),
    ({"type": "web_search_preview"}, [WEB], WEB),
    ({"type": "auto"}, [F], "auto"),
    ({"type": "required"}, [F], "required"),
    (allowed({"type": "web_search_preview"}, {"type": "function", "function": {"name": "f"}}, 1), [WEB, F], allowed(WEB, CHOSEN, 1)),
    ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CHOSEN]}}, [F], allowed(CHOSEN)),
    # Of a tool that is not there, or can't be chosen.
    (FILES, [F], "auto"),
    ({"type": "apply_patch"}, [], "auto"),
    (PICTURE, [PICTURE], "auto"),
    (WEB, [F], "auto"),
    (CHOSEN, [G], "auto"),
    (CHOSEN, [], "auto"),
    ({"type": "custom", "name": "f"}, [F], "auto"),
    # Of some tool, where none can be called.
    ("required", [], "auto"),
    ("required", [PICTURE], "auto"),
    ("required", [WEB], "auto"),
    ({"type": "required"}, [], "auto"),
    # Of some of the tools.
    (allowed(FILES, CHOSEN), [F], allowed(CHOSEN)),
    (allowed(PICTURE, CHOSEN, mode="required"), [F, PICTURE], allowed(CHOSEN, mode="required")),
    (allowed(CHOSEN, {"type": "function", "name": "g"}), [F], allowed(CHOSEN)),
    (allowed(PICTURE, mode="required"), [PICTURE], "auto"),
    (allowed(PICTURE), [PICTURE, F], "auto"),
    (allowed(FILES), [], "auto"),
    # None that the client did not name is allowed.
    (allowed(FILES, mode="required"), [F], "none"),
    (allowed(WEB, CHOSEN, mode="required"), [WEB], allowed(WEB)),
]  # fmt: skip


@pytest.mark.parametrize(("choice", "tools", "becomes"), CHANGED)
def test_a_choice_goes_along_with_the_tools(choice: Any, tools: list[Any], becomes: Any) -> None:
    told = f'tool_choice set to "{becomes}"' if isinstance(becomes, str) else FORM
    assert put_right(choice, tools) == (becomes, [told])
    assert put_right(becomes, tools) == (becomes, [])
    if 1 not in (becomes.get("tools") or () if isinstance(becomes, dict) else ()):
        body = patch(
            json.dumps({"model": "gpt-6-sol", "input": "x", "tools": tools, "tool_choice": choice}).encode(),
            PatchOptions(),
        ).body
        assert body and refusal(json.loads(body)) is None


@pytest.mark.parametrize(
    ("choice", "tools"),
    [
        ("auto", None), ("none", None), ("auto", []), ("odd", [F]), ("required", [F]), ("required", [SH]), ("required", [SPACE, WEB]),
        (None, [F]), (1, [F]), (["a"], [F]), ({}, [F]), ({"type": 5}, [F]), ({"type": ["function"]}, [F]), ({"type": {}}, [F]),
        (CHOSEN, [F]), (CHOSEN, [SPACE]), ({"type": "custom", "name": "sh"}, [SH]), (WEB, [WEB]), ({"type": "tool_search"}, [{"type": "tool_search"}]),
        ({"type": "mcp", "server_label": "s"}, [{"type": "mcp", "server_label": "s"}]), ({"type": "function"}, [F]),
        ({"type": "function", "function": "f"}, [F]), ({"type": "custom", "function": {"name": "f"}}, [F]),
        (allowed(WEB, CHOSEN, {"type": ["odd"]}), [WEB, F]), (allowed(), [F]), ({"type": "allowed_tools", "mode": "auto"}, [F]),
        (allowed(CHOSEN, mode="required"), [F, G]),
    ],
)  # fmt: skip
def test_a_choice_that_is_right_or_of_no_known_form_stays(choice: Any, tools: Any) -> None:
    assert put_right(choice, tools) == (choice, [])


def test_a_choice_that_is_right_stays_byte_for_byte() -> None:
    raw = b'{ "type" : "function" , "name":"\\u0066" }'
    body = {"tool_choice": msgspec.Raw(raw), "tools": msgspec.Raw(json.dumps([F]).encode())}
    assert choice_rules.apply(body) == [] and bytes(body["tool_choice"]) == raw


@pytest.mark.parametrize("choice", ["required", CHOSEN, allowed(CHOSEN)])
@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_in_the_input_count(choice: Any, kind: str) -> None:
    assert put_right(choice, None, [{"type": kind, "tools": [F]}]) == (choice, [])


@pytest.mark.parametrize("choice", ["required", CHOSEN, allowed(CHOSEN)])
def test_what_follows_upon_a_response_may_choose_its_tools(choice: Any) -> None:
    assert put_right(choice, None, chained=True) == (choice, [])
    assert put_right(choice, [], chained=True)[1] != []


@pytest.mark.parametrize(
    ("choice", "becomes"),
    [
        ({"type": "function", "function": {"name": "gone"}}, "auto"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}, FILES]}}, allowed(CHOSEN)),
    ],
)  # fmt: skip
def test_the_same_of_a_chat(choice: Any, becomes: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}, FILES]
    body = {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "x"}], "tools": tools, "tool_choice": choice}
    sent = json.loads(patch(json.dumps(body).encode(), PatchOptions(translate=dialect.translate)).body or b"")
    assert sent["tool_choice"] == becomes and refusal(sent) is None
