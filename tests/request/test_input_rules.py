import json
from typing import Any

import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.raw_json import Object
from codex_proxy.request import input_rules

LONG = "x" * 65
TEXT = {"type": "input_text", "text": "x"}
ANSWER = {"type": "output_text", "text": "x"}
PNG = "data:image/png;base64,AA=="


def put_right(items: Any) -> tuple[Any, list[str]]:
    raw = msgspec.json.decode(json.dumps({"input": items}), type=Object)
    changes, _ = input_rules.apply(raw)
    return json.loads(bytes(raw["input"])), [change.short for change in changes]


def user(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(parts or [TEXT]), **more}


def assistant(*parts: Any, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts or [ANSWER]), **more}


def call(call_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **more}


def output(call_id: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": "ok", **more}


def custom(**more: Any) -> dict[str, Any]:
    return {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "x", **more}


def custom_output() -> dict[str, Any]:
    return {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"}


def reasoning(**more: Any) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": "opaque", **more}


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"role": "user", "content": "hi"}],
        [{"role": "assistant", "content": "hi"}],
        [{"role": "developer", "content": [{"type": "input_text", "text": "text"}]}],
        [user({"type": "input_text", "text": 'He said: "text"'})],
        [user({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"})],
        [user({"type": "input_file", "file_data": "AA=="})],
        [assistant({"type": "output_text", "text": "text", "annotations": []}, {"type": "refusal", "refusal": "no"})],
        [assistant({"type": "output_text", "text": "x"}, id="msg_1", phase="final_answer")],
        [reasoning(id="rs_1", content=None), call(id="fc_1"), output(id="anything")],
        [call("a"), call("b"), output("b"), output("a")],
        [call(), output(output=[{"type": "input_text", "text": "x"}])],
        [{"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "n", "input": "x"},
         {"type": "custom_tool_call_output", "id": "ctco_1", "call_id": "c", "output": "x"}],
        [{"type": "local_shell_call", "call_id": "c", "action": {}}, {"type": "local_shell_call_output", "call_id": "c", "output": "x"}],
        [{"type": "additional_tools", "id": "at_1", "role": "developer", "tools": []}],
        [{"type": "web_search_call", "id": "ws_1", "status": "completed", "async_": None}],
        [{"type": "additional_tools", "role": "system", "tools": []}],
        [reasoning(id=None, content=None), assistant(phase=None)],
        [{"status": "of nothing known"}],
        [{"type": "compaction_trigger"}, {"type": "compaction", "encrypted_content": "x"}],
        [{"type": "configuration_update", "reasoning": {"effort": "low"}}],
        [{"type": "agent_message", "id": "am_1"}, {"type": "tool_search_call", "call_id": None}],
        ["odd", 1, None, [], {}, {"type": 5, "role": "system"}],
        [call(call_id=""), {"type": "function_call_output", "output": "x"}],
        [{"role": "user", "content": [1, None, "text", {"type": ["text"]}]}],
    ],
)  # fmt: skip
def test_what_the_backend_takes_stays(items: Any) -> None:
    assert put_right(items) == (items, [])


@pytest.mark.parametrize("no_list", [None, "text", 1, {"role": "system"}])
def test_an_input_that_is_no_list_is_left_alone(no_list: Any) -> None:
    assert put_right(no_list) == (no_list, [])


def test_a_body_without_input_is_left_alone() -> None:
    assert input_rules.apply({}) == ([], [])


@pytest.mark.parametrize(
    "item, becomes, told",
    [
        ({"role": "system", "content": "s"}, {"role": "developer", "content": "s"}, "input system → developer"),
        ({"type": "message", "role": "system", "content": "s"}, {"type": "message", "role": "developer", "content": "s"},
         "input system → developer"),
        (user(id="item_1"), user(), "-id of message"),
        (user(id=""), user(), "-id of message"),
        (user(id="msg_" + LONG), user(), "-id of message"),
        (user(async_=None), user(), "-async_ of message"),
        ({"type": "web_search_call", "id": LONG}, {"type": "web_search_call"}, "-id of web_search_call"),
        (assistant(status="completed"), assistant(), "-status of message"),
        ({"role": "user", "content": "x", "status": None}, {"role": "user", "content": "x"}, "-status of message"),
        (user(prompt_cache_breakpoint={"mode": "explicit"}), user(), "-prompt_cache_breakpoint of message"),
        (user({"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}), user({"type": "input_image", "image_url": PNG, "detail": "low"}),
         "content of user image_url → input_image"),
        (user({"type": "text", "text": "x"}), user({"type": "input_text", "text": "x"}), "content of user text → input_text"),
        (user({"type": "output_text", "text": "x"}), user({"type": "input_text", "text": "x"}),
         "content of user output_text → input_text"),
        (assistant({"type": "input_text", "text": "x"}), assistant({"type": "output_text", "text": "x"}),
         "content of assistant input_text → output_text"),
        (assistant({"type": "text", "text": "x"}), assistant({"type": "output_text", "text": "x"}),
         "content of assistant text → output_text"),
        (assistant({"type": "output_text", "text": "x", "parsed": None}), assistant({"type": "output_text", "text": "x"}),
         "-parsed of content"),
        ({"role": "developer", "content": [{"type": "text", "text": "x"}]}, {"role": "developer", "content": [{"type": "input_text", "text": "x"}]},
         "content of developer text → input_text"),
    ],
)  # fmt: skip
def test_an_item_is_put_right(item: Any, becomes: Any, told: str) -> None:
    assert put_right([item]) == ([becomes], [told])


@pytest.mark.parametrize(
    "items, becomes, told",
    [
        ([reasoning(id="reasoning_1"), assistant()], [reasoning(), assistant()], "-id of reasoning"),
        ([reasoning(id="rs_" + LONG), assistant()], [reasoning(), assistant()], "-id of reasoning"),
        ([reasoning(status=None), assistant()], [reasoning(), assistant()], "-status of reasoning"),
        ([{"type": "reasoning", "encrypted_content": "x"}, assistant()], [{"type": "reasoning", "encrypted_content": "x", "summary": []}, assistant()],
         "reasoning item given an empty summary"),
        ([call(id="call_1"), output()], [call(), output()], "-id of function_call"),
        ([call(status="completed"), output()], [call(), output()], "-status of function_call"),
        ([call(async_=None), output()], [call(), output()], "-async_ of function_call"),
        ([call(parsed_arguments={}), output()], [call(), output()], "-parsed_arguments of function_call"),
        ([call(), output(status="completed")], [call(), output()], "-status of function_call_output"),
        ([call(), output(id=LONG)], [call(), output()], "-id of function_call_output"),
        ([call(arguments={"a": 1}), output()], [call(arguments='{"a": 1}'), output()], "arguments of function_call made a text"),
        ([call(arguments=[1]), output()], [call(arguments="[1]"), output()], "arguments of function_call made a text"),
        ([call(), output(output={"a": 1})], [call(), output(output='{"a": 1}')], "output of function_call_output made a text"),
        ([call(), output(output=12.50)], [call(), output(output="12.5")], "output of function_call_output made a text"),
        ([call(), output(output=[{"a": 1}])], [call(), output(output='[{"a": 1}]')], "output of function_call_output made a text"),
        ([call(), output(output=["Oslo", "Rome"])], [call(), output(output='["Oslo", "Rome"]')], "output of function_call_output made a text"),
        ([call(), {"type": "function_call_output", "call_id": "c1"}], [call(), output(output="")], "output of function_call_output set to empty"),
        ([custom(), {**custom_output(), "output": {"a": 1}}], [custom(), {**custom_output(), "output": '{"a": 1}'}],
         "output of custom_tool_call_output made a text"),
        ([custom(input={"a": 1}), custom_output()], [custom(input='{"a": 1}'), custom_output()], "input of custom_tool_call made a text"),
        # A tool's output in the form of a chat.
        ([call(), output(output=[{"type": "text", "text": "x"}])], [call(), output(output=[TEXT])], "output of function_call_output text → input_text"),
        ([call(), output(output=[ANSWER])], [call(), output(output=[TEXT])], "output of function_call_output output_text → input_text"),
        ([custom(), {**custom_output(), "output": [ANSWER]}], [custom(), {**custom_output(), "output": [TEXT]}],
         "output of custom_tool_call_output output_text → input_text"),
        ([call(), output(output=[{"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}])],
         [call(), output(output=[{"type": "input_image", "image_url": PNG, "detail": "low"}])],
         "output of function_call_output image_url → input_image"),
        ([call(), output(output=[{**TEXT, "cache_control": {}}])], [call(), output(output=[TEXT])], "-cache_control of output"),
        ([call(cache_control={}), output()], [call(), output()], "-cache_control of function_call"),
        ([call(), output(output=None)], [call(), output(output="null")], "output of function_call_output made a text"),
    ],
)  # fmt: skip
def test_items_that_belong_together_are_put_right(items: Any, becomes: Any, told: str) -> None:
    assert put_right(items) == (becomes, [told])


@pytest.mark.parametrize(
    "items, kept, told",
    [
        ([{"type": "reasoning", "id": "rs_1", "summary": []}, user()], [user()], ["-reasoning item"]),
        ([reasoning(encrypted_content=None), user()], [user()], ["-reasoning item"]),
        ([reasoning(encrypted_content=""), user()], [user()], ["-reasoning item"]),
        ([user(), output()], [user()], ["-function_call_output"]),
        ([call(), output(), output(output="again")], [call(), output()], ["-second function_call_output"]),
        ([call(), call(name="again"), output()], [call(), output()], ["-second function_call"]),
        ([{"type": "custom_tool_call_output", "call_id": "c"}], [], ["-custom_tool_call_output"]),
        ([call(), output(), {"type": "custom_tool_call_output", "call_id": "c1"}], [call(), output()], ["-custom_tool_call_output"]),
    ],
)  # fmt: skip
def test_what_stands_for_nothing_is_taken_off(items: Any, kept: Any, told: list[str]) -> None:
    assert put_right(items) == (kept, told)


@pytest.mark.parametrize("item, lack", [(call(), "output"), (output(), "call")])
def test_of_a_call_or_an_output_alone_it_is_told_what_is_missing(item: Any, lack: str) -> None:
    (change,), _ = input_rules.apply({"input": msgspec.Raw(json.dumps([item]).encode())})
    assert change.why.endswith(f'the backend answers 400 "No tool {lack} found"')


NOTHING: list[dict[str, Any]] = [
    {"role": "assistant", "content": ""},
    {"role": "assistant", "content": []},
    {"role": "assistant", "content": None},
    {"role": "assistant"},
    {"role": "assistant", "content": [{"type": "output_text", "text": ""}, {"type": "refusal", "refusal": ""}]},
    {
        "type": "message",
        "id": "msg_1",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "text", "text": ""}],
    },
    {"role": "user", "content": ""},
    {"role": "user", "content": None},
    {"role": "user", "content": [{"type": "text", "text": None}]},
    {"role": "system", "content": ""},
]


@pytest.mark.parametrize("message", NOTHING)
def test_a_message_with_nothing_in_it_is_left_out(message: dict[str, Any]) -> None:
    assert put_right([user(), message, user()]) == ([user(), user()], ["-empty message"])
    # What led to it leads to nothing.
    assert put_right([user(), reasoning(), message, user()]) == (
        [user(), user()],
        ["-empty message", "-reasoning item"],
    )


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": " "},
        {"role": "user", "content": [{"type": "input_text", "text": ""}, TEXT]},
        {"role": "user", "content": [{"type": "input_image", "image_url": PNG}]},
        {"role": "user", "content": [{"type": "novel"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]},
        {"type": "novel", "content": ""},
    ],
)
def test_a_message_with_something_in_it_stays(message: dict[str, Any]) -> None:
    assert put_right([user(), message]) == ([user(), message], [])


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        ([{"role": "user", "content": ""}], [{"role": "user", "content": ""}]),
        ([{"role": "user", "content": []}, {"role": "assistant", "content": ""}], [{"role": "user", "content": []}]),
        ([{"role": "assistant", "content": ""}], []),
        ([{"role": "user"}], []),
    ],
)
def test_where_nothing_else_is_said_a_users_message_stays(items: list[Any], kept: list[Any]) -> None:
    assert put_right(items) == (kept, ["-empty message"] * (len(items) - len(kept)))


FILES: list[list[dict[str, Any]]] = [
    [user({"type": "input_image", "file_id": "file-EXAMPLE"}, TEXT)],
    [user({"type": "input_file", "file_id": "file-EXAMPLE", "filename": "a.pdf"})],
    [user({"type": "file", "file": {"file_id": "file-EXAMPLE"}})],
    [call(), output(output=[{"type": "input_image", "file_id": "file-EXAMPLE", "detail": "low"}])],
    [{"type": "computer_call", "call_id": "c1"},
     {"type": "computer_call_output", "call_id": "c1", "output": {"type": "computer_screenshot", "file_id": "file-EXAMPLE"}}],
]  # fmt: skip


@pytest.mark.parametrize("items", FILES)
def test_a_stored_file_is_refused_at_once_with_what_to_do(items: list[Any]) -> None:
    with pytest.raises(ProxyError) as e:
        put_right(items)
    assert (e.value.status, e.value.code, e.value.extra) == (400, "not_supported", {"param": "input"})
    assert "`image_url`" in e.value.message and "`file_data`" in e.value.message


def test_a_stored_file_beside_its_content_is_taken_off() -> None:
    both = {"type": "input_image", "image_url": PNG, "file_id": "file-EXAMPLE"}
    assert put_right([user(both)]) == (
        [user({"type": "input_image", "image_url": PNG})],
        ["-file_id of content of user"],
    )
    shown = {"type": "computer_screenshot", "image_url": PNG}
    computer: list[dict[str, Any]] = [
        {"type": "computer_call", "call_id": "c1"},
        {"type": "computer_call_output", "call_id": "c1", "output": shown},
    ]
    named = [computer[0], {**computer[1], "output": {**shown, "file_id": "file-EXAMPLE"}}]
    assert put_right(named) == (computer, ["-file_id of computer_call_output"])


def test_a_file_id_that_names_nothing_stays() -> None:
    items = [user({"type": "input_image", "image_url": PNG, "file_id": None})]
    assert put_right(items) == (items, [])


def test_a_long_call_id_becomes_the_same_short_one_at_both_places() -> None:
    items, told = put_right([call(LONG), output(LONG), call(LONG + "y"), output(LONG + "y")])
    ids = [item["call_id"] for item in items]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all(len(call_id) <= 64 and call_id.startswith("call_") for call_id in ids)
    assert told == ["call_id shortened"] * 4


def test_an_id_of_64_characters_is_not_too_long() -> None:
    items = [user(id="msg_" + "x" * 60), call("c" * 64), output("c" * 64)]
    assert put_right(items) == (items, [])


@pytest.mark.parametrize(
    "kind, prefix",
    [
        ("message", "msg"),
        ("reasoning", "rs"),
        ("function_call", "fc"),
        ("custom_tool_call", "ctc"),
        ("custom_tool_call_output", "ctco"),
    ],
)
def test_an_id_has_to_begin_as_its_item_asks(kind: str, prefix: str) -> None:
    for of_kind, becomes in ((f"{prefix}_1", f"{prefix}_1"), (f"x{prefix}_1", None), (prefix + "x" * 64, None)):
        items, told = put_right(
            [
                {
                    "type": kind,
                    "id": of_kind,
                    "role": "user",
                    "content": "x",
                    "encrypted_content": "x",
                    "summary": [],
                    "output": "",
                },
                assistant(),
            ]
        )
        assert items[0].get("id") == becomes and told == ([] if becomes else [f"-id of {kind}"])


def test_the_reason_tells_an_id_that_is_too_long_from_one_of_another_kind() -> None:
    body = {"input": msgspec.Raw(json.dumps([user(id="msg_" + LONG), user(id="x")]).encode())}
    assert [change.why for change in input_rules.apply(body)[0]] == [
        "ids have at most 64 characters",
        "it has to begin with msg",
    ]


def test_several_things_wrong_with_one_item_are_all_put_right() -> None:
    item = {"role": "system", "id": "x", "status": "done", "content": [{"type": "text", "text": "t"}], "other": 1}
    becomes = {"role": "developer", "content": [{"type": "input_text", "text": "t"}], "other": 1}
    items, told = put_right([item])
    assert items == [becomes] and len(told) == 4


@pytest.mark.parametrize("space", ["", " ", "  ", "\n\t", " \r\n"])
def test_a_part_of_another_type_is_found_whatever_the_spacing(space: str) -> None:
    raw = msgspec.Raw(f'[{{"role":"user","content":[{{"type"{space}:{space}"text","text":"x"}}]}}]'.encode())
    body = {"input": raw}
    input_rules.apply(body)
    assert json.loads(bytes(body["input"]))[0]["content"][0]["type"] == "input_text"


ODD = b'{ "role":"user",  "content":"caf\\u00e9 \\/ \\ud83d\\ude00  two  spaces", "n":[1e3, 1.0,-0,12345678901234567890123] }'


def test_items_beside_one_that_is_put_right_stay_byte_for_byte() -> None:
    body = {"input": msgspec.Raw(b"[" + ODD + b' , {"role":"system","content":"s"} , ' + ODD + b"]")}
    input_rules.apply(body)
    assert bytes(body["input"]) == b"[" + ODD + b',{"role":"developer","content":"s"},' + ODD + b"]"


def test_an_item_that_is_put_right_keeps_its_other_values_byte_for_byte() -> None:
    content = b'[ {"type":"input_text","text":"\\u0041  \\/"} ]'
    body = {"input": msgspec.Raw(b'[{"role":"system","x":1e3,"content":' + content + b',"y":1.0}]')}
    input_rules.apply(body)
    assert bytes(body["input"]) == b'[{"role":"developer","x":1e3,"content":' + content + b',"y":1.0}]'


def test_parts_beside_one_that_is_put_right_stay_byte_for_byte() -> None:
    image = b'{ "type":"input_image","image_url":"data:image\\/png;base64,AA==",  "detail" : "hi\\u0067h" }'
    body = {"input": msgspec.Raw(b'[{"role":"user","content":[' + image + b' , {"type":"text","text":"\\u0041"}]}]')}
    input_rules.apply(body)
    assert bytes(body["input"]) == (
        b'[{"role":"user","content":[' + image + b',{"type":"input_text","text":"\\u0041"}]}]'
    )


def test_arguments_made_a_text_are_the_clients_own_bytes() -> None:
    body = {
        "input": msgspec.Raw(
            b'[{"type":"function_call","call_id":"c","arguments":{ "a":1e3, "b":"\\u00e9"}},'
            b'{"type":"function_call_output","call_id":"c","output":"x"}]'
        )
    }
    input_rules.apply(body)
    assert json.loads(bytes(body["input"]))[0]["arguments"] == '{ "a":1e3, "b":"\\u00e9"}'


def test_an_input_with_nothing_to_put_right_keeps_its_very_bytes() -> None:
    raw = b" [ " + ODD + b" ,  " + ODD + b"\n]"
    body = {"input": msgspec.Raw(raw)}
    assert input_rules.apply(body)[0] == [] and bytes(body["input"]) == raw


@pytest.mark.parametrize(
    "items, kept",
    [
        ([user(), reasoning(), call(), output()], [user(), call(), output()]),
        ([reasoning(), {"type": "reasoning", "summary": []}], [{"type": "reasoning", "summary": []}]),
        ([user()], None),
        ([{"type": "compaction", "encrypted_content": "x"}], None),
        ([], None),
    ],
)
def test_encrypted_reasoning_can_be_taken_off(items: Any, kept: Any) -> None:
    shorter = input_rules.without_encrypted_reasoning(json.dumps({"model": "m", "input": items}).encode())
    assert (shorter and json.loads(shorter)) == (None if kept is None else {"model": "m", "input": kept})


def test_a_body_without_input_has_no_encrypted_reasoning() -> None:
    assert input_rules.without_encrypted_reasoning(b'{"model":"m"}') is None


def test_taking_encrypted_reasoning_off_leaves_the_rest_byte_for_byte() -> None:
    body = b'{"text":{ "x":1e3 },"input":[' + ODD + b',{"type":"reasoning","encrypted_content":"x"}]}'
    assert input_rules.without_encrypted_reasoning(body) == b'{"text":{ "x":1e3 },"input":[' + ODD + b"]}"
