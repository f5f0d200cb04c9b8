"""What a finished flow holds on to: with a thousand of them kept, each thing counts a thousand times."""

import gc
import time

from mitmproxy import http
from mitmproxy.addons.view import View
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow
from mitmproxy.websocket import WebSocketData

from codex_proxy.addons import flows
from codex_proxy.addons.event_stream import EventStream
from codex_proxy.addons.keep_flows import KeepFlows
from codex_proxy.addons.settings import Settings
from codex_proxy.answer.repair import Repair


def streamed() -> tuple[http.HTTPFlow, EventStream]:
    """A flow of ours that streams."""
    flow = tflow.tflow(resp=True)
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:https://chatgpt.com@127.0.0.1:0")
    state = flows.claim(flow)
    state["sent_at"] = time.monotonic()
    assert flow.response
    stream = EventStream(state, Repair(), None)
    flow.response.stream = stream
    return flow, stream


async def test_a_finished_flow_lets_its_stream_go() -> None:
    with taddons.context(Settings(), keeper := KeepFlows()):
        flow, _ = streamed()
        keeper.response(flow)

    assert flow.response and flow.response.stream is True


def test_marks_are_no_work_for_the_garbage_collector() -> None:
    flow, stream = streamed()
    for number in range(3):
        stream(b"data: %d\n\n" % number)
    gc.collect()

    marks = flows.state_of(flow)["marks"]
    assert [place for place, _ in marks] == [0, 9, 18]
    assert not any(map(gc.is_tracked, marks))


async def test_a_websocket_is_finished_when_it_ends() -> None:
    """Counted at its upgrade, it would be passed over while it runs, and kept for good."""
    view = View()
    with taddons.context(Settings(), view, keeper := KeepFlows()) as context:
        context.configure(keeper, codex_keep_flows="1")
        flow, _ = streamed()
        flow.websocket = WebSocketData()
        other, _ = streamed()
        view.add([flow, other])
        keeper.response(flow)
        keeper.response(other)
        flow.live = other.live = False
        flows_left = [flow, other]
        assert list(view) == flows_left
        flow.live = True
        keeper.websocket_end(flow)
        assert list(view) == [flow]
