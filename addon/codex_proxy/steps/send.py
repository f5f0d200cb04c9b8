"""The last step on the way up: set the backend's address and start the clock."""

import asyncio
import time
import weakref

from mitmproxy import http

from ..errors import ProxyError
from ..layers import ours, wire
from ..layers.way_out import WayOut
from ..message import field_values
from ..walk.exchange import Exchange
from .admit import Admit
from .affinity import Affinity
from .capture import Capture
from .compress import Compress
from .dry_run import DryRun
from .inject_token import InjectToken
from .list_models import ListModels
from .patch_body import PatchBody
from .refusal import malformed
from .remember import Remember
from .route import Route
from .set_headers import SetHeaders
from .timeouts import Timeouts


class Send:
    after = (
        Admit, Route, InjectToken, SetHeaders, Capture, PatchBody, Remember, Affinity, DryRun, ListModels, Compress,
    )  # fmt: skip

    def __init__(self, way_out: WayOut, timeouts: Timeouts) -> None:
        self.way_out, self.timeouts = way_out, timeouts

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        target, request = ours.backend(), flow.request
        if not exchange.token:
            raise ProxyError("proxy_failed", "The request carries no token; nothing was sent to the backend.")
        if outgoing := self.way_out.outgoing:
            flow.server_conn.via = (outgoing.scheme, (outgoing.host, outgoing.port))
        body = request.raw_content or b""
        request.headers.pop("transfer-encoding", None)
        if request.method == "POST":
            request.headers["content-length"] = str(len(body))
        request.authority = ""
        request.http_version = "HTTP/1.1"
        request.scheme, request.host, request.port = target.scheme, target.host, target.port
        request.headers["host"] = target.authority
        if name := field_values.malformed(each for each in request.headers.fields if each[1] != wire.HIDDEN):
            raise malformed(name)
        UpstreamTimeout(flow, exchange, self.timeouts.connect, self.timeouts.idle * exchange.route.patience)
        # Last: a request with this mark is not held back any more.
        exchange.sent_at = time.monotonic()


class UpstreamTimeout:
    """Ends the backend's connection if it is not established in time or stays silent; the `error` hooks tell the client."""

    def __init__(self, flow: http.HTTPFlow, exchange: Exchange, connect: float, idle: float) -> None:
        # A finished flow must not live on in a timer.
        self.flow, self.exchange = weakref.ref(flow), weakref.ref(exchange)
        self.idle = idle
        self.connect = connect
        self.loop = asyncio.get_running_loop()
        self.loop.call_later(min(connect, idle), self.look)

    def look(self) -> None:
        flow, exchange = self.flow(), self.exchange()
        # A WebSocket may be silent for as long as nothing is asked; websockets.py watches its turns.
        if flow is None or exchange is None or not flow.live or flow.error or flow.websocket:
            return
        target, now = ours.backend(), time.monotonic()
        if flow.intercepted:  # held by the user in mitmweb, not by the backend
            exchange.sent_at = now
        silent = now - (exchange.heard_at or exchange.sent_at or now)
        is_connected = flow.server_conn.address == (target.host, target.port)
        limit = self.idle if is_connected else self.connect
        if silent < limit:
            self.loop.call_later(max(limit - silent, 0.01), self.look)
        elif is_connected:
            self.give_up(flow, exchange, "stall" if exchange.heard_at is not None else "idle")
        else:
            self.give_up(flow, exchange, "connect")

    def give_up(self, flow: http.HTTPFlow, exchange: Exchange, stage: str) -> None:
        exchange.gave_up = stage
        exchange.gave_up_after = self.connect if stage == "connect" else self.idle
        wire.hang_up_upstream(flow, f"{stage} timeout")
