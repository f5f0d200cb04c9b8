import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer import sse
from codex_proxy.answer.repair import SHORT_LINE, StreamRepairer, Usage, of_complete_stream
from codex_proxy.output.redact import HIDDEN

from ..properties import examples


def event(kind: str, **more: Any) -> bytes:
    return sse.build(kind, json.dumps({"type": kind, **more}).encode())


def item_done(index: int | None, item: Any) -> bytes:
    place = {} if index is None else {"output_index": index}
    return event("response.output_item.done", item=item, **place)


def completed(**response: Any) -> bytes:
    return event("response.completed", response={"id": "resp_1", "output": [], **response})


def repaired(*frames: bytes, limit: int | None = None) -> tuple[bytes, StreamRepairer]:
    repair = StreamRepairer(limit=limit)
    out = [piece for frame in frames for piece in repair.feed(frame)]
    return b"".join(out + repair.end()), repair


def last_response(stream: bytes) -> Any:
    """The response object of the last event, as a client that reads nothing else gets it."""
    frames = sse.Frames()
    return json.loads(sse.parse(frames.feed(stream)[-1])[1])["response"]


MESSAGE = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "후 é 😀"}]}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize("kind", ["response.completed", "response.done", "response.incomplete"])
@pytest.mark.parametrize("output", [{}, {"output": []}, {"output": None}], ids=["absent", "empty", "null"])
def test_an_empty_output_is_rebuilt_from_the_items(kind: str, output: dict[str, Any]) -> None:
    stream, repair = repaired(
        item_done(0, REASONING), item_done(1, MESSAGE), event(kind, response={"id": "r", **output})
    )
    assert last_response(stream) == {"id": "r", "output": [REASONING, MESSAGE]}
    assert json.loads(repair.response) == last_response(stream) and repair.ended == kind


def test_items_stand_in_the_order_of_their_index() -> None:
    stream, _ = repaired(item_done(2, CALL), item_done(0, REASONING), item_done(1, MESSAGE), completed())
    assert last_response(stream)["output"] == [REASONING, MESSAGE, CALL]


def test_items_without_an_index_stand_in_the_order_they_came() -> None:
    stream, _ = repaired(item_done(None, REASONING), item_done(None, MESSAGE), completed())
    assert last_response(stream)["output"] == [REASONING, MESSAGE]


def test_an_item_without_an_index_does_not_take_anothers_place() -> None:
    stream, _ = repaired(item_done(1, REASONING), item_done(None, MESSAGE), completed())
    assert last_response(stream)["output"] == [REASONING, MESSAGE]


def test_an_output_that_is_there_stays() -> None:
    frames = (item_done(0, MESSAGE), completed(output=[CALL]))
    stream, repair = repaired(*frames)
    assert stream == b"".join(frames)
    assert json.loads(repair.response)["output"] == [CALL]


def test_without_items_the_last_event_is_not_touched() -> None:
    assert repaired(completed())[0] == completed()


def test_what_does_not_end_the_answer_is_not_touched() -> None:
    frames = (
        event("response.created", response={"id": "r", "output": []}),
        event("response.output_text.delta", delta="then response.completed comes"),
        event("response.output_text.delta", delta='{"type":"response.completed","response":{"output":[]}}'),
        event("codex.rate_limits", plan_type="plus"),
        b": keep-alive\n\n",
        b"event: keepalive\ndata: {}\n\n",
        b"data: response.completed is not JSON\n\n",
        b"event: response.completed\n\n",
        b"id: 1\n\n",
        item_done(0, MESSAGE),
    )
    stream, _ = repaired(*frames, completed())
    assert stream.startswith(b"".join(frames))


def test_what_comes_after_the_last_event_is_handed_on() -> None:
    stream, repair = repaired(completed(), b": bye\n\n", b"data: [DONE]\n\n", b"data: [DONE]")
    assert stream == completed() + b": bye\n\ndata: [DONE]\n\ndata: [DONE]"
    assert repair.error is None


def test_the_values_of_the_last_event_stay_byte_for_byte() -> None:
    item = b'{ "type":"message",  "n":[1e3, 1.0,-0], "text":"\\u0041\\/  " }'
    response = b'{"id":"r","usage":{ "input_tokens" : 1, "x":1.50 },"output":[],"text":"caf\\u00e9  \\/"}'
    done = b'data: {"type":"response.output_item.done","output_index":0,"item":' + item + b"}\n\n"
    last = b'data: {"sequence_number":1e1,"type":"response.completed","response":' + response + b',"z":[ 1 ]}\n\n'
    stream, _ = repaired(done, last)
    assert stream == done + last.replace(b'"output":[]', b'"output":[' + item + b"]")


