import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer.events import EVENT
from codex_proxy.views.transcript import MOST_ERRORS, MOST_ITEMS, Transcript
from standin.answers.events import events

from ..examples import CALL, CUSTOM, REASONING, USAGE
from ..properties import examples

PART = {"type": "output_text", "text": "Oslo is wet.", "annotations": [], "logprobs": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [PART]}


def stream(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return events({"id": "resp_1", "model": "gpt-6-sol"}, items, USAGE, None)


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def taken(told: Iterable[dict[str, Any]], transcript: Transcript | None = None) -> Transcript:
    """A transcript of events that came one by one."""
    transcript = transcript or Transcript()
    for one in told:
        transcript.add(one.get("type", ""), [EVENT.decode(json.dumps(one).encode())])
    return transcript


def test_an_answer_is_put_together_from_its_events() -> None:
    told = stream(REASONING, MESSAGE, CALL)
    transcript = taken(told)
    assert transcript.values() == [REASONING, MESSAGE, CALL]
    assert (transcript.model, transcript.status, transcript.ended) == ("gpt-6-sol", "completed", "response.completed")
    assert (transcript.usage, transcript.errors) == (USAGE.json(), [])
    assert (transcript.events, transcript.sequence) == (len(told), len(told) - 1)


GROWING = [
    (
        "response.output_text.delta",
        {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "Oslo"}]},
    ),
    (
        "response.reasoning_summary_text.delta",
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "**Thinking**"}]},
    ),
    ("response.function_call_arguments.delta", {**CALL, "arguments": '{"city'}),
    ("response.custom_tool_call_input.delta", {**CUSTOM, "input": "*** B"}),
]


@pytest.mark.parametrize(("kind", "item"), GROWING, ids=[row[0] for row in GROWING])
def test_an_item_that_was_never_done_is_what_came_of_it(kind: str, item: dict[str, Any]) -> None:
    told = stream(REASONING, MESSAGE, CALL, CUSTOM)
    place = next(place for place, one in enumerate(told) if one["type"] == kind)
    transcript = taken(told[: place + 1])
    assert transcript.values()[-1] == item
    assert (transcript.last, transcript.ended) == (kind, "")


FAILURES = [
    (
        event("response.failed", response={"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Try again in 2s"}}),
        "rate_limit_exceeded\nTry again in 2s",
    ),
    (event("error", code="server_error", message="Sorry"), "server_error\nSorry"),
    (event("error", error={"type": "overloaded", "message": "Busy", "plan": "plus"}), 'overloaded\nBusy\n{"plan": "plus"}'),
    (event("error", error="Sorry"), "Sorry"),
    (event("error"), ""),
    ({"error": {"message": "Sorry", "code": None}}, "Sorry"),
]  # fmt: skip


@pytest.mark.parametrize(("last", "told"), FAILURES)
def test_a_failure_inside_the_stream_ends_it(last: dict[str, Any], told: str) -> None:
    transcript = taken([stream(MESSAGE)[0], last])
    assert (transcript.status, transcript.ended) == ("failed", last.get("type", "error"))
    assert transcript.errors == [told]


def test_of_many_errors_the_first_ones_are_kept() -> None:
    errors = taken(event("error", code=f"error {n}") for n in range(50)).errors
    assert len(errors) == MOST_ERRORS and errors[0] == "error 0"


def test_an_incomplete_answer_says_why() -> None:
    response = {"model": "m", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    assert taken([event("response.incomplete", response=response)]).status == "incomplete (max_output_tokens)"


def test_items_that_only_the_last_event_has_are_those_of_the_answer() -> None:
    last = event("response.completed", response={"id": "r", "output": [MESSAGE, CALL]})
    assert taken([last]).values() == [MESSAGE, CALL]


def test_items_without_a_place_are_told_apart_by_their_ids() -> None:
    begun = {"id": "fc_1", "type": "function_call", "name": "f"}
    told = [
        event("response.output_item.added", item=begun),
        event("response.function_call_arguments.delta", item_id="fc_1", delta='{"a": 1}'),
        event("response.output_item.added", item={"id": "msg_1", "type": "message"}),
        event("response.output_text.delta", item_id="msg_1", delta="Hi"),
    ]
    done = {**begun, "arguments": '{"a": 1}', "status": "completed"}
    message = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    assert taken(told).values() == [{**begun, "arguments": '{"a": 1}'}, message]
    assert taken([*told, event("response.output_item.done", item=done)]).values() == [done, message]


def test_two_calls_that_grow_at_once_keep_their_own_arguments() -> None:
    calls = [{"type": "function_call", "name": f"tool_{n}"} for n in (0, 1)]
    transcript = taken(event("response.output_item.added", output_index=n, item=calls[n]) for n in (0, 1))
    kind = "response.function_call_arguments.delta"
    deltas = [
        event(kind, output_index=n % 2, delta=piece) for n, piece in enumerate(['{"a"', '{"b"', ": 1", ": 2", "}", "}"])
    ]
    transcript.add(kind, [EVENT.decode(json.dumps(one).encode()) for one in deltas])
    assert transcript.values() == [{**calls[0], "arguments": '{"a": 1}'}, {**calls[1], "arguments": '{"b": 2}'}]


def test_where_something_was_left_out_the_texts_say_so() -> None:
    told = [event("response.output_text.delta", output_index=n, delta="Hi") for n in (0, 1, 1)]
    transcript = taken(told[:1])
    transcript.skip()
    texts = [item["content"][0]["text"] for item in taken(told, transcript).values()]
    assert texts == ["Hi\n… left out …\nHi", "\n… left out …\nHiHi"]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"object": "chat.completion.chunk", "model": "gpt-6-sol", "choices": choices, **more}


