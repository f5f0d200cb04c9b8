"""Add the CORS headers that let a web page read the answer; front/cors.py has the rules."""

from mitmproxy import http

from ..front import cors
from ..walk.exchange import Exchange


def let_read(exchange: Exchange, response: http.Response) -> None:
    if not exchange.page:
        return
    vary = [response.headers["vary"]] if "vary" in response.headers else []
    if "Origin" not in vary:
        response.headers["vary"] = ", ".join([*vary, "Origin"])
    for name, value in cors.answer(exchange.page).items():
        response.headers[name] = value
