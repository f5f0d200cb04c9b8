import json
from typing import Any

import msgspec
import pytest

from codex_proxy.chat.messages import Messages
from codex_proxy.errors import ProxyError

REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}


def before(call_id: str) -> list[msgspec.Raw]:
    return [msgspec.Raw(json.dumps(REASONING).encode())] if call_id == "call_1" else []


def translated(*messages: Any) -> tuple[list[Any], list[str]]:
    taken = Messages(before)
    for place, message in enumerate(messages):
        taken.add(msgspec.Raw(json.dumps(message).encode()), place)
    return json.loads(msgspec.json.encode(taken.items)), [change.short for change in taken.changes]


def call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def function_call(call_id: str, name: str = "f", arguments: str = "{}") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def given(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text}


TURNS: list[tuple[str, list[Any], list[Any]]] = [
    ("user", [{"role": "user", "content": "hi"}], [said("user", given("hi"))]),
    ("system", [{"role": "system", "content": "be"}], [said("developer", given("be"))]),
    ("developer", [{"role": "developer", "content": [{"type": "text", "text": "be"}]}], [said("developer", given("be"))]),
    ("a name", [{"role": "user", "content": "hi", "name": None}], [said("user", given("hi"))]),
    ("an assistant", [{"role": "assistant", "content": "yes"}], [said("assistant", {"type": "output_text", "text": "yes"})]),
    (
        "a refusal",
        [{"role": "assistant", "content": None, "refusal": "no"}],
        [said("assistant", {"type": "refusal", "refusal": "no"})],
    ),
    (
        "a refusal as a part",
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
        [said("assistant", {"type": "refusal", "refusal": "no"})],
    ),
    (
        "as the SDK gives it back",
        [{"role": "assistant", "content": "yes", "refusal": None, "annotations": [], "audio": None, "function_call": None,
          "tool_calls": None, "parsed": None}],
        [said("assistant", {"type": "output_text", "text": "yes"})],
    ),
    (
        "a call with its reasoning, and the text between",
        [{"role": "assistant", "content": "let me see", "tool_calls": [call("call_1"), call("call_2")]}],
        [REASONING, said("assistant", {"type": "output_text", "text": "let me see"}),
         function_call("call_1"), function_call("call_2")],
    ),
    ("a call without a text", [{"role": "assistant", "content": "", "tool_calls": [call("call_3")]}], [function_call("call_3")]),
    (
        "a custom call and its output",
        [{"role": "assistant", "tool_calls": [{"id": "call_4", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]},
         {"role": "tool", "tool_call_id": "call_4", "content": "a b"}],
        [{"type": "custom_tool_call", "call_id": "call_4", "name": "sh", "input": "ls"},
         {"type": "custom_tool_call_output", "call_id": "call_4", "output": "a b"}],
    ),
    (
        "an output in parts",
        [{"role": "tool", "tool_call_id": "call_5", "content": [{"type": "text", "text": "rain"}]}],
        [{"type": "function_call_output", "call_id": "call_5", "output": [given("rain")]}],
    ),
    (
        "an output of nothing",
        [{"role": "tool", "tool_call_id": "call_5", "content": None}],
        [{"type": "function_call_output", "call_id": "call_5", "output": ""}],
    ),
    (
        "the older form",
        [{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
         {"role": "function", "name": "f", "content": "1"},
         {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
         {"role": "function", "name": "f", "content": "2"}],
        [function_call("call_f"), {"type": "function_call_output", "call_id": "call_f", "output": "1"},
         function_call("call_f_1"), {"type": "function_call_output", "call_id": "call_f_1", "output": "2"}],
    ),
    (
        "an id used twice",
        [{"role": "assistant", "tool_calls": [call("1")]}, {"role": "tool", "tool_call_id": "1", "content": "a"},
         {"role": "assistant", "tool_calls": [call("1")]}, {"role": "tool", "tool_call_id": "1", "content": "b"}],
        [function_call("1"), {"type": "function_call_output", "call_id": "1", "output": "a"},
         function_call("1_1"), {"type": "function_call_output", "call_id": "1_1", "output": "b"}],
    ),
    (
        "an id used twice at once",
        [{"role": "assistant", "tool_calls": [call("1"), call("1")]}, {"role": "tool", "tool_call_id": "1", "content": "a"},
         {"role": "tool", "tool_call_id": "1", "content": "b"}],
        [function_call("1"), function_call("1_1"), {"type": "function_call_output", "call_id": "1", "output": "a"},
         {"type": "function_call_output", "call_id": "1_1", "output": "b"}],
    ),
    (
        "an id used again after a call that nobody answered",
        [{"role": "assistant", "tool_calls": [call("1")]}, {"role": "user", "content": "stop"},
         {"role": "assistant", "tool_calls": [call("1")]}, {"role": "tool", "tool_call_id": "1", "content": "b"}],
        [function_call("1"), said("user", given("stop")), function_call("1_1"),
         {"type": "function_call_output", "call_id": "1_1", "output": "b"}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "items"), [turn[1:] for turn in TURNS], ids=[turn[0] for turn in TURNS])
def test_messages_become_items(messages: list[Any], items: list[Any]) -> None:
    assert translated(*messages) == (items, [])


PARTS: list[tuple[Any, Any]] = [
    (
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_image", "image_url": "https://x/y.png"},
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"},
    ),
    ({"type": "image_url", "image_url": "https://x/y.png"}, {"type": "input_image", "image_url": "https://x/y.png"}),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
    ),
    ({"type": "input_text", "text": "hi"}, {"type": "input_text", "text": "hi"}),
    ("hi", {"type": "input_text", "text": "hi"}),
]


@pytest.mark.parametrize(("part", "becomes"), PARTS)
def test_parts_of_a_message(part: Any, becomes: Any) -> None:
    assert translated({"role": "user", "content": [part]}) == ([said("user", becomes)], [])


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_id": "file-EXAMPLE"}},
        {"type": "input_image", "file_id": "file-EXAMPLE"},
    ],
)
@pytest.mark.parametrize("role", ["user", "tool"])
def test_a_stored_file_is_refused_with_what_to_do(part: dict[str, Any], role: str) -> None:
    with pytest.raises(ProxyError) as e:
        translated({"role": role, "tool_call_id": "c", "content": [part, {"type": "text", "text": "x"}]})
    assert (e.value.code, e.value.extra) == ("not_supported", {"param": "messages[0].content"})
    assert "`file_data`" in e.value.message


def test_a_stored_file_beside_its_content_is_taken_off() -> None:
    part = {"type": "file", "file": {"file_id": "file-EXAMPLE", "file_data": "data:application/pdf;base64,AAAA"}}
    becomes = {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA"}
    assert translated({"role": "user", "content": [part]})[0] == [said("user", becomes)]


def test_what_is_left_out_is_told() -> None:
    _, changes = translated(
        {
            "role": "user",
            "name": "Ada",
            "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}],
        },
        {"role": "assistant", "content": "yes", "reasoning_content": "hm", "provider_specific_fields": {"a": 1}},
    )

    assert changes == [
        "-name of user message",
        "-cache_control of content",
        "-reasoning_content of assistant message",
        "-provider_specific_fields of assistant message",
    ]


WRONG: list[tuple[Any, str]] = [
    (1, "messages[0] has the wrong form"),
    ({"role": "robot", "content": "hi"}, 'messages[0].role has the role "robot"'),
    ({"content": "hi"}, "messages[0].role has the role (none)"),
    ({"role": "user", "content": 1}, "messages[0].content has the wrong form"),
    ({"role": "user", "content": [1]}, "messages[0].content has the wrong form"),
    ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "contains audio"),
    ({"role": "user", "content": [{"type": "video_url"}]}, '"video_url", which can\'t be translated'),
    ({"role": "assistant", "audio": {"id": "audio_1"}}, "spoken output"),
    ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "neither a function's nor a custom tool's"),
    ({"role": "assistant", "tool_calls": {"id": "1"}}, "a list is expected"),
]


