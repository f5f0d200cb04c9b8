"""Note a request's items, to be remembered together with its answer."""

from collections.abc import Awaitable

from mitmproxy import http

from .. import workers
from ..memory import store
from ..walk.exchange import Exchange
from .memory import Memory
from .patch_body import PatchBody


class Remember:
    after = (PatchBody,)

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        """The part of the work that grows with the request is done before the answer comes, and not when it ends."""
        if not self.memory.store.room or not exchange.believes_stored:
            return None
        return self._keep(flow, exchange)

    async def _keep(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        body = flow.request.raw_content or b""
        exchange.asked = await workers.run(len(body), store.parts_of_request, body)
