"""The conductor: which flows the steps are run for, when a walk ends, and what an exception of theirs does."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow

from codex_proxy.addons.codex_proxy import CodexProxy
from codex_proxy.addons.options import Options
from codex_proxy.errors import ProxyError
from codex_proxy.layers import ours
from codex_proxy.steps import exchanges
from codex_proxy.walk.exchange import Exchange
from codex_proxy.walk.order import OrderError
from codex_proxy.walk.saved import KEY

Work = Callable[[http.HTTPFlow, Exchange], Awaitable[None] | None]


def nothing(flow: http.HTTPFlow, exchange: Exchange) -> None:
    return None


class Step:
    """Writes down that it ran, and does what is asked of it at each hook."""

    def __init__(self, name: str, ran: list[str], work: Work = nothing, even_answered: bool = False) -> None:
        self.name, self.ran, self.work, self.even_answered = name, ran, work, even_answered

    def run(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        self.ran.append(self.name)
        return self.work(flow, exchange)

    requestheaders = request = responseheaders = response = error = run


class Needs:
    after = (Step,)


def flow_to(mode: str = "reverse:https://chatgpt.com", answered: bool = False) -> http.HTTPFlow:
    flow = tflow.tflow(resp=answered)
    flow.client_conn.proxy_mode = ProxyMode.parse(mode)
    flow.request.headers["authorization"] = "Bearer mine"
    return flow


def answer(flow: http.HTTPFlow, exchange: Exchange) -> None:
    flow.response = http.Response.make(200)


async def answer_later(flow: http.HTTPFlow, exchange: Exchange) -> None:
    flow.response = http.Response.make(200)


def refuse(flow: http.HTTPFlow, exchange: Exchange) -> None:
    raise ProxyError("host_refused", "No.")


async def refuse_later(flow: http.HTTPFlow, exchange: Exchange) -> None:
    raise ProxyError("host_refused", "No.")


def fail(flow: http.HTTPFlow, exchange: Exchange) -> None:
    raise ValueError("a secret that nobody should see")


async def fail_later(flow: http.HTTPFlow, exchange: Exchange) -> None:
    raise ValueError("a secret that nobody should see")


def hide(flow: http.HTTPFlow, exchange: Exchange) -> None:
    exchange.hidden = True


UP: list[tuple[Work, int | None, str]] = [
    (nothing, None, ""),
    (answer, 200, ""),
    (answer_later, 200, ""),
    (refuse, 403, "host_refused"),
    (refuse_later, 403, "host_refused"),
    (fail, 500, "proxy_failed"),
    (fail_later, 500, "proxy_failed"),
]


@pytest.mark.parametrize("work, status, refused", UP)
@pytest.mark.parametrize("hook", ["requestheaders", "request"])
async def test_the_way_up_ends_with_the_first_step_that_answers_or_raises(
    hook: str, work: Work, status: int | None, refused: str
) -> None:
    ran: list[str] = []
    up = [Step("one", ran, work), Step("two", ran), Step("always", ran, even_answered=True)]
    walk, flow = CodexProxy([], up, [], [Step("watch", ran)]), flow_to()
    with taddons.context(Options(), walk):
        exchange = exchanges.claim(flow)
        await (walk.requestheaders(flow) if hook == "requestheaders" else walk.request(flow))
    assert ran == ["one", *([] if status else ["two"]), "always", "watch"]
    assert (flow.response.status_code if flow.response else None) == status
    exchange = exchanges.of(flow) or exchange
    assert exchange.refused == refused
    assert flow.response is None or b"secret" not in (flow.response.content or b"")


@pytest.mark.parametrize("work", [refuse, refuse_later, fail, fail_later])
async def test_the_way_down_goes_on_after_an_exception(work: Work) -> None:
    ran: list[str] = []
    walk = CodexProxy([], [], [Step("one", ran, work), Step("two", ran)], [Step("watch", ran)])
    flow = flow_to(answered=True)
    with taddons.context(Options(), walk):
        exchange = exchanges.claim(flow)
        await walk.response(flow)
    assert ran == ["one", "two", "watch"] and exchange.refused
    assert flow.response and flow.response.status_code in (403, 500)


async def test_an_exception_at_an_answers_head_is_told_of_when_the_answer_is_whole() -> None:
    ran: list[str] = []
    walk, flow = CodexProxy([], [], [Step("one", ran, fail), Step("two", ran)], []), flow_to(answered=True)
    with taddons.context(Options(), walk):
        exchanges.claim(flow)
        walk.responseheaders(flow)
        assert ran == ["one", "two"]
        assert flow.response and flow.response.status_code == 200
        await walk.response(flow)
    assert flow.response.status_code == 500


async def test_who_looks_on_spoils_nothing() -> None:
    ran: list[str] = []
    walk = CodexProxy([], [Step("up", ran)], [Step("down", ran)], [Step("one", ran, fail), Step("two", ran)])
    flow = flow_to()
    with taddons.context(Options(), walk):
        await walk.requestheaders(flow)
        await walk.request(flow)
        assert flow.response is None
        flow.response = http.Response.make(200)
        walk.responseheaders(flow)
        await walk.response(flow)
    assert ran == ["up", "one", "two"] * 2 + ["down", "one", "two"] * 2
    assert flow.response.status_code == 200


NOT_OURS = [("regular", True), ("reverse:https://api.openai.com", True), ("reverse:https://chatgpt.com", False)]


@pytest.mark.parametrize("mode, live", NOT_OURS, ids=["another kind", "another target", "loaded from a file"])
async def test_a_flow_that_is_not_ours_is_left_alone(mode: str, live: bool) -> None:
    ran: list[str] = []
    step = Step("one", ran, fail)
    walk, flow = CodexProxy([], [step], [step], [step]), flow_to(mode, answered=True)
    flow.live = live
    before = flow.get_state()
    with taddons.context(Options(), walk):
        await walk.requestheaders(flow)
        await walk.request(flow)
        walk.responseheaders(flow)
        await walk.response(flow)
        await walk.error(flow)
        walk.websocket_start(flow)
        await walk.websocket_message(flow)
        walk.websocket_end(flow)
    assert ran == [] and flow.get_state() == before and exchanges.of(flow) is None


async def test_a_hidden_request_is_seen_by_nobody_behind() -> None:
    ran: list[str] = []
    walk = CodexProxy([], [Step("up", ran, hide)], [Step("down", ran)], [Step("watch", ran)])
    flow = flow_to()
    with taddons.context(Options(), walk):
        for hook in (walk.requestheaders, walk.request, walk.error):
            with pytest.raises(exceptions.AddonHalt):
                await hook(flow)
        flow.response = http.Response.make(200)
        with pytest.raises(exceptions.AddonHalt):
            walk.responseheaders(flow)
        with pytest.raises(exceptions.AddonHalt):
            await walk.response(flow)
    assert ran == ["up"]


async def test_a_request_whose_head_was_kept_from_us_goes_nowhere() -> None:
    ran: list[str] = []
    walk, flow = CodexProxy([], [Step("one", ran)], [], []), flow_to()
    with taddons.context(Options(), walk):
        await walk.request(flow)
    assert ran == [] and flow.response and flow.response.status_code == 500
    assert "authorization" not in flow.request.headers
    assert (flow.request.data.host, flow.request.data.port) == ours.NOWHERE


async def test_what_is_known_is_saved_at_each_station() -> None:
    def learn(name: str) -> Work:
        return lambda flow, exchange: setattr(exchange, name, name)

    walk = CodexProxy([], [Step("", [], learn("model"))], [Step("", [], learn("error"))], [])
    flow = flow_to()
    with taddons.context(Options(), walk):
        await walk.requestheaders(flow)
        await walk.request(flow)
        assert flow.metadata[KEY]["model"] == "model"
        flow.response = http.Response.make(200)
        await walk.response(flow)
    assert flow.metadata[KEY]["error"] == "error"


def test_steps_in_another_order_make_no_walk() -> None:
    step = Step("one", [])
    CodexProxy([], [step], [Needs()], [])
    for lists in ([[Needs()], [step], []], [[], [], [Needs()]]):
        with pytest.raises(OrderError):
            CodexProxy([], *lists)


class Part:
    """Writes down what mitmproxy tells it of itself."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def load(self, loader: Any) -> None:
        self.told.append("load")

    def configure(self, updated: set[str]) -> None:
        self.told.append("configure")

    def running(self) -> None:
        self.told.append("running")

    def done(self) -> None:
        self.told.append("done")


async def test_each_part_is_told_once_wherever_it_stands() -> None:
    service, step = Part(), Part()
    walk = CodexProxy([service], [step], [step], [step])
    with taddons.context(Options(), walk):
        walk.running()
        walk.done()
    for part in (service, step):
        assert part.told[-2:] == ["running", "done"] and part.told.count("running") == 1


class Failing(Part):
    def running(self) -> None:
        raise ValueError("not today")

    def done(self) -> None:
        raise ValueError("not today")


@pytest.mark.parametrize("hook", ["running", "done"])
async def test_a_part_that_fails_keeps_no_other_from_being_told(hook: str) -> None:
    """As with addons of their own: a login that is still to be written, a report, a thread that is to be ended."""
    other = Part()
    walk = CodexProxy([Failing(), other], [], [], [])
    with taddons.context(Options(), walk):
        with contextlib.suppress(ValueError):
            getattr(walk, hook)()
        assert other.told[-1] == hook
