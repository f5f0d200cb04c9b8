"""Our listener's connections, on both sides: how mitmproxy treats them, and where they may lead.

What would be an option of the whole process is decided for our connections alone (handlers.py), so that other listeners beside
ours work as before.
"""

from collections.abc import Iterable

from mitmproxy import ctx, http, tls
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layer import NextLayer

from .. import mitmproxy_options, network, redact, upstream
from . import flows, handlers, wire
from .backend_tls import HTTP1
from .settings import logger, reject


class Connections:
    """Sees to it that a flow of ours leads nowhere until the last step says where."""

    outgoing: network.OutgoingProxy | None = None

    def load(self, loader: Loader) -> None:
        handlers.install()

    def configure(self, updated: set[str]) -> None:
        proxyserver = ctx.master.addons.get("proxyserver")
        if proxyserver and proxyserver.is_running:
            self._tell_of_options(updated)
        if "codex_upstream" in updated:
            self.outgoing = self._outgoing_proxy()
            hide(self.outgoing)
            self._check_trust()
        if "codex_issuer" in updated:
            self._check_issuers_proxy()

    def running(self) -> None:
        self._tell_of_options(ctx.options.keys())
        handlers.start_ends()

    def done(self) -> None:
        handlers.remove()

    def _tell_of_options(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            if said := mitmproxy_options.remark(name, getattr(ctx.options, name), ctx.options.default(name)):
                logger.warning(said)

    def _outgoing_proxy(self) -> network.OutgoingProxy | None:
        try:
            target = flows.backend()
        except ValueError:
            return None  # told by Settings
        try:
            return network.outgoing_proxy(target.scheme, target.host, target.port)
        except ValueError as e:
            reject(str(e))
        return None

    def _check_issuers_proxy(self) -> None:
        """Else it would be found out when the token has to be renewed."""
        try:
            issuer = upstream.parse(ctx.options.codex_issuer)
        except ValueError:
            return  # told by PutToken
        try:
            outgoing = network.outgoing_proxy(issuer.scheme, issuer.host, issuer.port)
        except ValueError as e:
            reject(str(e))
        else:
            hide(outgoing)

    def _check_trust(self) -> None:
        try:
            network.trust()
        except ValueError as e:
            reject(str(e))

    def ways(self) -> list[tuple[str, int]]:
        """Where a connection of ours may lead: the backend, and the proxy on the way to it."""
        target = flows.backend()
        ways = [(target.host, target.port)]
        return [*ways, (self.outgoing.host, self.outgoing.port)] if self.outgoing else ways

    def next_layer(self, nextlayer: NextLayer) -> None:
        """HTTP follows, in TLS or without; mitmproxy's own addon, with its options for other uses, is not asked.

        Even a flow that none of our hooks ever sees, because another addon's exception skipped them, goes nowhere.
        """
        context = nextlayer.context
        if not flows.is_our_client(context.client):
            return
        if not context.server.connected and not context.server.via:
            context.server.address = flows.NOWHERE
        if nextlayer.layer is None:
            nextlayer.layer = handlers.next_layer(context, nextlayer.data_client())

    def tls_start_client(self, data: tls.TlsData) -> None:
        # The ways to answer past mitmproxy (wire.py) speak HTTP/1.1.
        # (A client that offers HTTP/2 alone gets no protocol named, and is told in HTTP/1.1.)
        if flows.is_our_client(data.context.client) and data.context.client.alpn_offers:
            data.context.client.alpn = HTTP1

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse any other destination than the backend, or the proxy on the way to it."""
        if flows.is_our_client(data.client) and data.server.address != self.ways()[-1]:
            data.server.error = "not the way to the Codex backend"

    async def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        if flows.is_our_client(data.client):
            await wire.tell_of_end(data.client, data.server)

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        if self.outgoing and self.outgoing.authorization and flows.is_our_client(flow.client_conn):
            flow.request.headers["proxy-authorization"] = self.outgoing.authorization


def hide(outgoing: network.OutgoingProxy | None) -> None:
    """From here on nothing repeats its password."""
    if outgoing:
        redact.KNOWN.know("outgoing proxy", *outgoing.secrets())
