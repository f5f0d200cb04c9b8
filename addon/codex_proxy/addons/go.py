"""The last step of the way up: the backend's address is written, and the clock starts."""

import asyncio
import time
import weakref

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import field_values, network
from ..errors import ProxyError
from . import flows, wire
from .guard import malformed
from .settings import seconds


class Go:
    connect_timeout = network.CONNECT_TIMEOUT
    idle_timeout = network.IDLE_TIMEOUT

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_connect_timeout",
            str,
            f"{network.CONNECT_TIMEOUT:g}",
            "How long a connection to the backend may take, TLS included; seconds.",
        )
        loader.add_option(
            "codex_idle_timeout",
            str,
            f"{network.IDLE_TIMEOUT:g}",
            "How long the backend may be silent in an answer; seconds.",
        )

    def configure(self, updated: set[str]) -> None:
        if "codex_connect_timeout" in updated:
            self.connect_timeout = seconds("codex_connect_timeout", ctx.options.codex_connect_timeout)
        if "codex_idle_timeout" in updated:
            self.idle_timeout = seconds("codex_idle_timeout", ctx.options.codex_idle_timeout)

    @flows.step
    def request(self, flow: http.HTTPFlow) -> None:
        target, request = flows.backend(), flow.request
        if "token" not in flows.state_of(flow):
            raise ProxyError(500, "proxy_failed", "The request has no token on it; nothing was sent to the backend.")
        if outgoing := ctx.master.addons.get("connections").outgoing:
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
        state = flows.state_of(flow)
        # The official client gives a compaction four times as long (contract 1.1).
        Patience(flow, self.connect_timeout, self.idle_timeout * (4 if state["route"] == "compact" else 1))
        # Last: a request with this mark is not held back any more.
        state["sent_at"] = time.monotonic()


class Patience:
    """Ends the backend's connection when it does not come about or stays silent; the `error` hooks tell the client."""

    def __init__(self, flow: http.HTTPFlow, connect: float, idle: float) -> None:
        # A finished flow must not live on in a timer.
        self.flow = weakref.ref(flow)
        self.idle = idle
        self.connect = connect
        self.loop = asyncio.get_running_loop()
        self.loop.call_later(min(connect, idle), self.look)

    def look(self) -> None:
        flow = self.flow()
        # A WebSocket may be silent for as long as nothing is asked; sockets.py watches its turns.
        if flow is None or not flow.live or flow.error or flow.websocket:
            return
        target, state, now = flows.backend(), flows.state_of(flow), time.monotonic()
        if flow.intercepted:  # held by a person in mitmweb, not by the backend
            state["sent_at"] = now
        silent = now - float(state.get("heard_at") or state["sent_at"])
        is_connected = flow.server_conn.address == (target.host, target.port)
        limit = self.idle if is_connected else self.connect
        if silent < limit:
            self.loop.call_later(max(limit - silent, 0.01), self.look)
        elif is_connected:
            self.give_up(flow, "stall" if "heard_at" in state else "idle")
        else:
            self.give_up(flow, "connect")

    def give_up(self, flow: http.HTTPFlow, stage: str) -> None:
        flows.state_of(flow)["gave_up"] = stage
        flows.state_of(flow)["gave_up_after"] = self.connect if stage == "connect" else self.idle
        wire.hang_up_upstream(flow, f"{stage} timeout")
