"""Time limits for a request's head, and for a connection that never sends one."""

import asyncio
import contextlib

from mitmproxy import ctx
from mitmproxy.connection import Client

from ..layers import ours, wire
from ..layers.http_layer import OurHttpLayer
from ..layers.option_checks import seconds


class HeadTime:
    def __init__(self) -> None:
        self.seconds = 30.0
        self._looks: dict[str, asyncio.TimerHandle] = {}

    def configure(self, updated: set[str]) -> None:
        if "codex_head_timeout" in updated:
            self.seconds = seconds("codex_head_timeout", ctx.options.codex_head_timeout)

    def client_connected(self, client: Client) -> None:
        if not ours.is_our_client(client):
            return
        if client.transport_protocol != "tcp":
            client.error = "this proxy speaks HTTP/1.1, over TCP"
            return
        loop = asyncio.get_running_loop()
        self._looks[client.id] = loop.call_later(2 * self.seconds, self._look, client)

    def client_disconnected(self, client: Client) -> None:
        if look := self._looks.pop(client.id, None):
            look.cancel()
        # A reader that is ended just as it waits to tell of what came leaves its connection open for good (proxy/server.py,
        # `handle_connection`): seen with a client that goes on sending while its connection is closed.
        handler = wire.handler_of(client) if ours.is_our_client(client) else None
        io = handler.transports.get(client) if handler else None
        if io is not None and io.writer is not None:
            with contextlib.suppress(OSError):
                io.writer.close()

    def _look(self, client: Client) -> None:
        """End a connection that has not sent a byte of a request, TLS or not, since it was opened."""
        self._looks.pop(client.id, None)
        handler = wire.handler_of(client)
        io = handler.transports.get(client) if handler else None
        if handler is None or io is None or io.handler is None:
            return
        found = (one for one in wire.layers_of(handler) if isinstance(one, OurHttpLayer))
        side = next((one.client_side for one in found), None)
        if side is None or (not side.heads and side.began is None and side.state == side.read_headers):
            handler.log("the client sent nothing")
            io.handler.cancel("nothing was sent")
