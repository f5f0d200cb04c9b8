import asyncio
from collections.abc import Iterator

import pytest
from mitmproxy import http
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.steps import live_view
from codex_proxy.steps.event_stream import EventStream
from codex_proxy.steps.live_view import HEAD, TAIL, LiveView, is_watched, so_far
from codex_proxy.walk.exchange import Exchange

from .events import BEGUN, DELTA, event
from .flows import asked, until


class Console:
    """An addon by the name of the console's, which is told of updates."""

    name = "consoleaddon"

    def __init__(self) -> None:
        self.shown: list[bytes] = []

    def update(self, flows: list[http.HTTPFlow]) -> None:
        self.shown += [flow.response.raw_content or b"" for flow in flows if flow.response]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    monkeypatch.setattr(live_view, "TICKS_A_SECOND", 100)
    with taddons.context(Options(), found := Console(), loadcore=False):
        yield found


def streaming(view: LiveView) -> tuple[http.HTTPFlow, Exchange, EventStream]:
    flow, exchange = asked()
    flow.response = http.Response.make(200)
    flow.response.stream = stream = EventStream(exchange, StreamRepairer(), None)
    view.responseheaders(flow, exchange)
    return flow, exchange, stream


@pytest.mark.parametrize(
    ("size", "whole"), [(0, True), (1000, True), (HEAD + TAIL, True), (HEAD + TAIL + 1, False), (1 << 20, False)]
)
def test_of_a_long_answer_its_head_and_its_last_part_are_shown(size: int, whole: bool) -> None:
    stream = EventStream(Exchange(), StreamRepairer(), None)
    stream.kept += bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    shown, kept = so_far(stream), bytes(stream.kept)
    assert (shown == kept) is whole and len(shown) <= HEAD + TAIL + 100
    assert whole or (shown[:HEAD], shown[-TAIL:]) == (kept[:HEAD], kept[-TAIL:])
    assert whole or b"\n\n: [%d bytes more" % (size - HEAD - TAIL) in shown


async def test_an_answer_is_seen_growing_until_it_is_over(console: Console) -> None:
    view = LiveView()
    flow, exchange, stream = streaming(view)
    assert is_watched()
    stream(BEGUN)
    for number in range(1, 4):
        stream(DELTA)
        await until(lambda: len(console.shown) >= number)  # noqa: B023
    assert console.shown == [BEGUN + DELTA, BEGUN + DELTA * 2, BEGUN + DELTA * 3]
    await asyncio.sleep(0.05)  # nothing new, and so nothing shown
    view.response(flow, exchange)
    stream(DELTA)
    await asyncio.sleep(0.05)
    assert len(console.shown) == 3


@pytest.mark.parametrize("end", ["response", "error", "gone"])
async def test_the_ticking_ends_with_the_last_answer(console: Console, end: str) -> None:
    view = LiveView()
    flow, exchange, _ = streaming(view)
    assert view._ticking
    if end == "gone":
        flow.response = None
        del flow
    else:
        getattr(view, end)(flow, exchange)
        await until(lambda: not view._ticking)
    assert console.shown == []


async def test_each_running_answer_has_its_turn(console: Console) -> None:
    view = LiveView()
    one, two = streaming(view), streaming(view)
    for number, (_, _, stream) in enumerate((one, two)):
        stream(event("response.output_text.delta", delta=str(number)))
    await until(lambda: len(console.shown) >= 2)
    assert {b'"0"' in shown for shown in console.shown} == {True, False}


@pytest.mark.usefixtures("context")
async def test_nothing_is_done_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "TICKS_A_SECOND", 100)
    view = LiveView()
    flow, _, stream = streaming(view)
    stream(DELTA)
    await asyncio.sleep(0.05)
    assert not is_watched() and flow.response and flow.response.raw_content == b""


@pytest.mark.usefixtures("console")
async def test_a_whole_answer_is_left_alone() -> None:
    view = LiveView()
    flow, exchange = asked()
    flow.response = http.Response.make(200, b"whole")
    view.responseheaders(flow, exchange)
    assert not view._ticking
