"""The conductor: the addon that mitmproxy calls, and that runs the steps for the flows that are ours.

It claims a flow when its head arrives. On the way up the steps run until one answers or raises; then nothing goes to the backend.
Every exception ends in an answer of the proxy's own (fails closed).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from mitmproxy import ctx, exceptions, http
from mitmproxy.addonmanager import Loader

from ..errors import ProxyError
from ..layers import ours
from ..steps import exchanges
from ..steps.admit import take_off
from ..steps.refusal import logger, refuse, unforeseen
from ..walk import order
from ..walk.exchange import Exchange


class Call(NamedTuple):
    """What one step does at one of mitmproxy's hooks. It raises ProxyError to end the request."""

    name: str
    run: Callable[[http.HTTPFlow, Exchange], Awaitable[None] | None]
    even_answered: bool


class CodexProxy:
    """`up`: what is done with a request before it goes to the backend; `down`: with its answer; `watch`: who looks at both, after
    everything else. `services` are what the steps share: they have options, and no part in the walk.

    A step has a method for each of mitmproxy's hooks at which it does something, which takes the flow and the exchange, and returns
    None or what is to be awaited.
    """

    def __init__(
        self, services: Sequence[object], up: Sequence[object], down: Sequence[object], watch: Sequence[object]
    ) -> None:
        order.check(up, down, watch)
        self.up, self.down, self.watch = up, down, watch
        self.services = services
        # Each once, though it may stand on both ways.
        self.parts = [*dict.fromkeys((*services, *up, *down, *watch))]
        self._up_head = [Call("Claim", begin, True), *calls(up, "requestheaders")]
        self._up_body = calls(up, "request")
        self._down_head = calls(down, "responseheaders")
        # On the way down there is an answer, or an error in its place.
        self._down_body = calls(down, "response", even_answered=True)
        self._down_error = calls(down, "error", even_answered=True)
        self._watch_up_head, self._watch_up_body = calls(watch, "requestheaders"), calls(watch, "request")
        self._watch_down_head, self._watch_down_body = calls(watch, "responseheaders"), calls(watch, "response")
        self._watch_error = calls(watch, "error")
        both = (*down, *watch)
        self._websocket_start, self._websocket_end = calls(both, "websocket_start"), calls(both, "websocket_end")
        self._websocket_message = calls(both, "websocket_message")

    # The lives of the parts.

    def load(self, loader: Loader) -> None:
        for part in self.parts:
            ctx.master.commands.collect_commands(part)

    def configure(self, updated: set[str]) -> None:
        for _, configure in self._having("configure"):
            configure(updated)

    def running(self) -> None:
        self._tell("running")

    def done(self) -> None:
        self._tell("done")

    def _tell(self, hook: str) -> None:
        for part, method in self._having(hook):
            try:
                method()
            except Exception:
                logger.exception(f"{type(part).__name__}.{hook} failed.")

    def _having(self, hook: str) -> list[tuple[object, Callable[..., None]]]:
        return [(part, method) for part in self.parts if (method := getattr(part, hook, None))]

    # The walk.

    async def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not ours.is_ours(flow):
            return
        exchange = exchanges.claim(flow)
        await self._run(self._up_head, flow, exchange)
        if exchange.hidden:
            raise exceptions.AddonHalt
        self._look(self._watch_up_head, flow, exchange)

    async def request(self, flow: http.HTTPFlow) -> None:
        exchange = visible(flow)
        if exchange is None:
            if ours.is_ours(flow):
                self._refuse_unclaimed(flow)
            return
        await self._run(self._up_body, flow, exchange)
        self._look(self._watch_up_body, flow, exchange)
        exchanges.save(flow, exchange)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        exchange = visible(flow)
        if exchange is None or flow.response is None:
            return
        for name, run, _ in self._down_head:
            try:
                run(flow, exchange)
            except Exception as e:
                # An answer set here would get the backend's body: the error is sent when that is complete.
                exchange.failure = unforeseen(name, e, exchange)
        self._look(self._watch_down_head, flow, exchange)

    async def response(self, flow: http.HTTPFlow) -> None:
        exchange = visible(flow)
        if exchange is None or flow.response is None:
            return
        if exchange.failure and not flow.response.stream:
            refuse(flow, exchange, exchange.failure)
        await self._run(self._down_body, flow, exchange)
        self._look(self._watch_down_body, flow, exchange)
        exchanges.save(flow, exchange)

    async def error(self, flow: http.HTTPFlow) -> None:
        exchange = visible(flow)
        if exchange is None:
            if ours.is_ours(flow):
                # Another addon's exception kept it from us: it leads nowhere, and its client gets an error.
                exchange = exchanges.claim(flow)
                begin(flow, exchange)
                take_off(flow)
            else:
                return
        await self._run(self._down_error, flow, exchange)
        self._look(self._watch_error, flow, exchange)
        exchanges.save(flow, exchange)

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        if (exchange := exchanges.of(flow)) is not None:
            self._look(self._websocket_start, flow, exchange)

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        if (exchange := exchanges.of(flow)) is not None:
            for _, run, _ in self._websocket_message:
                if (waiting := run(flow, exchange)) is not None:
                    await waiting

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        if (exchange := exchanges.of(flow)) is not None:
            self._look(self._websocket_end, flow, exchange)
            exchanges.save(flow, exchange)

    async def _run(self, steps: Sequence[Call], flow: http.HTTPFlow, exchange: Exchange) -> None:
        for name, run, even_answered in steps:
            if (flow.response or flow.error) and not even_answered:
                continue
            try:
                if (waiting := run(flow, exchange)) is not None:
                    await waiting
            except ProxyError as e:
                refuse(flow, exchange, e)
            except Exception as e:
                refuse(flow, exchange, unforeseen(name, e, exchange))

    def _look(self, watchers: Sequence[Call], flow: http.HTTPFlow, exchange: Exchange) -> None:
        for name, run, _ in watchers:
            try:
                run(flow, exchange)
            except Exception:
                logger.exception(f"{name} failed; the request continues.")

    def _refuse_unclaimed(self, flow: http.HTTPFlow) -> None:
        """A flow of ours that another addon's exception kept from being claimed does not go out."""
        exchange = exchanges.claim(flow)
        error = ProxyError(
            "not_claimed",
            "The proxy did not get to see this request's head, because another addon failed; nothing was sent to the"
            " backend. mitmproxy's log names it.",
        )
        refuse(flow, exchange, error)
        begin(flow, exchange)
        take_off(flow)


def visible(flow: http.HTTPFlow) -> Exchange | None:
    """The exchange of a flow of ours. Raises AddonHalt for one that the addons behind us do not see either."""
    exchange = exchanges.of(flow)
    if exchange is not None and exchange.hidden:
        raise exceptions.AddonHalt
    return exchange


def begin(flow: http.HTTPFlow, exchange: Exchange) -> None:
    try:
        exchanges.begin(flow, exchange)
    except Exception:
        take_off(flow)
        raise


def calls(steps: Sequence[object], hook: str, *, even_answered: bool = False) -> list[Call]:
    """The methods of the steps for one of mitmproxy's hooks, in order."""
    return [
        Call(type(step).__name__, method, even_answered or getattr(step, "even_answered", False))
        for step in steps
        if (method := getattr(step, hook, None)) is not None
    ]