def test_data_in_several_lines_becomes_one_line() -> None:
    done = b'data: {"type":"response.output_item.done",\ndata: "item":{"a":\ndata: 1}}\n\n'
    last = b'data: {"type":"response.completed",\ndata: "response":{"output":[],"usage":{"input_tokens":7,\ndata: "x":2}}}\n\n'
    stream, _ = repaired(done, last)
    assert last_response(stream) == {"output": [{"a": 1}], "usage": {"input_tokens": 7, "x": 2}}


@pytest.mark.parametrize("item", [None, [1], "text", 5])
def test_an_item_that_is_none_is_left_out(item: Any) -> None:
    stream, _ = repaired(item_done(0, item), item_done(1, MESSAGE), completed())
    assert last_response(stream)["output"] == [MESSAGE]


@pytest.mark.parametrize("kind", ["response.completed", "response.failed"])
@pytest.mark.parametrize("response", [None, [], "text"])
def test_a_last_event_without_a_response_is_none(kind: str, response: Any) -> None:
    frames = (item_done(0, MESSAGE), event(kind, response=response))
    stream, repair = repaired(*frames)
    assert stream.startswith(b"".join(frames) + b"event: error\n")
    assert repair.ended == "error"


def test_the_type_in_the_data_wins_over_the_event_line() -> None:
    delta = b'event: response.completed\ndata: {"type":"response.output_text.delta","response":{"output":[]}}\n\n'
    stream, repair = repaired(item_done(0, MESSAGE), delta)
    assert delta in stream and repair.ended == "error"


def test_without_a_type_in_the_data_the_event_line_counts() -> None:
    last = b'event: response.completed\ndata: {"response":{"output":[]}}\n\n'
    stream, repair = repaired(item_done(0, MESSAGE), last)
    assert repair.ended == "response.completed" and last_response(stream)["output"] == [MESSAGE]


# Failures inside the stream, and streams that break off.


def test_a_failure_inside_the_stream_is_handed_on_untouched() -> None:
    error = {"code": "server_is_overloaded", "message": "Busy."}
    failed = event("response.failed", response={"id": "r", "status": "failed", "error": error, "output": []})
    stream, repair = repaired(item_done(0, MESSAGE), failed)
    assert stream == item_done(0, MESSAGE) + failed
    assert (repair.ended, repair.error) == ("response.failed", error)


def test_a_failure_without_a_word_is_a_failure() -> None:
    assert repaired(event("response.failed", response={"id": "r"}))[1].error == {}


@pytest.mark.parametrize(
    "data, error",
    [
        ({"code": "c", "message": "m"}, {"code": "c", "message": "m"}),
        ({"error": {"type": "t", "code": "c", "message": "m"}}, {"type": "t", "code": "c", "message": "m"}),
        ({"error": "text", "message": "m"}, {"code": None, "message": "m"}),
        ({}, {"code": None, "message": None}),
    ],
)
def test_an_error_event_is_read_flat_and_nested(data: dict[str, Any], error: dict[str, Any]) -> None:
    stream, repair = repaired(event("error", **data))
    assert stream == event("error", **data)
    assert (repair.ended, repair.error) == ("error", error)


def test_an_error_event_without_its_event_line_is_one() -> None:
    assert repaired(b'data: {"message":"m","type": "error"}\n\n')[1].ended == "error"


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
def test_a_stream_that_ends_early_ends_with_a_word_of_it(rest: bytes) -> None:
    delta = event("response.output_text.delta", delta="a")
    stream, repair = repaired(delta, delta, rest)
    assert stream.startswith(delta + delta + b"event: error\ndata: ")
    kind, data = sse.parse(stream.removeprefix(delta + delta))
    assert kind == "error" and json.loads(data) == {
        "type": "error",
        "code": "stream_broken",
        "message": "The backend ended the stream before its last event.",
        "param": None,
        "sequence_number": 2,
    }
    assert repair.error == {"code": "stream_broken", "message": json.loads(data)["message"]}


def test_an_empty_stream_ends_with_a_word_of_it_as_well() -> None:
    assert repaired()[0].startswith(b"event: error\n")


def test_a_stream_broken_off_by_others_is_told_in_their_words() -> None:
    repair = StreamRepairer()
    repair.feed(event("response.created", response={}))
    assert json.loads(sse.parse(repair.broken("Reset.", "reset"))[1]) == {
        "type": "error", "code": "reset", "message": "Reset.", "param": None, "sequence_number": 1,
    }  # fmt: skip
    assert repair.ended == "error"


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


