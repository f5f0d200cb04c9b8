"""Access control: local callers, or those with the client key; never a page of another origin in a browser."""

import base64

from mitmproxy import ctx, http

from ..errors import ProxyError
from ..front import caller, cors, routes, status_page
from ..layers import ours
from ..layers.listening import caller_address
from ..message import field_values
from ..net.listeners import is_loopback
from ..output import redact
from ..walk.exchange import Exchange
from . import exchanges
from .client_key import ClientKey
from .origins import Origins
from .refusal import malformed


def host_of(header: str) -> str:
    """The name in a `Host` header, without the port."""
    if header.startswith("["):
        return header[: header.find("]") + 1]
    return header.partition(":")[0]


def presented_key(headers: http.Headers, *, is_page: bool) -> str:
    """The key a caller shows: as bearer, or as `x-api-key`; for the page of `GET /` as password as well (RFC 7617).

    For that page alone: a browser sends a password it was once given with every request to this address, whichever page caused it.
    """
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and is_page:
        try:
            said = base64.b64decode(value.strip(), validate=True).decode("utf-8", "surrogateescape")
        except ValueError:
            return ""
        return said.partition(":")[2]
    return value.strip() if scheme.lower() == "bearer" else str(headers.get("x-api-key", ""))


def is_page(flow: http.HTTPFlow, route: str) -> bool:
    return flow.request.method == "GET" and route == "/"


def is_of_another_site(headers: http.Headers) -> bool:
    """Whether a page of another origin loads this, as an image or a script, without an `Origin` (Fetch Metadata). Links are allowed."""
    site, kind = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-dest", "")
    return site in ("cross-site", "same-site") and kind != "document"


def wrong_key(*, in_browser: bool) -> ProxyError:
    """`in_browser`: it asks the user for a name and a password (RFC 7617)."""
    return ProxyError(
        "wrong_client_key",
        "This proxy requires its client key: send it as the API key (Authorization: Bearer KEY, or x-api-key: KEY)"
        + (", or here in the browser as the password, with any user name." if in_browser else "."),
        headers={
            "www-authenticate": 'Basic realm="codex proxy", charset="UTF-8"' if in_browser else "Bearer",
            "x-should-retry": "false",
        },
    )


def refusal(
    flow: http.HTTPFlow, exchange: Exchange, key: ClientKey, shown: str, route: str, is_preflight: bool
) -> ProxyError | None:
    """Why a caller may not call; None if it may.

    `key` is the client key (empty: none), `shown` what the caller presented, `route` its path as in routes.ROUTES; a browser's
    preflight carries no key.
    """
    headers = flow.request.headers
    if ("origin" in headers or is_of_another_site(headers)) and not exchange.page:
        return ProxyError(
            "origin_refused",
            f"A web page ({headers.get('origin', 'of another site')[:100]}) may not use this proxy; programs may, as they send no Origin."
            " A page of your own may if codex_allow_origins names its origin.",
        )
    if key.value:
        is_open = is_preflight or route == "/healthz"
        if not is_open and not key.matches(shown):
            return wrong_key(in_browser=is_page(flow, route) and status_page.wanted(headers.get("accept", "")))
        return None
    if not is_loopback(caller_address(flow.client_conn).partition("%")[0]):
        return ProxyError(
            "not_this_machine",
            "Without a client key only this machine may use the proxy. Set codex_client_key to let others in.",
        )
    listening = flow.client_conn.sockname[0] if flow.client_conn.sockname else ""
    names = [host_of(value) for value in headers.get_all("host")]
    if flow.request.data.authority:
        names.append(host_of(flow.request.authority))
    if not names or not all(is_loopback(name) or name.strip("[]") == listening for name in names):
        return ProxyError(
            "host_refused",
            f"Host {', '.join(names)[:100] or '(none)'} is not a name of this machine; a web page may be behind it. Call the proxy as"
            " localhost or 127.0.0.1, or set codex_client_key, with which any name is accepted.",
        )
    return None


class Admit:
    """The first step: removes the client's credentials before anything can fail."""

    # mitmproxy calls a CONNECT an error before it asks.
    even_answered = True

    def __init__(self, key: ClientKey, origins: Origins) -> None:
        self.key, self.origins = key, origins

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        try:
            error, is_preflight = self._judged(flow, exchange)
            if error is None or not self.key.value or ctx.options.codex_capture:
                exchange.caller = exchange.caller or caller.name(flow.request.headers)
                exchanges.keep_original_head(flow, exchange)
        finally:
            take_off(flow)
        if error is not None:
            raise error
        if is_preflight:
            flow.response = http.Response.make(204, b"", cors.preflight(flow.request.headers))

    def _judged(self, flow: http.HTTPFlow, exchange: Exchange) -> tuple[ProxyError | None, bool]:
        """Why the caller may not call, and whether it is a browser that asks for a page. Asked before a head is copied and looked
        through for tokens; one without the key is that in capture mode alone."""
        if flow.is_replay == "request":  # replayed by the user at mitmweb: there is no caller
            return None, False
        route = routes.canonical(flow.request.path)
        name = field_values.malformed(flow.request.headers.fields)
        shown = presented_key(flow.request.headers, is_page=is_page(flow, route))
        is_preflight = self._let_page_in(flow, exchange)
        error = refusal(flow, exchange, self.key, shown, route, is_preflight) or (malformed(name) if name else None)
        return error, is_preflight

    def _let_page_in(self, flow: http.HTTPFlow, exchange: Exchange) -> bool:
        """Note the allowed web page, if one calls (`codex_allow_origins`); True for a preflight."""
        request = flow.request
        if request.headers.get("origin", "") not in self.origins.allowed:
            return False
        exchange.page = request.headers["origin"]
        return cors.is_preflight(request.method, request.headers)


def take_off(flow: http.HTTPFlow) -> None:
    """Remove the client's credentials, and let the request lead nowhere until the last step."""
    for name in redact.REQUEST_HEADERS:
        flow.request.headers.pop(name, None)
    flow.request.path = redact.query(flow.request.path)
    # Not by `request.host`, which would overwrite the client's Host.
    flow.request.data.host, flow.request.data.port = ours.NOWHERE
