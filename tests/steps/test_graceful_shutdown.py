import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import ctx, exceptions, http
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.errors import ProxyError
from codex_proxy.steps.event_stream import EventStream
from codex_proxy.steps.graceful_shutdown import GracefulShutdown, answers, last_words
from codex_proxy.steps.login import Login
from codex_proxy.steps.memory import Memory
from codex_proxy.steps.models import Models
from codex_proxy.steps.patch_body import PatchBody
from codex_proxy.steps.patching import Patching
from codex_proxy.steps.recent_requests import RecentRequests
from codex_proxy.steps.stopping import Stopping
from codex_proxy.steps.timeouts import Timeouts
from codex_proxy.steps.usage_windows import UsageWindows
from codex_proxy.steps.user_defaults import UserDefaults
from codex_proxy.steps.websockets import WebSockets
from codex_proxy.walk.exchange import Exchange
from codex_proxy.websocket.turns import Connection, TurnRecord

from .events import COMPLETED, DELTA
from .flows import asked, configure, until


class Ends:
    """Is told when the process would end, which it does not."""

    def __init__(self, context: taddons.context) -> None:
        self.times = 0
        context.master.shutdown = self.shutdown  # type: ignore[method-assign]

    def shutdown(self) -> None:
        self.times += 1


@pytest.fixture
def ends() -> Iterator[Ends]:
    with taddons.context(Options(), loadcore=False) as context:
        yield Ends(context)


def shutdown(timeout: str = "30") -> GracefulShutdown:
    login, stopping = Login(), Stopping()
    models, patching = Models(login), Patching()
    patch_body = PatchBody(patching, models, Memory(), UserDefaults())
    sockets = WebSockets(
        patch_body, models, Memory(), login, Timeouts(), stopping, UsageWindows(login), RecentRequests()
    )
    configure(step := GracefulShutdown(stopping, sockets), codex_stop_timeout=timeout)
    return step


def running(step: GracefulShutdown, **known: Any) -> tuple[http.HTTPFlow, Exchange]:
    flow, exchange = asked(**known)
    step.requestheaders(flow, exchange)
    return flow, exchange


async def test_with_nothing_under_way_it_ends_at_once(ends: Ends) -> None:
    step = shutdown()
    step.asked()
    assert ends.times == 1 and not step.stopping.is_asked


async def test_it_waits_for_what_runs_and_takes_nothing_new(ends: Ends) -> None:
    step = shutdown()
    flow, _ = running(step)
    step.asked()
    assert (ends.times, step.stopping.is_asked, ctx.options.server) == (0, True, False)
    late, exchange = asked()
    with pytest.raises(ProxyError) as refused:
        step.requestheaders(late, exchange)
    assert (refused.value.code, refused.value.headers["connection"]) == ("stopping", "close")
    await asyncio.sleep(0.15)
    assert ends.times == 0
    flow.live = late.live = False
    await until(lambda: ends.times)


async def test_asked_again_it_ends_at_once(ends: Ends) -> None:
    step = shutdown()
    flow, _ = running(step)
    step.asked()
    step.asked()
    assert ends.times == 1 and flow.live
    flow.live = False
    await until(lambda: ends.times == 2)


async def test_what_takes_too_long_is_cut_off(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    step = shutdown("0.1")
    flow, _ = running(step)
    step.asked()
    await until(lambda: step._cut)
    flow.live = False
    await until(lambda: ends.times)
    assert caplog.messages[-1] == "Stopped: 1 answer cut off."


@pytest.mark.parametrize("turns, is_quiet", [(0, True), (1, False)])
async def test_a_websocket_is_waited_for_while_a_turn_runs(ends: Ends, turns: int, is_quiet: bool) -> None:
    step = shutdown()
    flow, exchange = running(step, connection=Connection())
    assert exchange.connection
    for _ in range(turns):
        exchange.connection.turns.begin(TurnRecord(), 1.0)
    assert (step._quiet(), step._running()) == (([flow], []) if is_quiet else ([], [flow]))


async def test_an_answered_request_is_no_new_one(ends: Ends) -> None:
    step = shutdown()
    flow, _ = running(step)
    step.asked()
    other, exchange = asked()
    other.response = http.Response.make(404)
    step.requestheaders(other, exchange)
    flow.live = other.live = False
    await until(lambda: ends.times)


@pytest.mark.parametrize(
    ("page", "starts", "has"),
    [
        ("", b"HTTP/1.1 503", b'"stopping"'),
        ("http://localhost:5173", b"HTTP/1.1 503", b"access-control-allow-origin: http://localhost:5173"),
    ],
)
def test_who_has_no_answer_yet_gets_an_error(page: str, starts: bytes, has: bytes) -> None:
    flow, _ = asked(page=page)
    said = last_words(flow)
    assert said.startswith(starts) and has.lower() in said.lower() and b"connection: close" in said.lower()


@pytest.mark.parametrize(
    ("came", "chunked", "says"),
    [(DELTA, True, True), (DELTA, False, True), (DELTA + COMPLETED, True, False), (DELTA + COMPLETED, False, False)],
)
def test_a_stream_gets_its_last_event(came: bytes, chunked: bool, says: bool) -> None:
    flow, exchange = asked()
    flow.response = http.Response.make(200, b"", {"transfer-encoding": "chunked"} if chunked else {})
    flow.response.stream = stream = EventStream(exchange, StreamRepairer(), None)
    stream(came)
    said = last_words(flow)
    # Without the last chunk no client takes it for whole.
    assert (b"not complete in time" in said) is says and said.endswith(b"0\r\n\r\n") is (chunked and not says)


@pytest.mark.parametrize("number, text", [(0, "0 answers"), (1, "1 answer"), (2, "2 answers")])
def test_answers_are_counted(number: int, text: str) -> None:
    assert answers(number) == text


@pytest.mark.usefixtures("ends")
@pytest.mark.parametrize("text", ["0", "-1", "soon", ""])
def test_a_timeout_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(exceptions.OptionsError, match="codex_stop_timeout"):
        shutdown(text)
