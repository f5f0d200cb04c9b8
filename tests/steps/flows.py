"""Flows as the steps meet them."""

from mitmproxy import http

from codex_proxy.steps import exchanges
from codex_proxy.walk.exchange import Exchange


def claimed(flow: http.HTTPFlow) -> Exchange:
    """The exchange of a flow whose head has come."""
    exchange = exchanges.claim(flow)
    exchanges.begin(flow, exchange)
    return exchange
