"""Turn an error into an answer of the proxy's own."""

from mitmproxy import http

from ..errors import ProxyError


def response(error: ProxyError) -> http.Response:
    return http.Response.make(error.status, error.body(), {"content-type": "application/json", **error.headers})
