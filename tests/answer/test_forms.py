"""Whatever a backend leaves out, every form of the answer tells the same: streamed or whole, Responses or chat."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import ResponseStreamEvent

from codex_proxy.answer import sse
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.chat.answer import Chunks, Whole
from codex_proxy.chat.request import Chat

from ..properties import examples

Event = dict[str, Any]

NOWHERE: dict[str, int] = {}
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


class Told(NamedTuple):
    text: str
    calls: list[tuple[str, str]]
    tokens: int | None


def stream(events: Iterable[Event], *, names: bool = True) -> bytes:
    return b"".join(
        (b"event: " + event["type"].encode() + b"\n" if names else b"")
        + b"data: "
        + json.dumps(event).encode()
        + b"\n\n"
        for event in events
    )


def of_output(response: dict[str, Any]) -> Told:
    output = response["output"]
    texts = [p["text"] for item in output if item["type"] == "message" for p in item["content"] if "text" in p]
    calls = [
        (item["name"], item.get("arguments", item.get("input"))) for item in output if item["type"].endswith("call")
    ]
    return Told("".join(texts), calls, (response.get("usage") or {}).get("output_tokens"))


def responses_whole(body: bytes) -> Told:
    repair = StreamRepairer()
    repair.feed(body)
    repair.end()
    assert repair.error is None
    return of_output(json.loads(repair.response))


def responses_streamed(body: bytes) -> Told:
    """As a client reads it that goes by the deltas, after OpenAI's own SDK has taken each event."""
    repair, texts, calls = StreamRepairer(), list[str](), dict[int, list[str]]()
    state = ResponseStreamState[None](input_tools=omit, text_format=omit)
    told: dict[str, Any] = {}
    for frame in repair.feed(body) + repair.end():
        data = sse.parse(frame)[1]
        if not data:
            continue
        event = json.loads(data)
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))  # type: ignore[arg-type]
        kind = event["type"]
        if kind == "response.output_text.delta":
            texts.append(event["delta"])
        elif kind == "response.output_item.added" and event["item"]["type"].endswith("call"):
            calls[event["output_index"]] = [event["item"]["name"], ""]
        elif kind.endswith(("_arguments.delta", "_input.delta")):
            calls[event["output_index"]][1] += event["delta"]
        elif kind in ("response.completed", "response.incomplete"):
            told = event["response"]
    whole = of_output(told)
    read = Told("".join(texts), [(name, said) for name, said in calls.values()], whole.tokens)
    assert read == whole
    return read


def of_message(message: dict[str, Any], usage: dict[str, Any] | None) -> Told:
    calls = [call[call["type"]] for call in message.get("tool_calls") or []]
    said = [(call["name"], call.get("arguments", call.get("input"))) for call in calls]
    # Between two messages of one answer a chat has an empty line.
    text = (message.get("content") or "").replace("\n\n", "")
    return Told(text, said, usage["completion_tokens"] if usage else None)


def chat_whole(body: bytes) -> Told:
    repair, whole = StreamRepairer(), Whole(Chat(), "m")
    whole.feed(repair.feed(body) + repair.end())
    told = json.loads(whole.made())
    return of_message(told["choices"][0]["message"], told.get("usage"))


def chat_streamed(body: bytes) -> Told:
    repair, chunks = StreamRepairer(), Chunks(Chat(usage=True), "m")
    text, calls, usage = "", dict[int, dict[str, Any]](), None
    for frame in chunks.feed(repair.feed(body) + repair.end()):
        data = sse.parse(frame)[1]
        if not data or data == b"[DONE]":
            continue
        chunk = json.loads(data)
        assert "error" not in chunk
        usage = chunk.get("usage") or usage
        for delta in (choice["delta"] for choice in chunk["choices"]):
            text += delta.get("content") or ""
            for call in delta.get("tool_calls") or ():
                kept = calls.setdefault(call["index"], call)
                if kept is not call:
                    kind = kept["type"]
                    key = "input" if kind == "custom" else "arguments"
                    kept[kind][key] += call[kind][key]
    return of_message({"content": text, "tool_calls": [calls[index] for index in sorted(calls)]}, usage)


FORMS = (responses_streamed, responses_whole, chat_streamed, chat_whole)

# An answer, event by event.


class Said(NamedTuple):
    """An item: the events that bring it, each under the name of what it is, and the item."""

    events: list[tuple[str, Event]]
    item: dict[str, Any]


def message(place: int, *parts: list[str]) -> Said:
    name = f"msg_{place}"
    item = {"type": "message", "id": name, "role": "assistant", "status": "completed"}
    content = [{"type": "output_text", "text": "".join(deltas), "annotations": []} for deltas in parts]
    events: list[tuple[str, Event]] = [
        ("added", {"type": "response.output_item.added", "item": {**item, "content": []}})
    ]
    for at, deltas in enumerate(parts):
        where: Event = {"item_id": name, "content_index": at}
        empty = {"type": "output_text", "text": "", "annotations": []}
        events.append(("part added", {"type": "response.content_part.added", **where, "part": empty}))
        events += [("delta", {"type": "response.output_text.delta", **where, "delta": each}) for each in deltas]
        events.append(("text done", {"type": "response.output_text.done", **where, "text": "".join(deltas)}))
        events.append(("part done", {"type": "response.content_part.done", **where, "part": content[at]}))
    whole = {**item, "content": content}
    return Said([*events, ("done", {"type": "response.output_item.done", "item": whole})], whole)


