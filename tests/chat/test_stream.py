"""The translation of events into deltas, and of deltas into an answer."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer import sse
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.chat.answer import Chunks, Whole
from codex_proxy.chat.request import Chat
from codex_proxy.chat.stream import DELTAS, ChatStream
from standin.answers.events import events as stream_events
from standin.answers.events import frame
from standin.answers.usage import Usage

from ..examples import JSON
from ..properties import examples

RESPONSE = {"id": "resp_1", "created_at": 7, "model": "gpt-6-sol", "status": "in_progress", "service_tier": "auto"}
ROLE = {"role": "assistant", "content": None, "refusal": None}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant"}


def frames(*events: dict[str, Any]) -> list[bytes]:
    return [sse.build(event["type"], json.dumps(event).encode()) for event in events]


def deltas(*events: dict[str, Any], chat: Chat = Chat()) -> list[Any]:  # noqa: B008
    """The deltas, and what ended them."""
    stream = ChatStream(chat)
    found = stream.feed(frames({"type": "response.created", "response": RESPONSE}, *events))
    return found[1:] + ([stream.finish] if stream.finish else []) + ([stream.error.code] if stream.error else [])


def text(delta: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": delta}


def thought(delta: str, part: int = 0, index: int = 0) -> dict[str, Any]:
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": index,
        "summary_index": part,
        "delta": delta,
    }


def item(kind: str, index: int, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": value}


def call(index: int, arguments: str = "") -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{index}",
        "call_id": f"call_{index}",
        "name": "f",
        "arguments": arguments,
    }


def arguments(delta: str, index: int = 0) -> dict[str, Any]:
    return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": delta}


def completed(**more: Any) -> dict[str, Any]:
    kind = "response.incomplete" if "incomplete_details" in more else "response.completed"
    return {"type": kind, "response": {**RESPONSE, "output": [], **more}}


def begun(index: int, number: int) -> dict[str, Any]:
    return {
        "tool_calls": [
            {"index": number, "id": f"call_{index}", "type": "function", "function": {"name": "f", "arguments": ""}}
        ]
    }


def grown(number: int, more: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": number, "function": {"arguments": more}}]}


def unplaced(event: dict[str, Any], item_id: str = "") -> dict[str, Any]:
    named = {"item_id": item_id} if item_id else {}
    return {key: value for key, value in event.items() if key != "output_index"} | named


def said(text: str, cited_to: int = 0) -> dict[str, Any]:
    """A message; from its beginning to `cited_to` it is cited."""
    citation = {"type": "url_citation", "start_index": 0, "end_index": cited_to, "url": "u", "title": "t"}
    part = {"type": "output_text", "text": text, "annotations": [citation] if cited_to else []}
    return {**MESSAGE, "content": [part]}


def cited(start: int, end: int) -> dict[str, Any]:
    return {
        "type": "url_citation",
        "url_citation": {"start_index": start, "end_index": end, "title": "t", "url": "u"},
    }


STREAMS: list[tuple[str, list[dict[str, Any]], list[Any]]] = [
    ("text", [text("a"), text("b"), completed()], [{"content": "a"}, {"content": "b"}, "stop"]),
    ("text of nothing", [text(""), completed()], ["stop"]),
    ("a refusal", [{"type": "response.refusal.delta", "output_index": 0, "delta": "no"}, completed()], [{"refusal": "no"}, "stop"]),
    (
        "reasoning in two parts, and in two items",
        [thought("a"), thought("b"), thought("c", 1), thought("d", 0, 1), text("e", 2), completed()],
        [{"reasoning_content": part} for part in ("a", "b", "\n\nc", "\n\n", "d")] + [{"content": "e"}, "stop"],
    ),
    (
        "two calls",
        [item("added", 0, call(0)), arguments('{"a'), arguments('":1}'), item("done", 0, call(0, '{"a":1}')),
         item("added", 1, call(1)), arguments("{}", 1), item("done", 1, call(1, "{}")), completed()],
        [begun(0, 0), grown(0, '{"a'), grown(0, '":1}'), begun(1, 1), grown(1, "{}"), "tool_calls"],
    ),
    ("a call without deltas", [item("done", 3, call(3, "{}")), completed()], [begun(3, 0), grown(0, "{}"), "tool_calls"]),
    (
        "a custom call",
        [item("added", 0, {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": ""}),
         {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "ls"}, completed()],
        [{"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "sh", "input": ""}}]},
         {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]}, "tool_calls"],
    ),
    ("two messages", [text("a"), text("b", 1), completed()], [{"content": "a"}, {"content": "\n\n"}, {"content": "b"}, "stop"]),
    (
        "what the deltas left out",
        [text("a"), item("done", 0, {**MESSAGE, "content": [{"type": "output_text", "text": "abc"}]}), completed()],
        [{"content": "a"}, {"content": "bc"}, "stop"],
    ),
    (
        "citations",
        [item("done", 0, said("a", 1)), completed()],
        [{"content": "a"}, {"annotations": [cited(0, 1)]}, "stop"],
    ),
    (
        "citations of two messages, in one list",
        [item("done", 0, said("a", 1)), item("done", 1, said("bc", 2)), completed()],
        [{"content": "a"}, {"content": "\n\n"}, {"content": "bc"}, {"annotations": [cited(0, 1), cited(3, 5)]}, "stop"],
    ),
    (
        "the last event alone",
        [completed(output=[{**MESSAGE, "content": [{"type": "output_text", "text": "a"}]}, call(1, "{}")])],
        [{"content": "a"}, begun(1, 0), grown(0, "{}"), "tool_calls"],
    ),
    (
        "events that name their item by its place, its id, or both",
        [item("added", 0, call(0)), unplaced(arguments("{"), "fc_0"), arguments("}"), unplaced(item("done", 0, call(0, "{}"))),
         text("a", 1), {**text("b", 1), "item_id": "msg_1"}, unplaced(text("c"), "msg_1"),
         unplaced(item("done", 1, {**MESSAGE, "content": [{"type": "output_text", "text": "abcd"}]})), completed()],
        [begun(0, 0), grown(0, "{"), grown(0, "}"), {"content": "a"}, {"content": "b"}, {"content": "c"}, {"content": "d"}, "tool_calls"],
    ),
    (
        "an id that comes twice",
        [{**text("a"), "item_id": "msg_1"}, {**text("b", 1), "item_id": "msg_1"}, completed()],
        [{"content": "a"}, {"content": "\n\n"}, {"content": "b"}, "stop"],
    ),
    ("too long", [text("a"), completed(incomplete_details={"reason": "max_output_tokens"})], [{"content": "a"}, "length"]),
    ("filtered", [completed(incomplete_details={"reason": "content_filter"})], ["content_filter"]),
    ("incomplete for no reason", [completed(incomplete_details=None)], ["length"]),
    ("incomplete for a new reason", [completed(incomplete_details={"reason": "odd"})], ["response_incomplete"]),
    ("failed", [text("a"), {"type": "response.failed", "response": {"error": {"code": "slow_down"}}}], [{"content": "a"}, "slow_down"]),
    ("an error event", [{"type": "error", "code": "x", "message": "m"}, text("a"), completed()], ["x"]),
    ("an error inside one", [{"type": "error", "error": {"code": "x"}}], ["x"]),
    ("hosted tools and unknown events", [item("done", 0, {"type": "web_search_call"}), {"type": "keepalive"}, completed()], ["stop"]),
    ("nothing after the end", [completed(), text("a"), completed()], ["stop"]),
    ("arguments of an item that never began", [arguments("{}"), completed()], ["stop"]),
]  # fmt: skip


@pytest.mark.parametrize(("events", "given"), [each[1:] for each in STREAMS], ids=[each[0] for each in STREAMS])
def test_events_become_deltas(events: list[dict[str, Any]], given: list[Any]) -> None:
    assert deltas(*events) == given


def test_the_older_form_has_room_for_one_call() -> None:
    events = [item("done", 0, call(0, "{}")), item("done", 1, call(1, "{}")), completed()]
    given = [delta for delta in deltas(*events, chat=Chat(functions=True)) if delta]
    assert given == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        "function_call",
    ]


ASIDE = {**said("Let me see."), "phase": "commentary"}
FINAL = {**said("{}"), "phase": "final_answer"}
ASIDES = {
    "as it comes": [item("added", 0, {**ASIDE, "content": []}), text("Let me"), text(" see."), item("done", 0, ASIDE), text("{}", 1)],
    "whole": [item("done", 0, ASIDE), item("done", 1, FINAL)],
    "in the last event": [completed(output=[ASIDE, FINAL])],
}  # fmt: skip


@pytest.mark.parametrize("events", ASIDES.values(), ids=ASIDES)
def test_what_the_model_says_on_its_way_is_no_part_of_a_json_text(events: list[dict[str, Any]]) -> None:
    whole = Whole(Chat(json=True), "m")
    whole.feed(frames(*events, completed()))
    message = json.loads(whole.made())["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("{}", "Let me see.")
    plain = "".join(delta.get("content") or "" for delta in deltas(*events, completed()) if isinstance(delta, dict))
    assert plain == "Let me see.\n\n{}"


def test_a_stop_text_ends_it_before_its_calls() -> None:
    events = [text("one #"), text("## two"), item("done", 1, call(1, "{}")), completed()]
    assert deltas(*events, chat=Chat(stop=("###",))) == [{"content": "one "}, "stop"]


def test_a_stop_text_ends_it_where_nothing_came_before_the_last_event() -> None:
    output = [said("one ### two", 3), said("three"), call(2, "{}")]
    assert deltas(completed(output=output), chat=Chat(stop=("###",))) == [{"content": "one "}, "stop"]


@pytest.mark.parametrize("stop", ["\n\n", "\n\ntw", "\n"])
def test_a_stop_text_may_begin_between_two_messages(stop: str) -> None:
    assert deltas(text("one"), text("two", 1), completed(), chat=Chat(stop=(stop,))) == [{"content": "one"}, "stop"]


def test_what_was_held_back_comes_before_what_follows() -> None:
    message = {**MESSAGE, "content": [{"type": "output_text", "text": "one #"}]}
    events = [text("one #"), item("done", 0, message), item("done", 1, call(1, "{}")), completed()]
    given = deltas(*events, chat=Chat(stop=("###",)))
    assert given == [{"content": "one "}, {"content": "#"}, begun(1, 0), grown(0, "{}"), "tool_calls"]


def test_what_was_held_back_comes_before_the_next_message() -> None:
    message = {**MESSAGE, "content": [{"type": "output_text", "text": "one #"}]}
    events = [text("one #"), item("done", 0, message), text("two", 1), completed()]
    given = deltas(*events, chat=Chat(stop=("###",)))
    assert given == [{"content": "one "}, {"content": "#"}, {"content": "\n\n"}, {"content": "two"}, "stop"]


# Whatever an answer holds, and however it comes.

WORDS = st.text(max_size=8)
CITED = {"type": "url_citation", "start_index": 0, "end_index": 0, "url": "u", "title": "t"}
ITEM = st.one_of(
    st.lists(WORDS, max_size=2).map(lambda texts: {"type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in texts]}),
    st.tuples(WORDS, st.booleans()).map(lambda each: {"type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": each[0], "annotations": [CITED] if each[1] else []}]}),
    WORDS.map(lambda text: {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": text}]}),
    WORDS.map(lambda text: {"type": "function_call", "name": "f", "arguments": text}),
    WORDS.map(lambda text: {"type": "custom_tool_call", "name": "sh", "input": text}),
    st.just({"type": "web_search_call", "action": {"type": "search"}}),
)  # fmt: skip
ANSWER = st.lists(ITEM, max_size=5).map(
    lambda items: [
        {"id": f"id_{n}", **item, **({"call_id": f"call_{n}"} if "name" in item else {})}
        for n, item in enumerate(items)
    ]
)


ODD_ITEM = st.fixed_dictionaries(
    {"type": JSON | st.sampled_from(["message", "function_call", "reasoning"])},
    optional=dict.fromkeys(["id", "call_id", "name", "arguments", "content", "summary"], JSON),
)
ODD_EVENT = st.fixed_dictionaries(
    {"type": JSON | st.sampled_from([*DELTAS, "response.output_item.added", "response.output_item.done", "response.completed",
                                     "response.incomplete", "response.failed", "error"])},
    optional={**dict.fromkeys(["delta", "item_id", "summary_index", "error", "code", "message", "response"], JSON), "item": ODD_ITEM,
              "output_index": st.integers(0, 2), "response": JSON | st.dictionaries(st.sampled_from(
                  ["id", "usage", "error", "output", "incomplete_details", "created_at"]), JSON)},
)  # fmt: skip


@given(st.lists(ODD_EVENT, max_size=6))
@examples(300)
def test_whatever_comes_it_is_read_or_passed_over(events: list[dict[str, Any]]) -> None:
    chunks = Chunks(Chat(usage=True, stop=("a",)), "m")
    for event in events:
        chunks.feed([sse.build("", json.dumps(event).encode())])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


def accumulated(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Chunks put together as a client does it, written down a second time."""
    message: dict[str, Any] = {"content": "", "refusal": "", "reasoning_content": "", "calls": {}, "annotations": []}
    for chunk in chunks:
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for key in ("content", "refusal", "reasoning_content"):
                message[key] += delta.get(key) or ""
            message["annotations"] += delta.get("annotations") or []
            for one in delta.get("tool_calls") or []:
                known = message["calls"].setdefault(one["index"], {"id": one.get("id"), "name": "", "with": ""})
                inner = one.get("function") or one.get("custom")
                known["name"] += inner.get("name", "")
                known["with"] += inner.get("arguments", inner.get("input", ""))
            message["finish"] = choice["finish_reason"]
    return message


