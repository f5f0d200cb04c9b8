"""Show a growing answer in mitmweb and the console while it streams, at bounded cost."""

import asyncio
import sys
from weakref import WeakValueDictionary

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from ..walk.exchange import Exchange
from .answer import Answer
from .event_stream import EventStream

# One flow is updated at each tick, so at most this many updates per second in all.
TICKS_A_SECOND = 4

# mitmweb hashes both bodies with each update (2.8 ms for 5 MB): of a long answer its head and its last part are shown, in bytes.
HEAD, TAIL = 8 << 10, 24 << 10


def so_far(stream: EventStream) -> bytes:
    """What has come, in bounded form; the gap is a comment of the stream, which event readers ignore."""
    kept = stream.kept
    if len(kept) <= HEAD + TAIL:
        return bytes(kept)
    gap = b"\n\n: [%d bytes more, shown when the answer has ended]\n\n" % (len(kept) - HEAD - TAIL)
    return bytes(kept[:HEAD]) + gap + bytes(kept[-TAIL:])


def is_watched() -> bool:
    """Is there a browser at mitmweb, or is this the console?"""
    web = sys.modules.get("mitmproxy.tools.web.app")
    if web is not None and web.ClientConnection.connections:
        return True
    return "consoleaddon" in ctx.master.addons.lookup


class LiveView:
    # Answer starts the stream.
    after = (Answer,)

    def __init__(self) -> None:
        self._running: WeakValueDictionary[str, http.HTTPFlow] = WeakValueDictionary()
        self._shown: dict[str, int] = {}
        self._ticking = False

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.response and isinstance(flow.response.stream, EventStream):
            self._running[flow.id] = flow
            if not self._ticking:
                self._ticking = True
                asyncio.get_running_loop().call_later(1 / TICKS_A_SECOND, self._tick)

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self._forget(flow.id)

    def error(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self._forget(flow.id)

    def _forget(self, flow_id: str) -> None:
        self._running.pop(flow_id, None)
        self._shown.pop(flow_id, None)

    def _tick(self) -> None:
        if not self._running:
            self._ticking = False
            self._shown.clear()
            return
        asyncio.get_running_loop().call_later(1 / TICKS_A_SECOND, self._tick)
        if is_watched():
            self._show_one()

    def _show_one(self) -> None:
        """Show the running flow that was shown least recently, of those with something new."""
        # Entries are in the order in which they were shown.
        never = [flow_id for flow_id in list(self._running.keys()) if flow_id not in self._shown]
        for flow_id in (*never, *self._shown):
            flow = self._running.get(flow_id)
            stream = flow.response.stream if flow and flow.response else None
            if (
                flow
                and flow.response
                and isinstance(stream, EventStream)
                and len(stream.kept) > self._shown.get(flow_id, 0)
            ):
                self._shown.pop(flow_id, None)
                self._shown[flow_id] = len(stream.kept)
                flow.response.data.content = so_far(stream)
                ctx.master.addons.trigger(UpdateHook([flow]))
                return
