import json
import re
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer import sse
from codex_proxy.answer.last import Usage
from codex_proxy.answer.repair import StreamRepairer, of_complete_stream
from codex_proxy.output.redact import HIDDEN

from ..properties import examples


def event(kind: str, **more: Any) -> bytes:
    return sse.build(kind, json.dumps({"type": kind, **more}).encode())


def item_done(index: int | None, item: Any) -> bytes:
    place = {} if index is None else {"output_index": index}
    return event("response.output_item.done", item=item, **place)


def completed(**response: Any) -> bytes:
    return event("response.completed", response={"id": "resp_1", "output": [], **response})


def repaired(*frames: bytes) -> tuple[bytes, StreamRepairer]:
    repair = StreamRepairer()
    out = [piece for frame in frames for piece in repair.feed(frame)]
    return b"".join(out + repair.end()), repair


def last_response(stream: bytes) -> Any:
    """The response object of the last event, as a client that reads nothing else gets it."""
    frames = sse.Frames()
    return json.loads(sse.parse(frames.feed(stream)[-1])[1])["response"]


CREATED = event("response.created", response={"id": "resp_1"})

MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "후 é 😀"}]}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}


AT = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
PART = {"type": "output_text", "text": ""}
TOLD = (
    CREATED,
    event("response.output_item.added", output_index=0, item={**MESSAGE, "content": []}),
    event("response.content_part.added", **AT, part=PART),
    event("response.output_text.delta", **AT, delta="후 é 😀"),
    event("response.output_text.done", **AT, text="후 é 😀"),
    event("response.content_part.done", **AT, part={**PART, "text": "후 é 😀"}),
    item_done(0, MESSAGE),
)


@pytest.mark.parametrize("kind", ["response.completed", "response.done", "response.incomplete"])
@pytest.mark.parametrize("output", [{}, {"output": []}, {"output": None}], ids=["absent", "empty", "null"])
def test_an_empty_output_is_rebuilt_from_the_items(kind: str, output: dict[str, Any]) -> None:
    stream, repair = repaired(
        CREATED, item_done(0, REASONING), item_done(1, MESSAGE), event(kind, response={"id": "resp_1", **output})
    )
    assert last_response(stream) == {"id": "resp_1", "output": [REASONING, MESSAGE]}
    # `response.done` is a name that SDKs don't know.
    known = "response.completed" if kind == "response.done" else kind
    assert json.loads(repair.response) == last_response(stream) and repair.ended == known
    assert sse.parse(sse.Frames().feed(stream)[-1])[0] == known


def test_items_stand_in_the_order_in_which_they_came() -> None:
    stream, _ = repaired(item_done(2, CALL), item_done(0, REASONING), item_done(1, MESSAGE), completed())
    assert last_response(stream)["output"] == [CALL, REASONING, MESSAGE]


def test_items_without_an_index_stand_in_the_order_they_came() -> None:
    stream, _ = repaired(item_done(None, REASONING), item_done(None, MESSAGE), completed())
    assert last_response(stream)["output"] == [REASONING, MESSAGE]


def test_an_item_without_an_index_does_not_take_anothers_place() -> None:
    stream, _ = repaired(item_done(1, REASONING), item_done(None, MESSAGE), completed())
    assert last_response(stream)["output"] == [REASONING, MESSAGE]


