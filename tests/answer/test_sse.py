from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer import sse
from codex_proxy.errors import ProxyError

from ..properties import examples


def frames_of(*pieces: bytes) -> tuple[list[bytes], bytes]:
    frames = sse.Frames()
    whole = [frame for piece in pieces for frame in frames.feed(piece)]
    return whole, frames.flush()


@pytest.mark.parametrize(
    "stream, frames, rest",
    [
        (b"", [], b""),
        (b"data: a\n\n", [b"data: a\n\n"], b""),
        (b"data: a\r\n\r\n", [b"data: a\r\n\r\n"], b""),
        (b"data: a\r\r", [b"data: a\r\r"], b""),
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"], b""),
        (b"data: a\n\r\ndata: b\r\n\ndata: c\r\n\r", [b"data: a\n\r\n", b"data: b\r\n\n", b"data: c\r\n\r"], b""),
        (b": keep-alive\n\ndata: a\n\n", [b": keep-alive\n\n", b"data: a\n\n"], b""),
        (b"data: a\n", [], b"data: a\n"),
        (b"data: a\r\n", [], b"data: a\r\n"),
        (b"data: a\n\ndata: b", [b"data: a\n\n"], b"data: b"),
        (b"data: a\n\n\ndata: b\n\n", [b"data: a\n\n", b"\ndata: b\n\n"], b""),
        ("data: a\u2028\u2028b\x0b\x0b\x85\x85\n\n".encode(), ["data: a\u2028\u2028b\x0b\x0b\x85\x85\n\n".encode()], b""),
    ],
)  # fmt: skip
def test_an_event_ends_with_an_empty_line(stream: bytes, frames: list[bytes], rest: bytes) -> None:
    assert frames_of(stream) == (frames, rest)


def test_an_event_is_handed_on_with_its_last_byte() -> None:
    frames = sse.Frames()
    assert [frames.feed(bytes([byte])) for byte in b"data: a\n\n"][-1] == [b"data: a\n\n"]


def test_a_cr_lf_cut_in_two_is_one_line_end() -> None:
    assert frames_of(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ([b"data: a\r\ndata: b\r\n\r", b"\n"], b"")


def test_an_event_that_ends_with_cr_does_not_wait_for_what_follows() -> None:
    assert frames_of(b"data: a\r\r")[0] == [b"data: a\r\r"]


def test_the_second_half_of_a_cut_cr_lf_does_not_become_part_of_the_next_event() -> None:
    assert frames_of(b"data: a\r\n\r", b"", b"\ndata: b\r\n\r\n")[0] == [b"data: a\r\n\r", b"\n", b"data: b\r\n\r\n"]


def test_a_line_end_after_the_start_of_the_next_event_stays_where_it_is() -> None:
    assert frames_of(b"data: a\r\rdata: b", b"\ndata: c\n\n")[0] == [b"data: a\r\r", b"data: b\ndata: c\n\n"]


def test_after_the_flush_nothing_is_left() -> None:
    frames = sse.Frames()
    frames.feed(b"data: a")
    assert (frames.flush(), frames.flush()) == (b"data: a", b"")


LINES = st.text(st.sampled_from("ab:é后😀 \u2028"), max_size=6).map(str.encode)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=12).map(lambda lines: b"".join(a + b for a, b in lines))


@given(STREAMS, st.data())
@examples(300)
def test_a_stream_loses_no_byte_wherever_it_is_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    frames, rest = frames_of(*(stream[a:b] for a, b in pairwise(edges)))
    assert b"".join(frames) + rest == stream


@given(STREAMS, st.data())
@examples(300)
def test_a_stream_means_the_same_wherever_it_is_cut(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    edges = [0, *cuts, len(stream)]
    whole, cut = frames_of(stream), frames_of(*(stream[a:b] for a, b in pairwise(edges)))
    assert [sse.parse(f) for f in cut[0] if not f.isspace()] == [sse.parse(f) for f in whole[0] if not f.isspace()]


def test_a_frame_without_an_end_is_not_held_for_ever() -> None:
    frames = sse.Frames()
    assert frames.feed(b"data: " + b"x" * (sse.LARGEST_FRAME - 6)) == []
    with pytest.raises(ProxyError) as refused:
        frames.feed(b"x")
    assert (refused.value.status, refused.value.code) == (502, "backend_garbled")
    assert frames.flush() == b""


@pytest.mark.parametrize(
    "frame, kind, data",
    [
        (b"event: a\ndata: b\n\n", "a", b"b"),
        (b"event:a\ndata:b\n\n", "a", b"b"),
        (b"event: a\r\ndata: b\r\n\r\n", "a", b"b"),
        (b"event: a\rdata: b\r\r", "a", b"b"),
        (b"data: b\n\n", "", b"b"),
        (b"data:  b \n\n", "", b" b "),
        (b"data: a\ndata: b\n\n", "", b"a\nb"),
        (b"data: a\ndata\ndata: b\n\n", "", b"a\n\nb"),
        (b"event: a\nevent: b\n\n", "b", b""),
        (b": comment\nid: 1\nretry: 2\nother: x\ndata: a:b\n\n", "", b"a:b"),
        (b"dataset: x\n data: y\nDATA: z\n\n", "", b""),
        (b"event: \xff\ndata: \xff\n\n", "\ufffd", b"\xff"),
        (b"\n\ndata: a\n\n", "", b"a"),
        (b": keep-alive\n\n", "", b""),
        (b"", "", b""),
    ],
)
def test_a_frame_has_a_type_and_data(frame: bytes, kind: str, data: bytes) -> None:
    assert sse.parse(frame) == (kind, data)


@pytest.mark.parametrize(
    "frame, becomes",
    [
        (b"event: a\ndata: b\n\n", b"event: a\ndata: NEW\n\n"),
        (b"event:a\ndata:b\nid: 1\n\n", b"event:a\ndata: NEW\nid: 1\n\n"),
        (b"event: a\r\ndata: b\r\n\r\n", b"event: a\r\ndata: NEW\r\n\r\n"),
        (b"data: b\r\r", b"data: NEW\r\r"),
        (b"data: b\nevent: a\r\n\r", b"data: NEW\nevent: a\r\n\r"),
        (b": comment\ndata: a\nid: 1\ndata: b\n\n", b": comment\ndata: NEW\nid: 1\n\n"),
        (b"data\n\n", b"data: NEW\n\n"),
        ("x: \u2028\x0b\x85\ndata: a\n\n".encode(), "x: \u2028\x0b\x85\ndata: NEW\n\n".encode()),
    ],
)
def test_a_frame_with_other_data_keeps_its_other_lines(frame: bytes, becomes: bytes) -> None:
    assert sse.with_data(frame, b"NEW") == becomes


def test_a_frame_of_our_own_can_be_read_again() -> None:
    frame = sse.build("error", b'{"a":1}')
    assert frame == b'event: error\ndata: {"a":1}\n\n'
    assert sse.parse(frame) == ("error", b'{"a":1}')
