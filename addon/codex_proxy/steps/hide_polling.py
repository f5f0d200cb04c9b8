"""Hide the status page's polling from the log, saved flows and mitmweb, which would hold little else."""

from mitmproxy import http

from ..walk.exchange import Exchange
from .route import Route

# The query of the page's polling.
LIVE = "live"


class HidePolling:
    after = (Route,)

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        exchange.hidden = exchange.route.name == "about" and flow.request.path.endswith(f"?{LIVE}")