def test_an_output_without_items_is_told_in_events_and_stays() -> None:
    stream, repair = repaired(CREATED, last := completed(output=[CALL]))
    assert stream.startswith(CREATED) and stream.endswith(last)
    assert [kind for kind, _ in map(sse.parse, sse.Frames().feed(stream))] == [
        "response.created",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert json.loads(repair.response)["output"] == [CALL]


def test_without_items_the_last_event_is_not_touched() -> None:
    assert repaired(CREATED, completed())[0] == CREATED + completed()


def test_what_does_not_end_the_answer_is_not_touched() -> None:
    frames = (
        *TOLD[:3],
        event("response.output_text.delta", **AT, delta="then response.completed comes"),
        event("response.output_text.delta", **AT, delta='{"type":"response.completed","response":{"output":[]}}'),
        b": keep-alive\n\n",
        b"data: response.completed is not JSON\n\n",
        b"event: response.completed\n\n",
        b"id: 1\n\n",
    )
    stream, _ = repaired(*frames, completed())
    assert stream.startswith(b"".join(frames))


@pytest.mark.parametrize("foreign", [event("codex.rate_limits", plan_type="plus"), b"event: keepalive\ndata: {}\n\n"])
def test_events_that_openai_does_not_have_are_for_the_official_client(foreign: bytes) -> None:
    for frames in ((foreign, *TOLD), (*TOLD[:4], foreign, *TOLD[4:])):
        official, other = StreamRepairer(is_official=True), StreamRepairer()
        assert foreign in official.feed(b"".join(frames))
        assert other.feed(b"".join(frames)) == [b": keep-alive\n\n" if each == foreign else each for each in frames]


def test_what_comes_after_the_last_event_is_left_out() -> None:
    stream, repair = repaired(CREATED, completed(), b": bye\n\n", b"data: [DONE]\n\n", b"data: [DONE]")
    assert stream == CREATED + completed()
    assert repair.error is None


def test_the_end_of_another_dialect_does_not_end_the_stream() -> None:
    assert repaired(CREATED, b"data: [DONE]\n\n", completed())[0] == CREATED + completed()


def test_the_values_of_the_last_event_stay_byte_for_byte() -> None:
    item = b'{ "type":"odd",  "n":[1e3, 1.0,-0], "text":"\\u0041\\/  " }'
    response = b'{"id":"resp_1","usage":{ "input_tokens" : 1, "x":1.50 },"output":[],"text":"caf\\u00e9  \\/"}'
    done = b'data: {"type":"response.output_item.done","output_index":0,"item":' + item + b"}\n\n"
    last = b'data: {"sequence_number":1e1,"type":"response.completed","response":' + response + b',"z":[ 1 ]}\n\n'
    stream, _ = repaired(CREATED, done, last)
    assert stream.startswith(CREATED) and done in stream
    assert stream.endswith(last.replace(b'"output":[]', b'"output":[' + item + b"]"))


def test_data_in_several_lines_becomes_one_line() -> None:
    done = b'data: {"type":"response.output_item.done",\ndata: "item":{"a":\ndata: 1}}\n\n'
    last = b'data: {"type":"response.completed",\ndata: "response":{"output":[],"usage":{"input_tokens":7,\ndata: "x":2}}}\n\n'
    stream, _ = repaired(done, last)
    told = last_response(stream)
    assert (told["output"], told["usage"]) == ([{"a": 1}], {"input_tokens": 7, "x": 2})


@pytest.mark.parametrize("item", [None, [1], "text", 5])
def test_an_item_that_is_none_is_left_out(item: Any) -> None:
    stream, _ = repaired(item_done(0, item), item_done(1, MESSAGE), completed())
    assert last_response(stream)["output"] == [MESSAGE]


@pytest.mark.parametrize("response", [None, [], "text"])
def test_a_last_event_without_a_response_gets_one(response: Any) -> None:
    stream, _ = repaired(CREATED, item_done(0, MESSAGE), event("response.completed", response=response))
    assert last_response(stream) == {"id": "resp_1", "status": "completed", "output": [MESSAGE]}
    assert repaired(event("response.failed", response=response))[1].error == {"code": None, "message": None}


def test_the_type_in_the_data_wins_over_the_event_line() -> None:
    delta = b'event: response.completed\ndata: {"type":"response.output_text.delta","response":{"output":[]}}\n\n'
    stream, repair = repaired(item_done(0, MESSAGE), delta)
    assert delta not in stream and repair.error == {"code": "stream_broken", "message": ENDED}


def test_without_a_type_in_the_data_the_event_line_counts() -> None:
    last = b'event: response.completed\ndata: {"response":{"output":[]}}\n\n'
    stream, repair = repaired(item_done(0, MESSAGE), last)
    assert repair.ended == "response.completed" and last_response(stream)["output"] == [MESSAGE]


# Failures inside the stream, and streams that break off.


ENDED = "The backend ended the stream before its last event."


def failure(stream: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two events that end a failed stream."""
    *_, error, failed = sse.Frames().feed(stream)
    assert sse.parse(error)[0] == "error" and sse.parse(failed)[0] == "response.failed"
    return json.loads(sse.parse(error)[1]), json.loads(sse.parse(failed)[1])


FAILURES: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "response.failed", "response": {"id": "r", "error": {"code": "c", "message": "m"}}}, "c", "m"),
    ({"type": "response.failed", "response": {"id": "r"}}, "response_failed", "without an explanation"),
    ({"type": "response.done", "response": {"status": "failed", "error": {"code": "c", "message": "m"}}}, "c", "m"),
    ({"type": "error", "code": "c", "message": "m"}, "c", "m"),
    ({"type": "error", "error": {"type": "t", "code": "c", "message": "m"}}, "c", "m"),
    ({"type": "error", "error": {"type": "t", "message": "m"}}, "t", "m"),
    ({"type": "error", "error": "text", "message": "m"}, "response_failed", "m"),
    ({"type": "error"}, "response_failed", "without an explanation"),
    ({"error": {"type": "service_unavailable_error", "code": "server_is_overloaded", "message": "m"}}, "server_is_overloaded", "m"),
]  # fmt: skip


@pytest.mark.parametrize("said, code, message", FAILURES)
def test_a_failure_is_told_in_every_form(said: dict[str, Any], code: str, message: str) -> None:
    stream, repair = repaired(CREATED, item_done(0, MESSAGE), b"data: " + json.dumps(said).encode() + b"\n\n")
    error, failed = failure(stream)
    assert error["code"] == error["error"]["code"] == failed["response"]["error"]["code"] == code
    assert message in error["message"] == error["error"]["message"] == failed["response"]["error"]["message"]
    assert (failed["response"]["status"], error["param"]) == ("failed", None)
    assert failed["response"]["id"] in ("r", "resp_1") or "id" not in said["response"]
    assert failed["sequence_number"] == error["sequence_number"] + 1
    assert repair.error is not None and repair.ended in ("error", "response.failed")
    # What comes after it is left out.
    assert repair.feed(completed()) == []


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"event: response.comp",
        b'event: response.completed\ndata: {"type":"response.completed","response":{"outp',
        b'data: {"type":"response.output_text.delta","delta":"h',
        b"\n",
    ],
)
def test_a_stream_that_ends_early_has_failed(rest: bytes) -> None:
    stream, repair = repaired(*TOLD[:4], rest)
    assert stream.startswith(b"".join(TOLD[:4]))
    error, failed = failure(stream)
    assert (error["code"], error["message"]) == ("stream_broken", ENDED)
    assert failed["response"]["id"] == "resp_1"
    assert repair.error == {"code": "stream_broken", "message": ENDED}


def test_an_empty_stream_has_failed_as_well() -> None:
    assert failure(repaired()[0])[1]["response"]["error"]["message"] == ENDED


def test_a_stream_broken_off_by_others_is_told_in_their_words() -> None:
    repair = StreamRepairer()
    repair.feed(event("response.created", response={}, sequence_number=4))
    error, failed = failure(b"".join(repair.broken("Reset.", "backend_closed")))
    assert (error["code"], error["message"], error["sequence_number"]) == ("backend_closed", "Reset.", 5)
    assert failed["response"]["error"] == {"code": "backend_closed", "message": "Reset."}


def test_a_long_echo_of_the_request_is_not_sent_once_more() -> None:
    stream, _ = repaired(event("response.created", response={"id": "r", "instructions": "x" * 100_000}))
    assert len(stream) < 103_000 and failure(stream)[1]["response"]["object"] == "response"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r"])
def test_a_last_event_without_its_empty_line_is_repaired_and_ended(end: bytes) -> None:
    stream, repair = repaired(item_done(0, MESSAGE), completed().rstrip(b"\n") + end)
    assert stream.endswith(b"}\n\n") and last_response(stream)["output"] == [MESSAGE]
    assert repair.error is None


# Tokens, for the log line.


@pytest.mark.parametrize(
    "usage, line",
    [
        (
            {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 5,
             "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 17},
            "tokens in 12 (cached 8) out 5 (reasoning 3)",
        ),
        ({"input_tokens": 12, "output_tokens": 5}, "tokens in 12 (cached 0) out 5 (reasoning 0)"),
        ({"input_tokens_details": None, "output_tokens_details": {}}, "tokens in 0 (cached 0) out 0 (reasoning 0)"),
    ],
)  # fmt: skip
def test_the_tokens_of_an_answer_are_told(usage: dict[str, Any], line: str) -> None:
    told = repaired(completed(usage=usage, model="gpt-6-sol"))[1]
    assert told.usage is not None and told.usage.counts().line() == line
    assert told.model == "gpt-6-sol"


@pytest.mark.parametrize("usage", [None, "odd", {"input_tokens": None}, {"input_tokens": "12"}])
def test_odd_tokens_are_not_told_and_spoil_nothing(usage: Any) -> None:
    stream, repair = repaired(item_done(0, MESSAGE), completed(usage=usage))
    assert repair.usage is None and last_response(stream)["output"] == [MESSAGE]


def test_the_tokens_of_a_failed_answer_are_told_as_well() -> None:
    _, repair = repaired(event("response.failed", response={"error": {}, "usage": {"input_tokens": 3}}))
    assert repair.usage == Usage(input_tokens=3)


# Any stream, cut anywhere.

TEXTS = st.sampled_from(["é后😀", "response.completed", '"type":"error"', "event: error", "\u2028", "", "a" * 50])
INDEXES = st.none() | st.integers(0, 5)
ITEMS = st.fixed_dictionaries({"type": st.just("message"), "text": TEXTS}, optional={"n": st.floats(-9, 9)})
EVENTS = st.one_of(
    st.builds(lambda t: {"type": "response.output_text.delta", "delta": t}, TEXTS),
    st.builds(lambda i, item: {"type": "response.output_item.done", "item": item, "output_index": i}, INDEXES, ITEMS),
    st.builds(lambda i, item: {"type": "response.output_item.added", "item": item, "output_index": i}, INDEXES, ITEMS),
    st.builds(lambda t: {"type": "something.new", "x": t}, TEXTS),
)
LAST_EVENTS = st.builds(
    lambda kind, output, t: {"type": kind, "response": {"id": t, "output": output, "usage": None}},
    st.sampled_from(["response.completed", "response.done", "response.incomplete"]),
    st.just([]) | st.lists(ITEMS, max_size=2),
    TEXTS,
)
NEWLINES = st.sampled_from([b"\n", b"\r\n", b"\r"])
# Each is two line ends; a CR and an LF would be one.
EMPTY_LINES = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n", b"\n\r", b"\r\n\n", b"\r\n\r"])
SPELLING = st.tuples(st.booleans(), st.booleans(), st.sampled_from([b"data: ", b"data:"]), NEWLINES, EMPTY_LINES)


def framed(said: dict[str, Any], how: tuple[bool, bool, bytes, bytes, bytes]) -> bytes:
    comment, named, prefix, end, empty = how
    lines = (b": keep-alive" + end if comment else b"") + (b"event: " + said["type"].encode() + end if named else b"")
    return lines + prefix + json.dumps(said, ensure_ascii=named).encode() + empty


FRAMES = st.lists(st.builds(framed, EVENTS, SPELLING), max_size=6)
LAST = st.builds(framed, LAST_EVENTS, SPELLING)
EMPTY_LAST = st.builds(framed, LAST_EVENTS.filter(lambda said: not said["response"]["output"]), SPELLING)


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    # A CR LF is where a cut may do harm.
    places += [n + 1 for n in range(len(stream)) if stream[n : n + 2] == b"\r\n"] if data.draw(st.booleans()) else []
    edges = sorted({0, *places, len(stream)})
    return [stream[a:b] for a, b in pairwise(edges)]


@given(EMPTY_LAST, st.sampled_from(["\n", "\r\n", "\r"]), st.data())
@examples(100)
def test_of_a_stream_that_lacks_nothing_the_last_event_alone_differs(
    last: bytes, end: str, data: st.DataObject
) -> None:
    before = b"".join(TOLD).replace(b"\n", end.encode())
    stream, _ = repaired(*cut(data, before + last))
    assert stream.startswith(before)
    got, sent = stream.removeprefix(before), json.loads(sse.parse(last)[1])
    assert json.loads(sse.parse(got)[1])["response"] == sent["response"] | {"id": "resp_1", "output": [MESSAGE]}


@given(FRAMES, st.just(b"") | LAST, st.sampled_from([b"", b"data: half", b": bye\r\n\r\n", b"\n"]), st.data())
@examples(400)
def test_a_stream_is_repaired_the_same_wherever_it_is_cut(
    frames: list[bytes], last: bytes, after: bytes, data: st.DataObject
) -> None:
    stream = b"".join(frames) + last + after
    a, b = repaired(stream), repaired(*cut(data, stream))
    assert known(a[0]) == known(b[0])
    assert (a[1].ended, a[1].error, a[1].usage) == (b[1].ended, b[1].error, b[1].usage)
    assert known(a[1].response) == known(b[1].response)


def known(data: bytes) -> bytes:
    """Without ids and times that were made up, and the number of empty lines."""
    return re.sub(rb"[\r\n]{2,}", b"\n\n", re.sub(rb'(_)[0-9a-f]{24}|("created_at":)[0-9]+', rb"\1\2", data))


@given(FRAMES, LAST, st.data())
@examples(200)
def test_a_stream_without_its_last_empty_line_means_the_same(
    frames: list[bytes], last: bytes, data: st.DataObject
) -> None:
    stream = b"".join(frames) + last.rstrip(b"\r\n")
    ended, cut_short = repaired(b"".join(frames) + last), repaired(*cut(data, stream))
    assert known(cut_short[1].response) == known(ended[1].response)
    assert (cut_short[1].ended, cut_short[1].error) == (ended[1].ended, None)
    assert known(cut_short[0]).rstrip(b"\r\n") == known(ended[0]).rstrip(b"\r\n")


def test_a_stream_that_came_whole_is_read_in_one_go() -> None:
    for end in (b"\n\n", b"\n", b""):
        repair = of_complete_stream(CREATED + item_done(0, MESSAGE) + completed(model="m").rstrip(b"\n") + end)
        assert json.loads(repair.response) == {"id": "resp_1", "output": [MESSAGE], "model": "m"}
        assert repair.ended == "response.completed"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.failed", "response": {"error": {"code": "c", "message": "Bearer TOKEN, \n no"}, "x": [1.0]}},
        {"type": "error", "code": "c", "message": "Bearer TOKEN, no"},
        {"type": "error", "error": {"code": "c", "message": "TOKEN"}},
    ],
)
def test_an_error_does_not_repeat_a_token(event: dict[str, Any]) -> None:
    token = "sk-" + "Ab1" * 12
    frame = b"event: x\ndata: " + json.dumps(event).replace("TOKEN", token).encode() + b"\n\n"
    repair = StreamRepairer()
    told = b"".join(repair.feed(frame))
    assert token.encode() not in told + repair.response and token not in str(repair.error)
    assert failure(told)[0]["message"] == failure(told)[1]["response"]["error"]["message"]
    assert HIDDEN in failure(told)[0]["message"]


def test_events_that_come_by_themselves_are_repaired_the_same_way() -> None:
    repair = StreamRepairer()
    item = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "response.completed"}]}
    done = json.dumps({"type": "response.output_item.done", "item": item, "output_index": 0}).encode()
    last = json.dumps({"type": "response.completed", "response": {"id": "resp_1", "output": []}}, indent=1).encode()
    delta = json.dumps({"type": "response.output_text.delta", **AT, "delta": "response.completed"}).encode()

    assert [repair.message(each) for each in (delta, done)] == [delta, done]
    assert json.loads(repair.message(last))["response"]["output"] == [item]
    assert (repair.ended, repair.events) == ("response.completed", 3)
    assert repair.message(b"no json, response.completed") == b"no json, response.completed"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "slow_down", "message": "Wait.", "x": "bearer " * 100_000},
        {"type": "error", "error": {"code": "slow_down", "message": "Wait."}, "x": "bearer " * 100_000},
        {
            "type": "response.failed",
            "response": {"error": {"code": "slow_down", "message": "Wait."}, "x": "y" * 700_000},
        },
    ],
)
def test_of_a_long_failure_code_and_message_go_on(event: dict[str, Any]) -> None:
    repaired = StreamRepairer()
    told = b"".join(repaired.feed(b"data: " + json.dumps(event).encode() + b"\n\n"))
    assert repaired.ended == event["type"]
    assert repaired.error is not None
    assert (repaired.error["code"], repaired.error["message"]) == ("slow_down", "Wait.")
    assert len(told) < 2000 and b"slow_down" in told


@pytest.mark.parametrize("odd", [b"\xff", b"\xf0\x9f\x98", rb"\ud83d", rb"\ude00 and \ud83d"])
def test_a_letter_that_is_none_loses_no_turn(odd: bytes) -> None:
    message = b'{"type":"message","content":[{"type":"output_text","text":"before ' + odd + b' after"}]}'
    done = sse.build(
        "response.output_item.done",
        b'{"type":"response.output_item.done","output_index":0,"item":' + message + b"}",
    )
    last = b'{"type":"response.completed","response":{"id":"resp_' + odd + b'","output":[]}}'
    created = sse.build("response.created", b'{"type":"response.created","response":{"id":"resp_' + odd + b'"}}')
    for frames in (
        (created, done, sse.build("response.completed", last)),
        (created + done + sse.build("response.completed", last),),
    ):
        stream, repair = repaired(*frames)
        assert repair.ended == "response.completed" and b"stream_broken" not in stream
        response = msgspec.json.decode(repair.response)
        assert response == last_response(stream)
        assert response["id"].startswith("resp_\ufffd")
        text = response["output"][0]["content"][0]["text"]
        assert text.startswith("before \ufffd") and text.endswith(" after")
