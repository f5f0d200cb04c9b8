"""Where a request goes: the client's path → the backend's, from the table in paths.py."""

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import paths
from ..backend import upgrade
from ..defaults import CLIENT_VERSION
from ..errors import ProxyError
from . import flows


class Where:
    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_client_version", str, CLIENT_VERSION,
            "client_version for the model catalogue, where the client has none; for an old one the backend leaves models out.",
        )  # fmt: skip

    @flows.step
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        if upgrade.is_asked(request.method, request.headers) and paths.canonical(request.path) == "/responses":
            route = self._socket(request)
        else:
            route = paths.find(request.method, request.path)
        flows.state_of(flow)["route"] = route.name
        if route.backend is not None:
            query = paths.backend_query(route, request.path)
            request.path = flows.backend().path + route.backend + query

    def _socket(self, request: http.Request) -> paths.Route:
        if flows.is_dry_run() or ctx.options.codex_capture:
            # 426 at once sends the Codex CLI to HTTP for the rest of its session (contract 11, clients.md).
            raise ProxyError(
                426,
                "use_http",
                "A dry run and capture mode take requests over HTTP only: POST them instead.",
                headers={"Upgrade": "HTTP/1.1"},
            )
        upgrade.check(request.headers)
        return paths.SOCKET