def call(place: int, kind: str, deltas: list[str]) -> Said:
    key, event = {"function_call": ("arguments", "function_call_arguments"), "custom_tool_call": ("input", "custom_tool_call_input")}[kind]  # fmt: skip
    name = f"{kind}_{place}"
    item = {"type": kind, "id": name, "call_id": f"call_{place}", "name": f"tool_{place}"}
    whole = {**item, key: "".join(deltas), "status": "completed"}
    return Said(
        [
            ("added", {"type": "response.output_item.added", "item": {**item, key: "", "status": "in_progress"}}),
            *(("delta", {"type": f"response.{event}.delta", "item_id": name, "delta": each}) for each in deltas),
            ("text done", {"type": f"response.{event}.done", "item_id": name, key: "".join(deltas)}),
            ("done", {"type": "response.output_item.done", "item": whole}),
        ],
        whole,
    )


def reasoning(place: int, deltas: list[str]) -> Said:
    name, where = f"rs_{place}", {"item_id": f"rs_{place}", "summary_index": 0}
    item = {"type": "reasoning", "id": name, "summary": [{"type": "summary_text", "text": "".join(deltas)}]}
    delta = "response.reasoning_summary_text.delta"
    return Said(
        [
            ("added", {"type": "response.output_item.added", "item": {**item, "summary": []}}),
            *(("delta", {"type": delta, **where, "delta": each}) for each in deltas),
            ("done", {"type": "response.output_item.done", "item": item}),
        ],
        item,
    )


WORDS = st.lists(st.sampled_from(["Hello", " you", "後 é", "{}", '"x"']), min_size=1, max_size=4)
ITEM = st.one_of(
    st.builds(lambda *parts: lambda place: message(place, *parts), WORDS),
    st.builds(lambda one, two: lambda place: message(place, one, two), WORDS, WORDS),
    st.builds(lambda kind, deltas: lambda place: call(place, kind, deltas), st.sampled_from(["function_call", "custom_tool_call"]), WORDS),
    st.builds(lambda deltas: lambda place: reasoning(place, deltas), WORDS),
)  # fmt: skip
KINDS = ("added", "part added", "delta", "text done", "part done", "done")


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Event], list[dict[str, Any]]]:
    """The events of an answer of which some were left out, and its items. Of the deltas of a text the last ones are missing, or none:
    in one that has a hole nobody can say what was there."""
    items = [make(place) for place, make in enumerate(draw(st.lists(ITEM, min_size=1, max_size=3)))]
    listed = draw(st.sampled_from(["absent", "null", "empty", "all"]))
    events: list[Event] = []
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "in_progress",
        "output": [],
    }
    if draw(st.booleans()):
        events.append({"type": "response.created", "response": response})
    for place, (told, _) in enumerate(items):
        lost = draw(st.sets(st.sampled_from(KINDS)))
        # Something has to tell of an item.
        lost -= {"done"} if listed != "all" else set()
        cut = draw(st.integers(0, 4))
        if place < len(items) - 1:
            # What nothing but the last event tells can't stand before what came.
            lost -= {"added"}
            if "done" in lost and "text done" in lost and ("delta" in lost or cut):
                lost -= {"done"}
        # Of two items at one index the second one has to begin.
        indexed = draw(st.sampled_from(["place", "none"] if "added" in lost else ["place", "none", "zero"]))
        count = 0
        for name, event in told:
            count = count + 1 if name == "delta" else 0
            if name in lost or count > 4 - cut:
                continue
            index: dict[str, int] = {"place": {"output_index": place}, "none": NOWHERE, "zero": {"output_index": 0}}[
                indexed
            ]
            events.append({**event, **index})
    output: dict[str, Event] = {
        "absent": {},
        "null": {"output": None},
        "empty": {"output": []},
        "all": {"output": [i.item for i in items]},
    }
    kind = draw(st.sampled_from(["response.completed", "response.done"]))
    last: Event = {**response, "status": "completed", "usage": USAGE}
    last.pop("output")
    events.append({"type": kind, "response": {**last, **output[listed]}})
    return events, [item.item for item in items]


@given(answers(), st.booleans())
@examples(300)
def test_every_form_tells_the_same(answer: tuple[list[Event], list[dict[str, Any]]], names: bool) -> None:
    events, items = answer
    body = stream(events, names=names)
    wanted = of_output({"output": items, "usage": USAGE})
    for form in FORMS:
        assert form(body) == wanted, form.__name__


