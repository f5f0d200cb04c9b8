"""Let the pages that may call read what they get."""

from mitmproxy import http

from ..walk.exchange import Exchange
from .answer import Answer
from .page_access import let_read


class Cors:
    # Answer keeps only headers of the backend's that clients may see.
    after = (Answer,)

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        assert flow.response
        let_read(exchange, flow.response)

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        assert flow.response
        let_read(exchange, flow.response)