# Clients that read lines of 1 MiB at most.


def image(size: int) -> dict[str, Any]:
    return {"type": "image_generation_call", "id": "ig", "result": "i" * size}


def text(size: int) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": "t" * size}]}


def opaque(size: int) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": "e" * size}


MIB = 1 << 20
IMAGE_OUT = "last event: an image left out, as the client reads lines of at most 1 MiB"
REASONING_OUT = "last event: encrypted reasoning left out, as the client reads lines of at most 1 MiB"
ITEM_OUT = "last event: an item left out, as the client reads lines of at most 1 MiB"


@pytest.mark.parametrize(
    "items, kept, notes",
    [
        ([text(10)], [text(10)], []),
        ([text(MIB - 9000)], [text(MIB - 9000)], []),
        ([opaque(5000), image(MIB), text(5000)], [opaque(5000), image(0) | {"result": None}, text(5000)], [IMAGE_OUT]),
        (
            [image(400_000), image(700_000), text(10)],
            [image(400_000), image(0) | {"result": None}, text(10)],
            [IMAGE_OUT],
        ),
        ([opaque(MIB), text(10)], [opaque(0) | {"encrypted_content": None}, text(10)], [REASONING_OUT]),
        (
            [opaque(600_000), image(300_000), text(900_000)],
            [opaque(0) | {"encrypted_content": None}, image(0) | {"result": None}, text(900_000)],
            [IMAGE_OUT, REASONING_OUT],
        ),
        ([text(MIB), text(10), CALL], [text(10), CALL], [ITEM_OUT]),
        ([text(MIB)], [], [ITEM_OUT]),
        ([text(MIB), text(MIB + 1), text(10)], [text(10)], [ITEM_OUT, ITEM_OUT]),
    ],
    ids=["small", "just fits", "image", "largest image", "reasoning", "image before reasoning", "item", "only", "two"],
)
def test_for_such_a_client_the_last_event_keeps_what_fits(items: list[Any], kept: list[Any], notes: list[str]) -> None:
    frames = [item_done(n, item) for n, item in enumerate(items)]
    stream, repair = repaired(*frames, completed(), limit=SHORT_LINE)
    assert stream.startswith(b"".join(frames))
    assert last_response(stream)["output"] == kept
    assert repair.notes == notes


@given(
    st.lists(st.tuples(st.sampled_from([image, text, opaque]), st.integers(0, 600_000)), max_size=5),
    st.integers(0, 500_000),
)
@examples(40)
def test_the_last_line_for_such_a_client_is_never_too_long(items: list[Any], more: int) -> None:
    frames = [item_done(n, make(size)) for n, (make, size) in enumerate(items)]
    stream, _ = repaired(*frames, completed(instructions="x" * more), limit=SHORT_LINE)
    # Its scanner holds the line end as well.
    assert len(stream.rstrip(b"\n").rpartition(b"\n")[2]) + 1 <= MIB


def test_what_else_the_last_event_says_takes_room_as_well() -> None:
    stream, repair = repaired(item_done(0, text(700_000)), completed(instructions="x" * 500_000), limit=SHORT_LINE)
    assert last_response(stream)["output"] == [] and repair.notes == [ITEM_OUT]


@pytest.mark.parametrize("response", [{"id": "r"}, {"id": "r", "output": []}], ids=["absent", "empty"])
def test_at_the_limit_a_last_line_is_over_it_by_its_framing_at_most(response: dict[str, Any]) -> None:
    framing = 32
    for size in range(1800, 2100):
        stream, _ = repaired(item_done(0, text(size)), event("response.completed", response=response), limit=2000)
        assert len(stream.rstrip(b"\n").rpartition(b"\n")[2]) + 1 <= 2000 + framing
    assert SHORT_LINE + framing <= MIB


def test_any_other_client_gets_the_last_event_whole() -> None:
    stream, repair = repaired(item_done(0, image(MIB)), item_done(1, text(MIB)), completed())
    assert last_response(stream)["output"] == [image(MIB), text(MIB)] and repair.notes == []


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


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    # A CR LF is where a cut may do harm.
    places += [n + 1 for n in range(len(stream)) if stream[n : n + 2] == b"\r\n"] if data.draw(st.booleans()) else []
    edges = sorted({0, *places, len(stream)})
    return [stream[a:b] for a, b in pairwise(edges)]