CHAT = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Well"}),
    chunk({"content": "Oslo "}),
    chunk({"content": "is wet."}),
    chunk({"refusal": "No more."}),
    chunk({"tool_calls": [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
    chunk({}, "tool_calls"),
    chunk(usage={"prompt_tokens": 9}),
]


def test_chunks_of_a_chat_completion_become_items() -> None:
    transcript = taken(CHAT)
    texts = [{"type": "output_text", "text": "Oslo is wet."}, {"type": "refusal", "refusal": "No more."}]
    assert transcript.values() == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Well"}]},
        {"type": "message", "content": texts},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'},
    ]
    assert (transcript.model, transcript.status, transcript.usage) == ("gpt-6-sol", "tool_calls", {"prompt_tokens": 9})


def test_older_and_rarer_chunks_of_a_chat_completion() -> None:
    cited = {"title": "T", "url": "https://x"}
    transcript = taken([
        chunk({"content": "Hi"}),
        chunk({"annotations": [{"type": "url_citation", "url_citation": cited}]}),
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({"tool_calls": [{"index": 1, "id": "call_1", "custom": {"name": "sh", "input": ""}}]}),
        chunk({"tool_calls": [{"index": 1, "custom": {"input": "ls"}}]}),
    ])  # fmt: skip
    assert transcript.values() == [
        {"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": [cited]}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "call_1", "name": "sh", "input": "ls"},
    ]


def test_a_chat_completion_ends_with_its_finish_reason_or_its_last_word() -> None:
    transcript = taken(CHAT[:-2])
    assert transcript.ended == ""
    assert transcript.done() == transcript.last == transcript.ended == "[DONE]"
    transcript = taken(CHAT)
    assert transcript.done() == transcript.last == "[DONE]" and transcript.ended == "finish_reason"


NAMES = [
    (event("response.output_text.delta", delta="Hi"), "response.output_text.delta"),
    (event("of\na kind"), "of a kind"),
    (chunk(), "chat.completion.chunk"),
    ({}, "(no type)"),
]


@pytest.mark.parametrize(("told", "name"), NAMES)
def test_every_event_has_a_name_for_the_timeline(told: dict[str, Any], name: str) -> None:
    assert taken([told]).last == name
    assert Transcript().add(told.get("type", ""), [EVENT.decode(json.dumps(told).encode())]) == name


def test_of_very_many_items_one_more_is_put_together_than_is_told_of() -> None:
    many = [event("response.output_text.delta", output_index=n, delta="Hi") for n in range(500)]
    last = event("response.completed", response={"output": [MESSAGE] * 500})
    assert len(taken(many).values()) == len(taken([last]).values()) == MOST_ITEMS + 1


KINDS = (
    "error response.created response.completed response.failed response.output_item.added response.output_item.done"
    " response.output_text.delta response.refusal.delta response.reasoning_text.delta response.mcp_call_arguments.delta"
).split()
FIELDS = "output_index item_id content_index summary_index delta item response choices usage error code model".split()
KEYS = st.sampled_from("id type name usage error output reason message code incomplete_details delta index".split())
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@examples(300)
@given(st.lists(st.tuples(st.sampled_from(["", *KINDS]), st.dictionaries(st.sampled_from(FIELDS), ODD, max_size=6))))
def test_no_event_that_can_be_read_raises(told: list[tuple[str, dict[str, Any]]]) -> None:
    transcript = Transcript()
    for kind, fields in told:
        try:
            one = EVENT.decode(json.dumps(fields).encode())
        except msgspec.ValidationError:
            continue
        transcript.add(kind, [one])
    assert len(transcript.values()) <= MOST_ITEMS + 1
