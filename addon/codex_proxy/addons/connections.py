"""Our listener's connections, on both sides: how mitmproxy treats them, and where they may lead.

What would be an option of the whole process is set for a client's connection alone, so that other listeners beside ours
work as before.
"""

from typing import Any

from mitmproxy import ctx, http, tls
from mitmproxy.connection import Client
from mitmproxy.proxy import server_hooks
from mitmproxy.proxy.layer import NextLayer

from .. import network, outbound, upstream
from . import flows, wire
from .settings import logger, reject

# Options of mitmproxy as they are for our connections (design, section 4, tells why each).
OURS = {
    "connection_strategy": "lazy",
    # It would log the bytes that go to the backend, token and all.
    "proxy_debug": False,
    "keep_host_header": True,
    "stream_large_bodies": None,
    "body_size_limit": None,
    "store_streamed_bodies": False,
    "validate_inbound_headers": True,
    # Without it an upgraded connection would be passed on as bytes, with nothing of it patched.
    "websocket": True,
    "rawtcp": False,
}

HTTP1 = b"http/1.1"


class OurOptions:
    """mitmproxy's options with those of OURS in place of the process's."""

    def __init__(self, options: Any) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        return OURS[name] if name in OURS else getattr(self._options, name)

    def __contains__(self, name: str) -> bool:
        return name in self._options


class Connections:
    """Sees to it that a flow of ours leads nowhere until the last step says where."""

    def configure(self, updated: set[str]) -> None:
        if "stream_large_bodies" in updated and ctx.options.stream_large_bodies:
            logger.warning(
                "stream_large_bodies is not followed on the Codex listener: it would send request bodies up unpatched."
            )
        if "codex_upstream" in updated:
            self.outgoing = self._outgoing_proxy()
        if "codex_issuer" in updated:
            self._check_issuers_proxy()
        if updated & {"ssl_verify_upstream_trusted_ca", "ssl_verify_upstream_trusted_confdir"}:
            self._trust()

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
            network.outgoing_proxy(issuer.scheme, issuer.host, issuer.port)
        except ValueError as e:
            reject(str(e))

    def _trust(self) -> None:
        """Let the same certificates be trusted by mitmproxy and by the requests of our own: those of mitmproxy's options, if it has
        any, else those of network.py."""
        file, folder = ctx.options.ssl_verify_upstream_trusted_ca, ctx.options.ssl_verify_upstream_trusted_confdir
        if file or folder:
            outbound.trust_instead(network.Trust(file, folder))
            return
        try:
            trust = network.trust()
        except ValueError as e:
            reject(str(e))
            return
        outbound.trust_instead(trust)
        ctx.options.update(ssl_verify_upstream_trusted_ca=trust.file, ssl_verify_upstream_trusted_confdir=trust.folder)

    def client_connected(self, client: Client) -> None:
        if flows.is_our_client(client) and (handler := wire.handler_of(client)):
            handler.layer.context.options = OurOptions(ctx.options)  # type: ignore[assignment]
            handler.layer.debug = None

    def next_layer(self, nextlayer: NextLayer) -> None:
        # Even a flow that none of our hooks ever sees, because another addon's exception skipped them, goes nowhere.
        context = nextlayer.context
        if flows.is_our_client(context.client) and not context.server.connected and not context.server.via:
            context.server.address = flows.NOWHERE

    def tls_start_client(self, data: tls.TlsData) -> None:
        # The ways to answer past mitmproxy (wire.py) speak HTTP/1.1.
        if flows.is_our_client(data.context.client) and HTTP1 in data.context.client.alpn_offers:
            data.context.client.alpn = HTTP1

    def tls_start_server(self, data: tls.TlsData) -> None:
        # Hidden headers are written on HTTP/1.1 only.
        if flows.is_our_client(data.context.client):
            data.conn.alpn_offers = [HTTP1]

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Refuse any other destination than the backend, or the proxy on the way to it."""
        if not flows.is_our_client(data.client):
            return
        target = flows.backend()
        allowed = [(target.host, target.port)]
        if self.outgoing:
            allowed = [(self.outgoing.host, self.outgoing.port)]
        if data.server.address not in allowed:
            data.server.error = "not the way to the Codex backend"

    async def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        if flows.is_our_client(data.client):
            await wire.tell_of_end(data.client, data.server)

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        if self.outgoing and self.outgoing.authorization and flows.is_our_client(flow.client_conn):
            flow.request.headers["proxy-authorization"] = self.outgoing.authorization
