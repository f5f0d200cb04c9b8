"""What passed here, kept for a while for clients that believe it is stored: `stored.py` holds it."""

import weakref
from collections.abc import Callable

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.utils import human

from .. import workers
from ..answer.repair import LAST, Repair
from ..request import stored
from . import flows
from .settings import reject


class Memory:
    def __init__(self) -> None:
        self.store = stored.Stored()
        self.asked: weakref.WeakKeyDictionary[http.HTTPFlow, list[stored.Part]] = weakref.WeakKeyDictionary()

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_memory", str, "64m",
            "How much of what passed here is kept in memory, for clients that refer to it by id as if it were stored; 0 keeps"
            " nothing.",
        )  # fmt: skip

    def configure(self, updated: set[str]) -> None:
        if "codex_memory" not in updated:
            return
        try:
            self.store.room = human.parse_size(ctx.options.codex_memory) or 0
        except ValueError:
            reject(f"codex_memory={ctx.options.codex_memory!r} is no size; write it as 64m, 500k, 1g, or 0 for nothing")
        self.store.trim()

    @flows.step
    async def request(self, flow: http.HTTPFlow) -> None:
        """The part of the work that grows with the request is done before the answer comes, and not when it ends."""
        if not self.store.room or not flows.state_of(flow).get("believes_stored"):
            return
        body = flow.request.raw_content or b""
        self.asked[flow] = await workers.run(len(body), stored.parts_of_request, body)

    def keeper(self, flow: http.HTTPFlow) -> Callable[[Repair], None]:
        """What keeps an answer at its end, before the client has it and can refer to it; it knows nothing of the flow."""
        state, asked = flows.state_of(flow), self.asked.pop(flow, None)
        # Of a chat only the reasoning is wanted again, and only after a call.
        wanted = asked is not None or state["route"] == "chat"

        def keep(answer: Repair) -> None:
            if wanted and answer.ended in LAST:
                self.store.remember(state["caller"], asked, answer.response)

        return keep

    def forget(self, flow: http.HTTPFlow) -> None:
        """When nothing more comes of a flow: one that brought no answer to keep may itself be kept for long."""
        self.asked.pop(flow, None)
