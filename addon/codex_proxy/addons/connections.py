"""Connection policy of our listener, towards clients and towards the backend.

Settings that are process-wide options in mitmproxy are decided for our connections only (handlers.py), so that other listeners
of the same process work as before.
"""

from collections.abc import Iterable

from mitmproxy import ctx, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layer import NextLayer

from .. import mitmproxy_options
from ..layers import handlers, ours
from ..layers.backend_tls import HTTP1
from ..layers.found_addon import proxyserver
from ..layers.option_checks import logger
from ..layers.way_out import WayOut


class Connections:
    """Keeps a flow of ours from leading anywhere until the last step sets the address."""

    def __init__(self, way_out: WayOut) -> None:
        self.way_out = way_out

    def load(self, loader: Loader) -> None:
        handlers.install(self.way_out)

    def configure(self, updated: set[str]) -> None:
        server = proxyserver()
        if server and server.is_running:
            self._tell_of_options(updated)
        self.way_out.configure(updated)

    def running(self) -> None:
        self._tell_of_options(ctx.options.keys())
        handlers.start_ends()

    def done(self) -> None:
        handlers.remove()

    def _tell_of_options(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            if said := mitmproxy_options.remark(name, getattr(ctx.options, name), ctx.options.default(name)):
                logger.warning(said)

    def next_layer(self, nextlayer: NextLayer) -> None:
        """HTTP follows, in TLS or without; mitmproxy's own addon, with its options for other uses, is not asked.

        Even a flow that none of our hooks ever sees, because another addon's exception skipped them, goes nowhere.
        """
        context = nextlayer.context
        if not ours.is_our_client(context.client):
            return
        if not context.server.connected and not context.server.via:
            context.server.address = ours.NOWHERE
        if nextlayer.layer is None:
            nextlayer.layer = handlers.next_layer(context, nextlayer.data_client())

    def tls_start_client(self, data: tls.TlsData) -> None:
        # The ways to answer past mitmproxy (wire.py) speak HTTP/1.1.
        # (A client that offers only HTTP/2 gets no protocol, and its error in HTTP/1.1.)
        if ours.is_our_client(data.context.client) and data.context.client.alpn_offers:
            data.context.client.alpn = HTTP1

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse any other destination than the backend, or the proxy on the way to it."""
        if ours.is_our_client(data.client) and data.server.address != self.way_out.addresses()[-1]:
            data.server.error = "not the way to the Codex backend"

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        outgoing = self.way_out.outgoing
        if outgoing and outgoing.authorization and ours.is_our_client(flow.client_conn):
            flow.request.headers["proxy-authorization"] = outgoing.authorization