@pytest.mark.parametrize(("message", "says"), WRONG)
def test_what_has_no_counterpart_is_refused_with_its_place(message: Any, says: str) -> None:
    with pytest.raises(ProxyError) as e:
        translated(message)
    assert (e.value.status, e.value.code) == (400, "invalid_messages")
    assert says in e.value.message
    assert e.value.extra["param"].startswith("messages[0]")


@pytest.mark.parametrize(
    "ids", [["x_2", "x", "x"], ["x_1", "x", "x"], ["x", "x", "x_2", "x", "x"], ["", "", "call", "call_2"]]
)
def test_ids_that_look_like_numbered_ones_do_not_hang(ids: list[str]) -> None:
    items, _ = translated({"role": "assistant", "tool_calls": [call(one) for one in ids]})
    assert len({item["call_id"] for item in items}) == len(ids)


def test_of_reasoning_so_much_is_put_back() -> None:
    """However often the id of one call stands there."""
    large = msgspec.Raw(json.dumps(REASONING | {"encrypted_content": "x" * (3 << 20)}).encode())
    taken = Messages(lambda _: [large])
    for place in range(10):
        taken.add(msgspec.Raw(json.dumps({"role": "assistant", "tool_calls": [call("same")]}).encode()), place)
    assert taken.items.count(large) == 3


def test_parts_of_a_message_are_bounded() -> None:
    for message in (
        {"role": "user", "content": [{"type": "text", "text": "x"}] * 5001},
        {"role": "assistant", "tool_calls": [call("x")] * 5001},
        {"role": "user", "content": "x", **{f"k{n}": n for n in range(1001)}},
    ):
        with pytest.raises(ProxyError) as e:
            translated(message)
        assert e.value.code == "too_much"
