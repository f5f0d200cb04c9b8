"""Graceful shutdown on SIGTERM: refuse new requests, let running ones finish within a time limit.

Ctrl-C stays mitmproxy's own and ends the proxy at once: the user is there to see what is cut off.
"""

import asyncio
import contextlib
import logging
import signal
from weakref import WeakValueDictionary

from mitmproxy import ctx, http
from mitmproxy.proxy.mode_servers import ProxyConnectionHandler

from ..layers import ours, own_answer, wire
from ..layers.found_addon import proxyserver
from ..layers.option_checks import seconds
from ..walk.exchange import Exchange
from . import exchanges
from .admit import Admit
from .event_stream import EventStream
from .page_access import let_read
from .stopping import Stopping, stopped
from .websockets import WebSockets

logger = logging.getLogger(__name__)

# How often it is looked whether all answers have gone out, in seconds.
TICK = 0.05

CUT = "its answer was not complete in time"

# How long clients have to receive the error when their answers are cut off, in seconds.
LAST_WORDS = 1.0


class GracefulShutdown:
    after = (Admit,)
    # It knows refused requests too, whose answers have to go out.
    even_answered = True

    timeout = 30.0

    def __init__(self, stopping: Stopping, websockets: WebSockets) -> None:
        self.stopping, self.websockets = stopping, websockets
        self._seen: WeakValueDictionary[str, http.HTTPFlow] = WeakValueDictionary()
        self._deadline: float | None = None
        self._cut = 0

    def configure(self, updated: set[str]) -> None:
        if "codex_stop_timeout" in updated:
            self.timeout = seconds("codex_stop_timeout", ctx.options.codex_stop_timeout)

    def running(self) -> None:
        # Windows has no such signals, and another thread than the first may not ask for them.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.asked)

    def done(self) -> None:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ctx.master.shutdown)

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self._seen[flow.id] = flow
        if self._deadline is not None and not flow.response:
            # On a connection that was busy with an answer until now.
            raise stopped("it takes no new requests", {"connection": "close"})

    def asked(self) -> None:
        """SIGTERM: end as soon as nothing runs; asked again, at once."""
        running = self._running()
        if self._deadline is not None or not (running or self._quiet()):
            ctx.master.shutdown()
            return
        self._deadline = asyncio.get_running_loop().time() + self.timeout
        self.stopping.is_asked = True
        ctx.options.server = False  # closes the listeners
        logger.info(
            f"Stopping: waiting for {answers(len(running))}, {self.timeout:g} s at most; new connections are refused."
            " A second signal ends it at once."
        )
        self._tick()

    def _tick(self) -> None:
        assert self._deadline is not None
        running, quiet = self._running(), self._quiet()
        for flow in quiet:
            self.websockets.close(flow)
        self._close_idle({flow.client_conn.id for flow in (*running, *quiet)})
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0 and not self._cut and running:
            self._cut_off(running)
        elif left <= 0 or not (running or connections()):
            logger.info(f"Stopped: {answers(self._cut)} cut off." if self._cut else "Stopped: all answers were sent.")
            ctx.master.shutdown()
            return
        asyncio.get_running_loop().call_later(TICK, self._tick)

    def _running(self) -> list[http.HTTPFlow]:
        quiet = self._quiet()
        return [flow for flow in list(self._seen.values()) if flow.live and flow not in quiet]

    def _quiet(self) -> list[http.HTTPFlow]:
        """WebSockets with no turn running: nothing is lost with them."""
        return [flow for flow in list(self._seen.values()) if flow.live and self.websockets.is_quiet(flow)]

    def _close_idle(self, busy: set[str]) -> None:
        """Close the connections that carry no request; what is still to be written goes out first."""
        for handler in connections():
            io = handler.transports.get(handler.client)
            if handler.client.id not in busy and io and io.writer:
                io.writer.close()

    def _cut_off(self, running: list[http.HTTPFlow]) -> None:
        self._cut = len(running)
        self._deadline = asyncio.get_running_loop().time() + LAST_WORDS
        for flow in running:
            if flow.websocket:
                self.websockets.close(flow, stopped(CUT))
            else:
                wire.answer_and_close(flow, last_words(flow))


def connections() -> list[ProxyConnectionHandler]:
    """Our clients' connections that are open, or have something to be written."""
    server = proxyserver()
    handlers = server.connections.values() if server else ()
    return [handler for handler in handlers if ours.is_our_client(handler.client)]


def last_words(flow: http.HTTPFlow) -> bytes:
    """What a client gets if its answer takes too long: the end of its stream, or an error."""
    error = stopped(CUT)
    if flow.response is None or not isinstance(flow.response.stream, EventStream):
        response = own_answer.response(error)
        if exchange := exchanges.of(flow):
            let_read(exchange, response)
        return wire.response_bytes(response)
    stream = flow.response.stream
    last = stream.end(error.message)
    return wire.chunk(flow.response, last, is_whole=not stream.broken)


def answers(number: int) -> str:
    return f"{number} answer" + ("" if number == 1 else "s")
