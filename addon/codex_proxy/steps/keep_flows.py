"""Limit how many finished flows mitmweb and the console keep; without a limit they fill the memory."""

from collections import deque

from mitmproxy import ctx, http
from mitmproxy.addons.view import View

from ..layers.found_addon import found
from ..layers.option_checks import reject
from ..walk.exchange import Exchange
from .event_stream import EventStream
from .live_view import LiveView
from .request_log import TROUBLE, RequestLog


class KeepFlows:
    """Drops the oldest finished flows of ours; never one that is running or that the user has marked."""

    # It drops the stream, by which those know an answer.
    after = (RequestLog, LiveView)

    keep = 1000

    def __init__(self) -> None:
        self._finished: deque[str] = deque()

    def configure(self, updated: set[str]) -> None:
        if "codex_keep_flows" in updated:
            text = ctx.options.codex_keep_flows
            if not text.isdecimal():
                reject(f"codex_keep_flows={text!r} is not a number of flows; 0 keeps all")
            else:
                self.keep = int(text)

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if not flow.websocket:
            self._add(flow)

    def websocket_end(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self._add(flow)

    def error(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self._add(flow)

    def _add(self, flow: http.HTTPFlow) -> None:
        if flow.response and isinstance(flow.response.stream, EventStream):
            # It holds the whole answer once more. True: the answer was streamed.
            flow.response.stream = True
        view = found(View)
        if view is None or self.keep == 0:
            return
        self._finished.append(flow.id)
        while len(self._finished) > self.keep:
            oldest = view.get_by_id(self._finished.popleft())
            # Marked flows stay; a flow being replayed is running again, and comes back here.
            if oldest and oldest.marked in ("", TROUBLE) and oldest is not flow and not oldest.live:
                view.remove([oldest])
