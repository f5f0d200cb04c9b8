"""Compact conversations by a turn once the backend has said that it has no endpoint for it (docs/backend.md, 1.1).

The endpoint is asked first, and the turn follows in steps/retry.py. Later requests go up as turns from the start.
"""

from mitmproxy import http

from .. import workers
from ..backend import compact_endpoint
from ..changes import Change
from ..front import routes
from ..layers import ours
from ..message import encodings
from ..request import compaction
from ..walk.exchange import Exchange
from .patch_body import PatchBody
from .patching import Patching
from .set_headers import SetHeaders


class Compaction:
    # It turns what they have made for the endpoint into a turn.
    after = (SetHeaders, PatchBody)

    def __init__(self, patching: Patching) -> None:
        self.patching = patching
        self.is_gone = False
        """Has the backend said that it has no endpoint for it?"""

    def configure(self, updated: set[str]) -> None:
        if updated & {"codex_upstream", "codex_auth_file"}:
            self.is_gone = False

    async def request(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if self.is_gone and exchange.route.body == "compact" and self.patching.options.full:
            await self.become_turn(flow, exchange)

    def is_answer_to(self, exchange: Exchange, status: int, body: bytes) -> bool:
        """Does an answer say that there is no endpoint? It is remembered."""
        if (
            exchange.route.body != "compact"
            or not self.patching.options.full
            or not compact_endpoint.is_gone(status, body)
        ):
            return False
        self.is_gone = True
        return True

    async def become_turn(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Make a turn of a request for the endpoint. Raises ProxyError."""
        request = flow.request
        body, coding = request.raw_content or b"", request.headers.pop("content-encoding", "")
        size = self.patching.limit if coding else len(body)
        turn, answered, changes = await workers.run(size, turned, body, coding, exchange.lite)
        request.raw_content = turn
        request.headers["accept"] = "text/event-stream"
        route = routes.COMPACT_BY_TURN
        request.path = f"{ours.backend().path}{route.backend}"
        exchange.route, exchange.translation, exchange.stream = route, answered, False
        exchange.changes = [*exchange.changes, *changes]


def turned(body: bytes, coding: str, lite: bool) -> tuple[bytes, compaction.CompactionOf, list[Change]]:
    return compaction.as_turn(encodings.decode(body, coding, 1 << 40), lite)