@given(
    ANSWER,
    st.integers(1, 5),
    st.lists(st.integers(0, 10_000), max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=2), max_size=2),
)
@examples(150)
def test_however_a_stream_comes_in_pieces(items: list[Any], number: int, places: list[int], stop: list[str]) -> None:
    sent = b"".join(map(frame, stream_events({**RESPONSE}, items, Usage(3, 1, 2, 1), number)))
    chat = Chat(usage=True, stop=tuple(stop))
    repair, chunks = StreamRepairer(), Chunks(chat, "m")
    got = b"".join(b"".join(chunks.feed(repair.feed(piece))) for piece in cut(sent, places))
    got += b"".join(chunks.feed(repair.end()))
    whole = Whole(chat, "m")
    whole.feed(StreamRepairer().feed(sent))
    completion = json.loads(whole.made())
    answer = completion["choices"][0]["message"]

    # As whole pieces and cut ones, as chunks and as one object: the same answer.
    seen = [json.loads(line[6:]) for line in got.decode().split("\n\n") if line.startswith("data: {")]
    streamed = accumulated(seen)
    calls = [streamed["calls"][n] for n in sorted(streamed["calls"])]
    assert got.endswith(b"data: [DONE]\n\n")
    assert streamed["content"] == (answer["content"] or "")
    assert streamed["refusal"] == (answer["refusal"] or "")
    assert streamed["reasoning_content"] == answer.get("reasoning_content", "")
    assert streamed["annotations"] == answer["annotations"]
    assert streamed["finish"] == completion["choices"][0]["finish_reason"]
    assert [one["id"] for one in calls] == [one["id"] for one in answer.get("tool_calls", [])]
    if not stop:
        texts = [part["text"] for item in items for part in item.get("content", []) if "text" in part]
        assert streamed["content"] == "\n\n".join(text for text in texts if text)
        assert [one["with"] for one in calls] == [
            item.get("arguments", item.get("input")) for item in items if "name" in item
        ]
        assert seen[-1]["choices"] == [] and seen[-1]["usage"]["total_tokens"] == 5
