"""Attach an access token valid for at least six minutes; its value exists only in the bytes sent upstream."""

from collections.abc import Awaitable

from mitmproxy import http

from ..account.login import Login as Tokens
from ..account.tokens import account_fingerprint, fingerprint
from ..layers import ours, wire
from ..walk.exchange import Exchange
from .login import Login
from .route import Route


class InjectToken:
    after = (Route,)

    def __init__(self, login: Login) -> None:
        self.login = login

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> Awaitable[None] | None:
        if exchange.route.goes_up and not ours.is_dry_run():
            return self._put_fresh(flow, exchange)
        return None

    async def _put_fresh(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        self.put(flow, exchange, await self.login.store.fresh())

    def put(self, flow: http.HTTPFlow, exchange: Exchange, tokens: Tokens) -> None:
        """Put the headers of `tokens` on the request; they are written only on the way to the backend."""
        exchange.token, exchange.token_ends = fingerprint(tokens.access_token), tokens.expires_at
        exchange.login = account_fingerprint(tokens)
        request, target = flow.request, ours.backend()

        def goes_to_backend() -> bool:
            return (request.scheme, request.host, request.port) == (target.scheme, target.host, target.port)

        wire.hide(flow, self.login.headers(tokens), goes_to_backend)

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Keep Cloudflare's cookies; the client gets none."""
        assert flow.response
        # A 401 is about the token only where the token is what was sent.
        exchange.token_was_sent = wire.was_told(flow)
        wire.forget(flow)
        if exchange.was_sent:  # or it is an answer of our own
            self.login.store.heard(flow.response.headers.get("date", ""))
        self.login.jar.keep(ours.backend().url, flow.response.headers.fields)
        if flow.response.status_code < 400 and exchange.token:
            self.login.store.accepted(exchange.token)
        flow.response.headers.pop("set-cookie", None)

    def error(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        wire.forget(flow)
