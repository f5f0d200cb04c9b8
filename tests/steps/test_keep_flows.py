"""What a finished flow holds on to: with a thousand of them kept, each thing counts a thousand times."""

import gc
import time

from mitmproxy import http
from mitmproxy.addons.view import View
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow
from mitmproxy.websocket import WebSocketData

from codex_proxy.addons.options import Options
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.steps import exchanges
from codex_proxy.steps.event_stream import EventStream
from codex_proxy.steps.keep_flows import KeepFlows
from codex_proxy.walk.exchange import Exchange
from codex_proxy.walk.saved import KEY

from .flows import claimed


def streamed() -> tuple[http.HTTPFlow, Exchange, EventStream]:
    """A flow of ours that streams."""
    flow = tflow.tflow(resp=True)
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:https://chatgpt.com@127.0.0.1:0")
    exchange = claimed(flow)
    exchange.sent_at = time.monotonic()
    assert flow.response
    stream = EventStream(exchange, StreamRepairer(), None)
    flow.response.stream = stream
    return flow, exchange, stream


async def test_a_finished_flow_lets_its_stream_go() -> None:
    with taddons.context(Options(), keeper := KeepFlows()):
        flow, exchange, _ = streamed()
        keeper.response(flow, exchange)

    assert flow.response and flow.response.stream is True


def test_marks_are_no_work_for_the_garbage_collector() -> None:
    flow, exchange, stream = streamed()
    for number in range(3):
        stream(b"data: %d\n\n" % number)
    exchanges.save(flow, exchange)
    gc.collect()

    assert [place for place, _ in exchange.marks] == [0, 9, 18]
    for marks in (exchange.marks, flow.metadata[KEY]["marks"]):
        assert not any(map(gc.is_tracked, marks))


async def test_a_websocket_is_finished_when_it_ends() -> None:
    """Counted at its upgrade, it would be passed over while it runs, and kept for good."""
    view = View()
    with taddons.context(Options(), view, keeper := KeepFlows()) as context:
        context.configure(keeper, codex_keep_flows="1")
        flow, exchange, _ = streamed()
        flow.websocket = WebSocketData()
        other, others, _ = streamed()
        view.add([flow, other])
        keeper.response(flow, exchange)
        keeper.response(other, others)
        flow.live = other.live = False
        flows_left = [flow, other]
        assert list(view) == flows_left
        flow.live = True
        keeper.websocket_end(flow, exchange)
        assert list(view) == [flow]
