import json
from typing import Any

import pytest

from codex_proxy.answer import repair, sse
from codex_proxy.dry_run import canned

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
USER = {"role": "user", "content": "hi"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "12"}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-6-sol", "input": [USER], "stream": True, **fields}


def events(data: bytes) -> list[dict[str, Any]]:
    frames = sse.Frames()
    parsed = [sse.parse(frame) for frame in frames.feed(data)]
    assert frames.flush() == b""
    decoded = [json.loads(data) for _, data in parsed]
    assert [kind for kind, _ in parsed] == [event["type"] for event in decoded]
    return decoded


def test_the_events_come_in_the_order_seen_live() -> None:
    found = events(canned.stream(body(tools=[WEATHER])))
    kinds = [event["type"] for event in found]

    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 2


def test_what_streams_adds_up_to_the_items() -> None:
    found = events(canned.stream(body()))
    said = "".join(event["delta"] for event in found if event["type"] == "response.output_text.delta")
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]

    assert [item["type"] for item in done] == ["reasoning", "message"]
    assert done[-1]["content"][0]["text"] == said == canned.TEXTS[canned.STREAMED]


def test_the_last_event_has_the_same_ids_and_needs_no_repair() -> None:
    stream = canned.stream(body(tools=[WEATHER]))
    found = events(stream)
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    last = found[-1]["response"]["output"]

    assert [(i["id"], i.get("call_id")) for i in done] == [(i["id"], i.get("call_id")) for i in last]
    assert done != last
    fixer = repair.StreamRepairer()
    repaired = fixer.feed(stream) + fixer.end()
    # The list spells a call's arguments in another way than its item, which counts.
    assert b"".join(repaired[:-1]) == stream[: stream.rindex(b"event: response.completed")]
    assert events(repaired[-1])[0]["response"]["output"] == done
    assert fixer.ended == "response.completed"


def test_a_call_has_arguments_that_fit_and_both_forms_are_the_same_json() -> None:
    found = events(canned.stream(body(tools=[WEATHER])))
    done = next(e["item"] for e in found if e["type"] == "response.output_item.done" and e["output_index"] == 1)
    deltas = "".join(e["delta"] for e in found if e["type"] == "response.function_call_arguments.delta")
    last = found[-1]["response"]["output"][-1]

    assert done["name"] == "get_weather"
    assert deltas == done["arguments"] != last["arguments"]
    assert json.loads(done["arguments"]) == json.loads(last["arguments"]) == {"city": "dry-run"}


def test_without_a_stream_it_is_one_object() -> None:
    answer = json.loads(canned.as_document(body(stream=False, instructions="Be brief.")))

    assert (answer["object"], answer["status"], answer["model"]) == ("response", "completed", "gpt-6-sol")
    assert answer["instructions"] == "Be brief."
    assert answer["output"][-1]["content"][0]["text"] == canned.TEXTS[canned.WHOLE]


def test_a_structured_answer_fits_its_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    answer = json.loads(canned.as_document(body(text=form)))

    assert json.loads(answer["output"][-1]["content"][0]["text"]) == {"n": 0}


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, **fields}


CALLED: list[tuple[str, dict[str, Any], str | None]] = [
    ("no tools", {}, None),
    ("one", {"tools": [tool("x")]}, "x"),
    ("the one that reads", {"tools": [tool("bash"), tool("x"), tool("read_file")]}, "read_file"),
    ("one that may do anything, if there is no other", {"tools": [tool("bash"), tool("delete_file")]}, "bash"),
    ("none whose name tells of loss", {"tools": [tool("delete_file"), tool("sendMail"), tool("rm")]}, None),
    ("words, not letters", {"tools": [tool("bash"), tool("widget"), tool("border")]}, "widget"),
    ("answered already", {"tools": [tool("x")], "input": [USER, OUTPUT]}, None),
    ("none wished", {"tools": [tool("x")], "tool_choice": "none"}, None),
    ("one wished", {"tools": [tool("x"), tool("y")], "tool_choice": {"type": "function", "name": "y"}}, "y"),
    (
        "some allowed",
        {"tools": [tool("x"), tool("y")], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [tool("y")]}},
        "y",
    ),
    (
        "required: the next",
        {
            "tools": [tool("x"), tool("final_result")],
            "tool_choice": "required",
            "input": [USER, {"type": "function_call", "name": "x", "call_id": "c"}, OUTPUT],
        },
        "final_result",
    ),
    ("hosted ones are not the client's", {"tools": [{"type": "web_search"}]}, None),
    ("in a namespace", {"tools": [{"type": "namespace", "name": "n", "tools": [tool("x")]}]}, "x"),
    ("of a Lite request", {"input": [{"type": "additional_tools", "tools": [tool("x")]}, USER]}, "x"),
    # No form of the API's.
    ("a text", {"tools": [tool("x")], "input": "hi"}, "x"),
    ("garbage", {"tools": ["x", {"type": "function"}], "input": [1], "tool_choice": 5}, None),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "name"), [row[1:] for row in CALLED], ids=[row[0] for row in CALLED])
def test_which_tool_is_called(fields: dict[str, Any], name: str | None) -> None:
    chosen = canned.tool_to_call(body(**fields))

    assert (chosen or {}).get("name") == name
    events(canned.stream(body(**fields)))


def test_a_tool_in_a_namespace_is_called_with_it() -> None:
    inner = {"type": "namespace", "name": "n", "tools": [tool("x")]}

    assert json.loads(canned.as_document(body(tools=[inner])))["output"][-1]["namespace"] == "n"


def test_a_custom_tool_is_called_with_a_text() -> None:
    call = json.loads(canned.as_document(body(tools=[{"type": "custom", "name": "grep"}])))["output"][-1]

    assert (call["type"], call["input"]) == ("custom_tool_call", "dry-run")


@pytest.mark.parametrize("tools", [[], [WEATHER]])
@pytest.mark.parametrize("where", [canned.STREAMED, canned.LAST, canned.WHOLE])
def test_what_comes_back_tells_where_it_was_read(tools: list[Any], where: str) -> None:
    found = events(canned.stream(body(tools=tools)))
    items = {
        canned.STREAMED: [event["item"] for event in found if event["type"] == "response.output_item.done"],
        canned.LAST: found[-1]["response"]["output"],
        canned.WHOLE: json.loads(canned.as_document(body(tools=tools)))["output"],
    }[where]
    told = [canned.source(item) for item in items]

    # Arguments that came without a stream look like those of anybody.
    assert set(told) <= {where, ""}
    assert where in told


def test_a_message_made_a_text_is_still_known() -> None:
    assert canned.source({"role": "assistant", "content": canned.TEXTS[canned.LAST] + "\n"}) == canned.LAST
    assert canned.source({"role": "user", "content": canned.TEXTS[canned.LAST]}) == ""
    assert canned.source({"type": "function_call", "call_id": "call_other", "arguments": "{ }"}) == ""
