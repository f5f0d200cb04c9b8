"""Rewrite the client's path to the backend's, by the table in front/routes.py."""

from mitmproxy import ctx, http

from ..errors import ProxyError
from ..front import routes
from ..layers import ours
from ..walk.exchange import Exchange
from ..websocket import upgrade
from .admit import Admit


class Route:
    after = (Admit,)

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        request = flow.request
        if upgrade.is_asked(request.method, request.headers) and routes.canonical(request.path) == "/responses":
            route = self._socket(request)
        else:
            route = routes.find(request.method, request.path)
        exchange.route = route
        if route.backend is not None:
            query = routes.backend_query(route, request.path)
            request.path = ours.backend().path + route.backend + query

    def _socket(self, request: http.Request) -> routes.Route:
        if ours.is_dry_run() or ctx.options.codex_capture:
            # 426 at once sends the Codex CLI to HTTP for the rest of its session (docs/backend.md, 11).
            raise ProxyError(
                "use_http",
                "A dry run and capture mode take requests over HTTP only: POST them instead.",
                headers={"Upgrade": "HTTP/1.1"},
            )
        upgrade.check(request.headers)
        return routes.SOCKET