@given(answers(), st.data())
@examples(100)
def test_what_nobody_told_is_missing_in_every_form(
    answer: tuple[list[Event], list[dict[str, Any]]], data: st.DataObject
) -> None:
    """Whole items, and the ends of texts, may be lost altogether."""
    events, _ = answer
    kept = [event for event in events[:-1] if "item" not in event or data.draw(st.booleans())]
    body = stream([*kept, {**events[-1], "response": {**events[-1]["response"], "output": []}}])
    wanted = responses_whole(body)
    for form in FORMS:
        assert form(body) == wanted, form.__name__


AT = {"output_index": 0, "item_id": "msg_0", "content_index": 0}
HELLO = message(0, ["Hello", " you"])
LS = call(0, "custom_tool_call", ["ls"])


def last(**response: Any) -> Event:
    return {
        "type": "response.completed",
        "response": {"id": "resp_1", "status": "completed", "usage": USAGE, **response},
    }


def begun(said: Said, place: int | None = 0) -> list[Event]:
    return [{**event, **({} if place is None else {"output_index": place})} for _, event in said.events]


TEXT, EXEC = Told("Hello you", [], 5), Told("", [("tool_0", "ls")], 5)
OTHER = {"type": "function_call", "id": "fc_9", "call_id": "call_0", "name": "exec", "status": "completed"}

CASES: dict[str, tuple[list[Event], Told]] = {
    "deltas alone, output null": ([event for event in begun(HELLO)[:5]] + [last(output=None)], TEXT),
    "deltas that nothing announces": ([{"type": "response.output_text.delta", "delta": each} for each in ("Hello", " you")] + [last()], TEXT),
    "text whole, without deltas": ([begun(HELLO)[0], begun(HELLO)[-1], last(output=[])], TEXT),
    "an item that nothing announces": ([begun(HELLO)[-1], last(output=[])], TEXT),
    "in the last event alone": ([last(output=[HELLO.item])], TEXT),
    "in the last event alone, of an item that began": ([begun(HELLO)[0], last(output=[HELLO.item])], TEXT),
    "the last event has another item": ([*begun(LS), last(output=[OTHER])], EXEC),
    "the last event has an item without its text": ([*begun(HELLO), last(output=[{**HELLO.item, "content": []}])], TEXT),
    "the end of an item is empty": ([*begun(HELLO)[:-1], {**begun(HELLO)[-1], "item": {**HELLO.item, "content": []}}, last()], TEXT),
    "without an index": ([*begun(HELLO, None), last(output=[])], TEXT),
    "two items at one index": ([*begun(HELLO), *begun(call(1, "function_call", ["{}"])), last(output=[])], Told("Hello you", [("tool_1", "{}")], 5)),
    "two items at one index, one in the other": (
        [begun(LS)[0], begun(call(1, "function_call", ["{}"]))[0], *begun(LS)[1:], *begun(call(1, "function_call", ["{}"]))[1:], last()],
        Told("", [("tool_0", "ls"), ("tool_1", "{}")], 5),
    ),
    "an item told twice": ([*begun(HELLO), begun(HELLO)[-1], last()], TEXT),
    "an item that begins twice": ([begun(HELLO)[0], *begun(HELLO), last()], TEXT),
    "each event with another id": ([{**event, "item_id": f"x{n}"} if "item_id" in event else event for n, event in enumerate(begun(HELLO))] + [last()], TEXT),
    "without ids": ([{k: v for k, v in event.items() if k != "item_id"} for event in begun(HELLO)] + [last()], TEXT),
    "a call whose name comes at its end": ([*begun(LS)[1:], last()], EXEC),
    "a call whose name comes in the last event": ([*begun(LS)[1:-1], last(output=[LS.item])], EXEC),
    "response.done": ([*begun(HELLO), {**last(output=[]), "type": "response.done"}], TEXT),
    "foreign events": ([{"type": "codex.rate_limits"}, {"type": "keepalive"}, {"type": "response.metadata"}, *begun(HELLO), {"type": "keepalive"}, last()], TEXT),
    "the end of another dialect": ([*begun(HELLO), last()], TEXT),
    "a last event without a response": ([*begun(HELLO), {"type": "response.completed"}], Told("Hello you", [], None)),
    "an event after the last one": ([*begun(HELLO), last(), {"type": "response.output_text.delta", **AT, "delta": "!"}], TEXT),
    "a delta after the end of its item": ([*begun(HELLO), {"type": "response.output_text.delta", **AT, "delta": "!"}, last()], TEXT),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("name", CASES)
def test_a_case(name: str, form: Any) -> None:
    events, wanted = CASES[name]
    assert form(stream(events)) == wanted


def test_a_call_that_nobody_names_is_left_out_and_told() -> None:
    repair = StreamRepairer()
    repair.feed(stream([*begun(LS)[1:-1], last(output=[])]))
    assert json.loads(repair.response)["output"] == []
    assert repair.notes == ["1 calls left out: the backend did not tell their names"]
