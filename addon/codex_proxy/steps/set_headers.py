"""Set the headers that the backend gets: ours, and of the client's only those that header_rules.py allows."""

from mitmproxy import ctx, http

from ..backend import header_rules, our_headers
from ..layers import ours, wire
from ..message.field_values import Fields
from ..request import cache_key
from ..walk.exchange import Exchange
from ..websocket import upgrade
from .inject_token import InjectToken

# How much of a client's `User-Agent` is kept, in characters.
AGENT = 200


class SetHeaders:
    # The hidden values that are on the request stay.
    after = (InjectToken,)

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if not exchange.route.goes_up:
            return
        fields = flow.request.headers.fields
        hidden = [(name, value) for name, value in fields if value == wire.HIDDEN]
        # Of a header that came twice the first one counts.
        client: dict[str, str] = {}
        for name, value in fields:
            if value != wire.HIDDEN:
                client.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        exchange.client = client.get("user-agent", "")[:AGENT]
        exchange.is_official = header_rules.is_codex(client)
        exchange.lite = exchange.is_official and header_rules.is_lite(client)
        exchange.session = cache_key.session(client)
        upward = header_rules.upward(client, self.ours(exchange, client))
        flow.request.headers.fields = (*self.kept(flow), *hidden, *upward)
        assert exchange.original
        exchange.header_changes = header_rules.changed(exchange.original.headers, flow.request.headers.fields)

    def ours(self, exchange: Exchange, client: dict[str, str]) -> dict[str, str]:
        codex = exchange.is_official
        headers = our_headers.client_headers(ctx.options.codex_originator, streams=exchange.route.is_turn, codex=codex)
        if exchange.route.name == "socket":
            # The headers about an HTTP answer do not apply here.
            said = {name: value for name, value in headers.items() if name not in ("Accept", "Accept-Encoding")}
            return said | upgrade.upward(client, codex)
        return headers

    def kept(self, flow: http.HTTPFlow) -> Fields:
        """`Host` is for the last step; `Connection: close` tells mitmproxy to end the client's connection."""
        kept = [(b"Host", ours.backend().authority.encode())]
        if "close" in flow.request.headers.get("connection", "").lower():
            kept.append((b"Connection", b"close"))
        return kept
