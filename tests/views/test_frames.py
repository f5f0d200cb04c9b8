import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.views.frames import Frame, Usual, cut, given_windows, windows


def frame(kind: str, number: int, end: bytes = b"\n") -> bytes:
    return b"event: %b%bdata: %b%b" % (kind.encode(), end, json.dumps({"n": number}).encode(), end * 2)


def seen(body: bytes) -> list[tuple[int, bytes, bool]]:
    """Offset behind each frame, its data line, whether it is whole."""
    found: list[tuple[int, bytes, bool]] = []
    for one in cut(body, 0, len(body)):
        if isinstance(one, Usual):
            found += [(end, data.strip(), True) for end, data in zip(one.ends, one.data, strict=True)]
        else:
            found.append((one.end, one.data.splitlines()[-1].removeprefix(b"data: "), one.whole))
    return found


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_a_stream_is_cut_at_its_empty_lines_whatever_the_line_ends(end: bytes) -> None:
    frames = [frame("a", 1, end), frame("a", 2, end), frame("b", 3, end)]
    ends = [len(b"".join(frames[:place])) for place in (1, 2, 3)]
    assert seen(b"".join(frames)) == [(ends[i], b'{"n": %d}' % (i + 1), True) for i in range(3)]


def test_line_ends_may_change_in_a_stream() -> None:
    body = frame("a", 1) + frame("a", 2, b"\r\n") + frame("a", 3)
    assert [(data, whole) for _, data, whole in seen(body)] == [(b'{"n": %d}' % n, True) for n in (1, 2, 3)]


def test_frames_of_the_usual_form_come_together() -> None:
    body = frame("a", 1) + frame("b", 2) + b'data: {"n": 3}\n\n'
    (found,) = cut(body, 0, len(body))
    assert isinstance(found, Usual)
    assert found.lines == [b"event: a\n", b"event: b\n", b""]
    assert found.data == [b'{"n": 1}', b'{"n": 2}', b'{"n": 3}']


@pytest.mark.parametrize(
    "odd", [b": a comment\n\n", b"data: [DONE]\n\n", b"id: 4\ndata: {}\n\n", b"data: {\ndata: }\n\n", b"junk\n\n"]
)
def test_what_is_unlike_the_others_stands_by_itself(odd: bytes) -> None:
    body = frame("a", 1) + odd + frame("a", 2)
    first, other, second = cut(body, 0, len(body))
    assert isinstance(first, Usual) and isinstance(second, Usual)
    assert other == Frame(len(body) - len(frame("a", 2)), odd[:-2], True)


def test_a_half_frame_at_the_end_is_no_whole_one() -> None:
    body = frame("a", 1) + frame("a", 2)[:-1]
    *_, last = cut(body, 0, len(body))
    assert last == Frame(len(body), frame("a", 2)[:-1], False)


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data: {}", b"event: a\n", b": c", b"\xff"]), max_size=40))
def test_whatever_comes_is_cut_in_order_up_to_its_end(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    ends = [end for end, _, _ in seen(body)]
    assert ends == sorted(set(ends)) and all(0 < end <= len(body) for end in ends)


@pytest.mark.parametrize("separator", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_the_windows_of_a_long_stream_lie_at_seams(separator: bytes) -> None:
    body = b"".join(frame("response.output_text.delta", n, separator) for n in range(20_000))
    head, tail, left_out, _ = windows(body)
    assert left_out == tail - head
    assert 0 < head < 40_000 and len(body) - 120_000 < tail < len(body)
    assert body[head:].startswith(b"event: ") and body[tail:].startswith(b"event: ")


def test_a_short_stream_has_nothing_between_its_windows() -> None:
    body = frame("a", 1) * 3
    assert windows(body) == (len(body), len(body), 0, 0)


def test_a_window_grows_until_an_event_ends_in_it() -> None:
    large = b"data: " + b"x" * 300_000 + b"\n\n"
    body = large * 4 + b"data: end"
    assert windows(body) == (len(large) * 3, len(large) * 4, len(large), 0)


def test_without_an_event_near_an_end_there_is_no_window() -> None:
    assert windows(b"x" * 5_000_000) == (0, 5_000_000, 5_000_000, 0)


def test_a_body_that_came_with_its_middle_left_out_is_read_around_it() -> None:
    whole, half = frame("a", 1), frame("b", 2)[:9]
    gap = b"\n\n: [5000 bytes more, shown later]\n\n"
    body = whole + half + gap + b'of": 3}\n\n' + frame("c", 4)
    window = given_windows(body)
    assert window and body[: window.head] == whole and body[window.tail :] == frame("c", 4)
    assert window.left_out == len(half) + 5000 + len(b'of": 3}\n\n')
    assert window.shift == 5000 - len(gap)


def test_a_body_in_whole_has_no_such_gap() -> None:
    assert given_windows(frame("a", 1) + b": a comment\n\n" + frame("a", 2)) is None
