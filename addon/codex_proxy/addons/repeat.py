"""A request sent once more by a client of our own, before the client sees anything of the first try.

mitmproxy sends one request a flow. So: a 401 for the token (contract 9), encrypted reasoning of another account
(contract 4), a kept-alive connection that the backend closed just as we sent. The answer of the second try comes whole.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from mitmproxy import ctx, http

from .. import encodings, network, outbound, workers
from ..account.login import Login
from ..backend import backend_errors, header_rules, transport_errors
from ..errors import ProxyError
from ..request import input_rules
from . import flows, wire
from .put_token import PutToken

# How often to look whether the client still waits, in seconds.
LOOK_EVERY = 0.5

# Of a whole answer mitmproxy makes these anew.
FRAMING = ("content-encoding", "content-length", "transfer-encoding")


class Repeat:
    async def response(self, flow: http.HTTPFlow) -> None:
        if not self._may_repeat(flow) or flow.response is None or flow.response.stream:
            return
        status = flow.response.status_code
        if status not in (400, 401):
            return
        body = encodings.error_body(flow.response.raw_content or b"", flow.response.headers.get("content-encoding", ""))
        try:
            if (
                status == 401
                and flows.state_of(flow).get("token_told")
                and not backend_errors.is_region(backend_errors.parse(body).get("message") or "")
            ):
                if flows.state_of(flow)["route"] == "socket":
                    await self._let_upgrade_again(flow)
                else:
                    await self._with_other_token(flow)
            elif backend_errors.refuses_encrypted(status, body):
                await self._without_encrypted_reasoning(flow)
        except ProxyError as e:
            flows.refuse(flow, e)
        except Exception as e:
            flows.refuse(flow, flows.unforeseen("Repeat", e, flow))

    async def error(self, flow: http.HTTPFlow) -> None:
        """After a kept-alive connection turned out to be closed, or dead: the request was not answered, and not on a fresh one."""
        if not (self._may_repeat(flow) and flow.error and flow.response is None and (why := self._was_stale(flow))):
            return
        if flows.state_of(flow)["route"] == "socket":
            return
        try:
            flow.response = await self._again(flow, await self._tokens().store.fresh(), why)
        except ProxyError as e:
            flows.refuse(flow, e)
        except Exception as e:
            flows.refuse(flow, flows.unforeseen("Repeat", e, flow))

    def _may_repeat(self, flow: http.HTTPFlow) -> bool:
        if not flows.is_claimed(flow):
            return False
        state = flows.state_of(flow)
        return "sent_at" in state and not ("refused" in state or "repeated" in state or "gave_up" in state)

    def _was_stale(self, flow: http.HTTPFlow) -> str:
        """What was wrong with the connection, where nothing of the request was taken; else empty."""
        if (dialled := wire.dialled(flow)) and dialled.died:
            # Where a part was acknowledged the backend may have the whole of it.
            return "the kept connection was dead" if dialled.took_nothing else ""
        opened, asked = flow.server_conn.timestamp_start, flow.request.timestamp_start
        closed = flow.error is not None and "server closed connection" in flow.error.msg
        return "the kept connection was closed" if closed and opened is not None and opened < asked else ""

    def _tokens(self) -> PutToken:
        tokens: PutToken = ctx.master.addons.get("puttoken")
        return tokens

    async def _with_other_token(self, flow: http.HTTPFlow) -> None:
        state = flows.state_of(flow)
        login = await self._tokens().store.replaced(state["token"])
        flow.response = await self._again(flow, login, "the token was refused, sent again with another")

    async def _let_upgrade_again(self, flow: http.HTTPFlow) -> None:
        """An upgrade can't be sent again from here; the client's next one finds another token."""
        await self._tokens().store.replaced(flows.state_of(flow)["token"])
        raise ProxyError(
            503, "token_replaced", "The backend refused the token; now there is another. Connect again.",
            headers={"retry-after": "0"},
        )  # fmt: skip

    async def _without_encrypted_reasoning(self, flow: http.HTTPFlow) -> None:
        body, coding = flow.request.raw_content or b"", flow.request.headers.get("content-encoding", "")
        limit: int = ctx.master.addons.get("patchbody").limit
        shorter = await workers.run(limit if coding else len(body), without_encrypted_reasoning, body, coding)
        if shorter is None:
            return
        flow.request.headers.pop("content-encoding", None)
        flow.request.raw_content = shorter
        login = await self._tokens().store.fresh()
        flow.response = await self._again(
            flow, login, "reasoning of another account was refused, sent again without it"
        )

    async def _again(self, flow: http.HTTPFlow, login: Login, why: str) -> http.Response:
        """Send the flow's request by ourselves. Raises ProxyError."""
        flows.state_of(flow)["repeated"] = True
        flows.note(flow, why)
        tokens, target = self._tokens(), flows.backend()
        fields = [
            (name, value)
            for name, value in flow.request.headers.fields
            if value != wire.HIDDEN and name.lower() not in (b"host", b"content-length", b"connection")
        ]
        fields += [(name.encode(), value.encode("latin-1")) for name, value in tokens.headers(login).items()]
        url = f"{target.scheme}://{target.authority}{flow.request.path}"
        limits = network.TURN._replace(silence=ctx.master.addons.get("go").idle_timeout)
        sending = outbound.send(flow.request.method, url, fields, flow.request.raw_content or b"", limits)
        try:
            answer = await self._while_client_waits(flow, sending)
        except outbound.Failed as e:
            raise transport_errors.explain(str(e), target.host, e.gave_up) from e
        tokens.jar.keep(url, answer.headers)
        return http.Response.make(answer.status, answer.body, header_rules.downward(answer.headers, FRAMING))

    async def _while_client_waits(
        self, flow: http.HTTPFlow, sending: Coroutine[Any, Any, outbound.Answer]
    ) -> outbound.Answer:
        """Stop when the client hangs up: nobody would read the answer, and it is paid for."""
        task = asyncio.create_task(sending)
        while not (await asyncio.wait({task}, timeout=LOOK_EVERY))[0]:
            if not flow.is_replay and wire.client_is_gone(flow):
                task.cancel()
                raise ProxyError(499, "client_gone", "The client hung up.")
        return task.result()


def without_encrypted_reasoning(body: bytes, coding: str) -> bytes | None:
    return input_rules.without_encrypted_reasoning(encodings.decode(body, coding, 1 << 40))
