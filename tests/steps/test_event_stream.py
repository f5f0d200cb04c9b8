import time

import pytest

from codex_proxy.answer import sse
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.chat.answer import Chunks
from codex_proxy.chat.request import Chat
from codex_proxy.message.encodings import StreamDecoder
from codex_proxy.steps.event_stream import STOPPED, EventStream, stopped, tell_ending
from codex_proxy.walk.exchange import Exchange

from .events import BEGUN, COMPLETED, DELTA, DONE, ENDS, FAILED, event

TURN = [BEGUN, DELTA, ENDS, DONE, COMPLETED]


def fed(stream: EventStream, pieces: list[bytes]) -> bytes:
    return b"".join(each for piece in pieces for each in stream(piece))


def stream_of(exchange: Exchange, chat: Chat | None = None, ended: list[str] | None = None) -> EventStream:
    """What goes through a stream is told in `ended`: where its answer ended, and where it hung up."""
    told = [] if ended is None else ended
    translated = Chunks(chat, "gpt-6-sol") if chat else None
    return EventStream(
        exchange,
        StreamRepairer(),
        None,
        lambda repair: told.append(repair.ended),
        translated,
        lambda: told.append("hang up"),
    )


@pytest.mark.parametrize("cut", [1, 7, 64, 1 << 20])
def test_the_events_go_through_and_the_last_one_gets_its_output(cut: int) -> None:
    whole, exchange, ended = b"".join(TURN), Exchange(sent_at=time.monotonic()), list[str]()
    stream = stream_of(exchange, ended=ended)
    out = fed(stream, [*(whole[at : at + cut] for at in range(0, len(whole), cut)), b""])
    kind, data = sse.parse(sse.Frames().feed(out)[-1])
    assert kind == "response.completed" and b'"text":"Hello"' in data
    assert out == bytes(stream.kept) and ended == ["response.completed"]
    assert exchange.first_at is not None and exchange.marks[0][0] == 0


@pytest.mark.parametrize(
    ("pieces", "last", "error"),
    [
        (TURN, "response.completed", ""),
        ([DELTA, FAILED], "response.failed", "server_error"),
        ([DELTA], "response.failed", "stream_broken"),
        ([], "response.failed", "stream_broken"),
        ([DELTA, DONE[:-9]], "response.failed", "stream_broken"),
        ([DELTA, COMPLETED[:-1]], "response.completed", ""),
        ([event("error", code="slow_down", message="x")], "response.failed", "slow_down"),
    ],
)
def test_every_stream_has_a_last_event_and_a_failed_one_is_broken(pieces: list[bytes], last: str, error: str) -> None:
    exchange = Exchange()
    stream = stream_of(exchange)
    out = fed(stream, [*pieces, b""])
    assert sse.parse(sse.Frames().feed(out)[-1])[0] == last
    tell_ending(exchange, stream.repair)
    assert (exchange.error, bool(stream.broken)) == (error, bool(error)) and stream.is_over
    assert stream(DELTA) == [] and stream.end("again") == b""


@pytest.mark.parametrize("ended", [False, True])
def test_a_stream_that_is_cut_off_says_so_unless_it_is_over(ended: bool) -> None:
    stream = stream_of(Exchange())
    fed(stream, TURN if ended else [DELTA])
    said = stream.end("It is too late.")
    assert (said == b"") is ended and (b"It is too late." in said) is not ended
    assert stream(DELTA) == []


@pytest.mark.parametrize(
    ("chat", "hangs_up"),
    [
        (Chat(), False),
        (Chat(stop=("lo",)), True),
        (Chat(stop=("nothing of the kind",)), False),
    ],
)
def test_a_stop_text_ends_the_answer_and_the_backends_too(chat: Chat, hangs_up: bool) -> None:
    exchange, told = Exchange(), list[str]()
    stream = stream_of(exchange, chat, told)
    out = fed(stream, TURN)
    assert out.endswith(b"data: [DONE]\n\n") and b"chat.completion.chunk" in out
    assert (told.count("hang up"), exchange.stopped) == (int(hangs_up), hangs_up)


def test_a_frame_without_an_end_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LARGEST_FRAME", 1000)
    exchange, told = Exchange(), list[str]()
    stream = stream_of(exchange, ended=told)
    (said,) = stream(b"data: " + b"x" * 2000)
    assert sse.parse(said)[0] == "response.failed" and b"backend_garbled" in said and told == ["hang up"]


def test_what_can_not_be_read_at_all_ends_the_stream_with_a_word() -> None:
    class Broken(StreamDecoder):
        def __call__(self, data: bytes) -> bytes:
            raise ZeroDivisionError

    stream = EventStream(Exchange(), StreamRepairer(), Broken([], 0))
    (said,) = stream(DELTA)
    assert b"could not read" in said and stream.is_over


def test_no_piece_is_empty() -> None:
    stream = stream_of(Exchange())
    assert stream(BEGUN) == [BEGUN]
    assert stream(DELTA[:10]) == [] and stream(DELTA[10:]) == [DELTA]


@pytest.mark.parametrize("times", [1, 2])
def test_an_answer_that_was_stopped_is_told_of(times: int) -> None:
    exchange = Exchange()
    for _ in range(times):
        stopped(exchange)
    assert exchange.stopped and exchange.notes == [STOPPED] * times


def test_the_end_of_a_stream_tells_the_tokens_and_what_was_left_out() -> None:
    exchange, repair = Exchange(), StreamRepairer(notes=["an image left out"])
    repair.feed(COMPLETED)
    tell_ending(exchange, repair)
    assert exchange.tokens and (exchange.tokens.input, exchange.tokens.output) == (5, 2)
    assert exchange.notes == ["an image left out"] and exchange.error == ""
