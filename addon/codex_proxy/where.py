"""Where a request goes: the client's path → the backend's, from the table in paths.py."""

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from . import flows, paths
from .defaults import CLIENT_VERSION
from .errors import ProxyError


class Where:
    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_client_version", str, CLIENT_VERSION,
            "client_version for the model catalogue, where the client has none; for an old one the backend leaves models out.",
        )  # fmt: skip

    @flows.step
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        if request.method == "GET" and request.headers.get("upgrade", "").lower() == "websocket":
            self._no_websocket(request.path)
        route = paths.find(request.method, request.path)
        flows.state_of(flow)["route"] = route.name
        if route.backend is not None:
            query = paths.backend_query(route, request.path, ctx.options.codex_client_version)
            request.path = flows.backend().path + route.backend + query

    def _no_websocket(self, path: str) -> None:
        if paths.canonical(path) == "/responses":
            # 426 at once sends the Codex CLI to HTTP for the rest of its session (contract 11, clients.md).
            raise ProxyError(
                426,
                "use_http",
                "WebSocket is not served here yet: POST the request instead.",
                headers={"Upgrade": "HTTP/1.1"},
            )