@given(FRAMES, LAST)
@examples(300)
def test_nothing_but_the_last_event_differs(frames: list[bytes], last: bytes) -> None:
    before = b"".join(frames)
    stream, repair = repaired(before + last)
    assert stream.startswith(before)
    got, sent = stream.removeprefix(before), json.loads(sse.parse(last)[1])
    items = list(items_of(frames).values())
    if sent["response"]["output"] or not items:
        assert got == last
    else:
        assert json.loads(sse.parse(got)[1]) == sent | {"response": sent["response"] | {"output": items}}
        assert [line for line in got.splitlines(keepends=True) if not line.startswith(b"data")] == [
            line for line in last.splitlines(keepends=True) if not line.startswith(b"data")
        ]
    assert (repair.ended, repair.error) == (sent["type"], None)


def items_of(frames: list[bytes]) -> dict[int, Any]:
    """The finished items by their index, as a reader of the events alone would keep them."""
    found: dict[int, Any] = {}
    for frame in frames:
        said = json.loads(sse.parse(frame)[1])
        if said["type"] == "response.output_item.done":
            index = said["output_index"]
            found[max(found, default=-1) + 1 if index is None else index] = said["item"]
    return dict(sorted(found.items()))


@given(FRAMES, st.just(b"") | LAST, st.sampled_from([b"", b"data: half", b": bye\r\n\r\n", b"\n"]), st.data())
@examples(400)
def test_a_stream_is_repaired_the_same_wherever_it_is_cut(
    frames: list[bytes], last: bytes, after: bytes, data: st.DataObject
) -> None:
    stream = b"".join(frames) + last + after
    a, b = repaired(stream), repaired(*cut(data, stream))
    assert a[0] == b[0]
    assert (a[1].ended, a[1].response, a[1].error, a[1].usage) == (b[1].ended, b[1].response, b[1].error, b[1].usage)


@given(FRAMES, LAST, st.data())
@examples(200)
def test_a_stream_without_its_last_empty_line_means_the_same(
    frames: list[bytes], last: bytes, data: st.DataObject
) -> None:
    stream = b"".join(frames) + last.rstrip(b"\r\n")
    ended, cut_short = repaired(b"".join(frames) + last), repaired(*cut(data, stream))
    assert msgspec.Raw(cut_short[1].response) == msgspec.Raw(ended[1].response)
    assert (cut_short[1].ended, cut_short[1].error) == (ended[1].ended, None)
    assert cut_short[0].rstrip(b"\r\n") == ended[0].rstrip(b"\r\n")


def test_a_stream_that_came_whole_is_read_in_one_go() -> None:
    for end in (b"\n\n", b"\n", b""):
        repair = of_complete_stream(item_done(0, MESSAGE) + completed(model="m").rstrip(b"\n") + end)
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
    (passed,) = repair.feed(frame)
    assert token.encode() not in passed + repair.response and token not in str(repair.error)
    assert json.loads(passed.partition(b"data: ")[2]) == json.loads(json.dumps(event).replace("TOKEN", HIDDEN))


def test_an_error_without_a_token_stays_byte_for_byte() -> None:
    frame = b'event: error\ndata: {"type":"error",  "code":"c", "message":"\\u00fc", "n":1e3}\n\n'
    assert StreamRepairer().feed(frame) == [frame]


def test_events_that_come_by_themselves_are_repaired_the_same_way() -> None:
    repair = StreamRepairer()
    item = {"type": "message", "id": "msg_1", "content": []}
    done = json.dumps({"type": "response.output_item.done", "item": item, "output_index": 0}).encode()
    last = json.dumps({"type": "response.completed", "response": {"id": "resp_1", "output": []}}, indent=1).encode()
    delta = b'{"type":"response.output_text.delta","delta":"response.completed"}'

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
    assert len(told) < 1000 and b"slow_down" in told


@pytest.mark.parametrize("odd", [b"\xff", b"\xf0\x9f\x98", rb"\ud83d", rb"\ude00 and \ud83d"])
def test_a_letter_that_is_none_loses_no_turn(odd: bytes) -> None:
    message = b'{"type":"message","content":[{"type":"output_text","text":"before ' + odd + b' after"}]}'
    done = sse.build(
        "response.output_item.done",
        b'{"type":"response.output_item.done","output_index":0,"item":' + message + b"}",
    )
    last = b'{"type":"response.completed","response":{"id":"resp_' + odd + b'","output":[]}}'
    for frames in ((done, sse.build("response.completed", last)), (done + sse.build("response.completed", last),)):
        stream, repair = repaired(*frames)
        assert repair.ended == "response.completed" and b"stream_broken" not in stream
        response = msgspec.json.decode(repair.response)
        assert response == last_response(stream)
        assert response["id"].startswith("resp_\ufffd")
        text = response["output"][0]["content"][0]["text"]
        assert text.startswith("before \ufffd") and text.endswith(" after")
