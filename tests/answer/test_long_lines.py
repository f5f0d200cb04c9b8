import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer import sse
from codex_proxy.answer.long_lines import SHORT_LINE, LongLines

from ..properties import examples

MIB = 1 << 20
WHY = ", as the client reads lines of at most 1 MiB"
IMAGE, REASONING, ITEM, EVENT = (
    "an image left out",
    "encrypted reasoning left out",
    "an item left out",
    "the event left out",
)
ENDS = "the event goes through whole, and the client will end there"


def image(size: int) -> dict[str, Any]:
    return {"type": "image_generation_call", "id": "ig", "result": "i" * size}


def text(size: int) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": "t" * size}]}


def opaque(size: int) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [], "encrypted_content": "e" * size}


NO_IMAGE, NO_REASONING = image(0) | {"result": None}, opaque(0) | {"encrypted_content": None}


def frame(kind: str, **more: Any) -> bytes:
    return sse.build(kind, json.dumps({"type": kind, **more}).encode())


def done(item: dict[str, Any]) -> bytes:
    return frame("response.output_item.done", output_index=0, item=item)


def completed(*items: dict[str, Any], **more: Any) -> bytes:
    return frame("response.completed", response={"id": "r", "output": items, **more})


def fed(*frames: bytes, limit: int = SHORT_LINE) -> tuple[list[dict[str, Any]], list[str], bytes]:
    """The events that the client gets, what is told, and the bytes."""
    notes: list[str] = []
    out = b"".join(LongLines(notes.append, limit).feed(frames))
    events = [json.loads(sse.parse(each)[1]) for each in sse.Frames().feed(out)]
    return events, [note.removesuffix(WHY) for note in notes], out


def longest(out: bytes) -> int:
    return max(map(len, out.splitlines(keepends=True)), default=0)


OUTPUTS: list[tuple[str, list[Any], list[Any], list[str]]] = [
    ("small", [text(10)], [text(10)], []),
    ("just fits", [text(MIB - 9000)], [text(MIB - 9000)], []),
    ("image", [opaque(5000), image(MIB), text(5000)], [opaque(5000), NO_IMAGE, text(5000)], [IMAGE]),
    ("largest image", [image(400_000), image(700_000), text(9)], [image(400_000), NO_IMAGE, text(9)], [IMAGE]),
    ("two images", [image(MIB), image(MIB + 1)], [NO_IMAGE, NO_IMAGE], [IMAGE]),
    ("reasoning", [opaque(MIB), text(10)], [NO_REASONING, text(10)], [REASONING]),
    (
        "image before reasoning",
        [opaque(600_000), image(300_000), text(900_000)],
        [NO_REASONING, NO_IMAGE, text(900_000)],
        [IMAGE, REASONING],
    ),
    ("item", [text(MIB), text(10)], [text(10)], [ITEM]),
    ("only", [text(MIB)], [], [ITEM]),
    ("two", [text(MIB), text(MIB + 1), text(10)], [text(10)], [ITEM]),
]


@pytest.mark.parametrize(("items", "kept", "told"), [each[1:] for each in OUTPUTS], ids=[each[0] for each in OUTPUTS])
def test_the_last_event_keeps_what_fits(items: list[Any], kept: list[Any], told: list[str]) -> None:
    (event,), notes, out = fed(completed(*items))
    assert event["response"] == {"id": "r", "output": kept}
    assert notes == [f"response.completed: {each}" for each in told] and longest(out) <= SHORT_LINE


