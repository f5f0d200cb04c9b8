"""Retry a request with our own HTTP client, before the caller sees the first response: once for each of the cases.

mitmproxy sends one request for each flow. The cases: a 401 for the token (docs/backend.md, 7.2), encrypted reasoning of another
account (docs/backend.md, 4), a compaction whose endpoint is gone (docs/backend.md, 1.1), and a kept-alive connection that the backend
closed just as we sent. The second answer is not streamed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from mitmproxy import http

from .. import workers
from ..account.login import Login as Tokens
from ..answer import repair
from ..backend import header_rules, refusals, transport_errors
from ..errors import ProxyError
from ..layers import ours, wire
from ..message import encodings
from ..net import http_client, policy
from ..request import input_rules
from ..walk.exchange import Exchange
from .compaction import Compaction
from .login import Login
from .patching import Patching
from .timeouts import Timeouts

# How often to look whether the client still waits, in seconds.
LOOK_EVERY = 0.5

# Statuses that one of the cases may be behind.
CURED = (400, 401, 404)

type Cure = Callable[[http.HTTPFlow, Exchange], Awaitable[None]]

# Of a whole answer mitmproxy makes these itself.
FRAMING = ("content-encoding", "content-length", "transfer-encoding")


class Retry:
    def __init__(self, login: Login, patching: Patching, timeouts: Timeouts, compaction: Compaction) -> None:
        self.login, self.patching, self.timeouts, self.compaction = login, patching, timeouts, compaction

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        response = flow.response
        if response is None or response.stream or response.status_code not in CURED or not may_retry(exchange):
            return None
        return self._after_refusal(flow, exchange)

    async def _after_refusal(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Each case once: what is sent again may be refused for another reason."""
        left: list[Cure] = [self._with_other_token, self._as_turn, self._without_encrypted_reasoning]
        while (cure := self._cure(flow, exchange)) and cure in left:
            left.remove(cure)
            await cure(flow, exchange)

    def _cure(self, flow: http.HTTPFlow, exchange: Exchange) -> Cure | None:
        """What helps against the refusal that has come."""
        assert flow.response
        status, coding = flow.response.status_code, flow.response.headers.get("content-encoding", "")
        body = encodings.error_body(flow.response.raw_content or b"", coding) if status in CURED else b""
        if status == 401 and not refusals.is_region(refusals.parse(body).get("message") or ""):
            return self._with_other_token if exchange.token_was_sent else None
        if self.compaction.is_answer_to(exchange, status, body):
            return self._as_turn
        return self._without_encrypted_reasoning if refusals.refuses_encrypted(status, body) else None

    def error(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        """After a kept-alive connection turned out to be closed, or dead: the request was not answered, and not on a fresh one."""
        if not may_retry(exchange) or not flow.error or flow.response is not None:
            return None
        why = was_stale(flow)
        return self._on_fresh_connection(flow, exchange, why) if why and exchange.route.name != "socket" else None

    async def _on_fresh_connection(self, flow: http.HTTPFlow, exchange: Exchange, why: str) -> None:
        flow.response = await self._again(flow, exchange, await self.login.store.fresh(), why)
        await self._after_refusal(flow, exchange)

    async def _with_other_token(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if exchange.route.name == "socket":
            await self._let_upgrade_again(exchange)
        tokens = await self.login.store.replaced(exchange.token)
        flow.response = await self._again(flow, exchange, tokens, "the token was refused; sent again with a new one")

    async def _as_turn(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        await self.compaction.become_turn(flow, exchange)
        why = "the backend has no responses/compact; asked by a turn"
        flow.response = await self._again(flow, exchange, await self.login.store.fresh(), why)

    async def _let_upgrade_again(self, exchange: Exchange) -> NoReturn:
        """An upgrade can't be retried here; the client's next one gets the new token."""
        await self.login.store.replaced(exchange.token)
        raise ProxyError(
            "token_replaced", "The backend refused the token; it has been renewed. Connect again.",
            headers={"retry-after": "0"},
        )  # fmt: skip

    async def _without_encrypted_reasoning(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        body, coding = flow.request.raw_content or b"", flow.request.headers.get("content-encoding", "")
        size = self.patching.limit if coding else len(body)
        shorter = await workers.run(size, without_encrypted_reasoning, body, coding)
        if shorter is None:
            return
        flow.request.headers.pop("content-encoding", None)
        flow.request.raw_content = shorter
        why = "reasoning of another account was refused; sent again without it"
        flow.response = await self._again(flow, exchange, await self.login.store.fresh(), why)

    async def _again(self, flow: http.HTTPFlow, exchange: Exchange, tokens: Tokens, why: str) -> http.Response:
        """Send the flow's request by ourselves. Raises ProxyError."""
        exchange.retried = True
        exchange.note(why)
        target = ours.backend()
        fields = [
            (name, value)
            for name, value in flow.request.headers.fields
            if value != wire.HIDDEN and name.lower() not in (b"host", b"content-length", b"connection")
        ]
        fields += [(name.encode(), value.encode("latin-1")) for name, value in self.login.headers(tokens).items()]
        url = f"{target.scheme}://{target.authority}{flow.request.path}"
        limits = policy.TURN._replace(silence=self.timeouts.idle * exchange.route.patience)
        body = flow.request.raw_content or b""
        sending = http_client.send(flow.request.method, url, fields, body, limits, repair.last_event())
        try:
            answer = await self._while_client_waits(flow, sending)
        except http_client.Failed as e:
            waited = limits.silence if e.gave_up == "idle" else 0
            raise transport_errors.explain(str(e), target.host, e.gave_up, after=waited) from e
        self.login.jar.keep(url, answer.headers)
        return http.Response.make(answer.status, answer.body, header_rules.downward(answer.headers, FRAMING))

    async def _while_client_waits(
        self, flow: http.HTTPFlow, sending: Coroutine[Any, Any, http_client.Answer]
    ) -> http_client.Answer:
        """Stop when the client hangs up: the answer would cost usage and have no reader."""
        task = asyncio.create_task(sending)
        while not (await asyncio.wait({task}, timeout=LOOK_EVERY))[0]:
            if not flow.is_replay and wire.client_is_gone(flow):
                task.cancel()
                raise ProxyError("client_gone", "The client hung up.")
        return task.result()


def may_retry(exchange: Exchange) -> bool:
    return exchange.was_sent and not (exchange.refused or exchange.retried or exchange.gave_up)


def was_stale(flow: http.HTTPFlow) -> str:
    """What was wrong with the connection, if the backend took nothing of the request; else empty."""
    if (dialled := wire.dialled(flow)) and dialled.died:
        # Where a part was acknowledged the backend may have the whole of it.
        return "the kept connection was dead" if dialled.took_nothing else ""
    opened, asked = flow.server_conn.timestamp_start, flow.request.timestamp_start
    closed = flow.error is not None and "server closed connection" in flow.error.msg
    return "the kept connection was closed" if closed and opened is not None and opened < asked else ""


def without_encrypted_reasoning(body: bytes, coding: str) -> bytes | None:
    return input_rules.without_encrypted_reasoning(encodings.decode(body, coding, 1 << 40))