ANSWER = {"id": "r", "output": []}
OTHERS: list[tuple[bytes, list[Any], list[str]]] = [
    (done(image(1_500_000)), [json.loads(sse.parse(done(NO_IMAGE))[1])], [IMAGE]),
    (done(opaque(MIB)), [json.loads(sse.parse(done(NO_REASONING))[1])], [REASONING]),
    (done(text(MIB)), [], [EVENT]),
    (frame("response.output_text.done", text="t" * MIB), [], [EVENT]),
    (frame("response.content_part.done", part={"type": "output_text", "text": "t" * MIB}), [], [EVENT]),
    (frame("response.function_call_arguments.done", arguments="a" * MIB), [], [EVENT]),
    (frame("response.image_generation_call.partial_image", partial_image_b64="i" * MIB), [], [EVENT]),
    (
        frame("response.created", response={**ANSWER, "instructions": "x" * MIB, "tools": [1]}),
        [{"type": "response.created", "response": {**ANSWER, "instructions": None, "tools": [1]}}],
        ["instructions of the request left out"],
    ),
    (
        frame("response.completed", response={**ANSWER, "instructions": "x" * 600_000, "tools": ["y" * 600_000 * 2]}),
        [{"type": "response.completed", "response": {**ANSWER, "instructions": "x" * 600_000, "tools": []}}],
        ["tools of the request left out"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "got", "told"), OTHERS)
def test_what_the_client_can_do_without_is_left_out_and_told(sent: bytes, got: list[Any], told: list[str]) -> None:
    kind, _ = sse.parse(sent)
    events, notes, out = fed(sent, completed())
    assert events == [*got, {"type": "response.completed", "response": ANSWER}]
    assert notes == [f"{kind}: {each}" for each in told] and longest(out) <= SHORT_LINE


CHUNK = b'data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"%s"}}]}\n\n' % (b"t" * MIB)
UNSHORTENED = [
    (frame("response.output_text.delta", delta="t" * MIB), "response.output_text.delta"),
    (frame("response.completed", response={"id": "r" * MIB}), "response.completed"),
    (CHUNK, "an event"),
    (b"event: odd\ndata: " + b"x" * MIB + b"\n\n", "odd"),
    (b"data: [" + b"x" * MIB + b"\n\n", "an event"),
]


@pytest.mark.parametrize(("sent", "kind"), UNSHORTENED)
def test_what_can_not_be_left_out_goes_through_and_the_log_says_what_happens(sent: bytes, kind: str) -> None:
    notes: list[str] = []
    assert b"".join(LongLines(notes.append).feed([sent])) == sent
    assert notes == [f"{kind}: {ENDS}{WHY}"]


def test_each_thing_is_told_once() -> None:
    partial = frame("response.image_generation_call.partial_image", partial_image_b64="i" * MIB)
    assert fed(partial, partial, partial)[1] == [f"response.image_generation_call.partial_image: {EVENT}"]


def test_several_frames_in_a_piece_are_looked_at_one_by_one() -> None:
    events, _, _ = fed(done(text(5)) + done(text(MIB)) + completed(image(MIB)))
    assert [event["type"] for event in events] == ["response.output_item.done", "response.completed"]


@pytest.mark.parametrize(
    "sent",
    [
        done(image(MIB - 9000)),
        b": comment\n\n",
        b"".join([b"data: " + b"[" * 900_000 + b"\n"] * 3) + b"\n",
        b"\n",
    ],
    ids=["fits", "comment", "several lines that fit", "empty"],
)
def test_what_fits_is_untouched(sent: bytes) -> None:
    notes: list[str] = []
    assert LongLines(notes.append).feed([sent]) == [sent] and notes == []


ITEMS = st.lists(st.tuples(st.sampled_from([image, text, opaque]), st.integers(0, 6_000)), max_size=5)


@given(
    ITEMS,
    st.integers(0, 9_000),
    st.integers(0, 9_000),
    st.sampled_from(["created", "in_progress", "completed", "failed"]),
)
@examples(200)
def test_no_line_of_a_whole_turn_is_too_long(items: list[Any], instructions: int, tools: int, last: str) -> None:
    made = [make(size) for make, size in items]
    response = {"id": "r", "output": made, "instructions": "x" * instructions, "tools": ["y" * tools]}
    frames = [*(done(item) for item in made), frame(f"response.{last}", response=response)]
    events, notes, out = fed(*frames, limit=10_000)
    assert (
        longest(out) <= 10_000 and events[-1]["type"] == f"response.{last}" and not any(ENDS in each for each in notes)
    )
    assert bool(notes) is (out != b"".join(frames))


@pytest.mark.parametrize("more", range(40))
def test_at_the_limit_no_line_is_over_it(more: int) -> None:
    assert longest(fed(completed(text(1880 + more)), limit=2000)[2]) <= 2000
    assert longest(fed(done(image(1880 + more)), limit=2000)[2]) <= 2000
