"""Who may call: this machine, or whoever presents the client key; never a page of another origin in a browser."""

import asyncio
import base64
import hmac
import os
from pathlib import Path

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import bounded_files, caller, cors_rules, field_values, html_page, listeners, paths, redact
from ..errors import ProxyError
from ..listeners import is_loopback
from . import flows
from .listeners import DECIDING, given
from .settings import logger, reject

# Longer than any key, in bytes.
KEY_LIMIT = 64 << 10


def host_of(header: str) -> str:
    """The name in a `Host` header, without the port."""
    if header.startswith("["):
        return header[: header.find("]") + 1]
    return header.partition(":")[0]


def presented_key(headers: http.Headers, *, is_page: bool) -> str:
    """The key a caller shows: as bearer, or as `x-api-key`; for the page of `GET /` as password as well (RFC 7617).

    For that page alone: a browser sends a password it was once given with every request to this address, whoever made it do so.
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
    """Does a page of another origin load this, as a picture or a script, without an `Origin` (Fetch Metadata)? A link may be followed."""
    site, kind = headers.get("sec-fetch-site", ""), headers.get("sec-fetch-dest", "")
    return site in ("cross-site", "same-site") and kind != "document"


def as_bytes(text: str) -> bytes:
    """Of a header, a variable or an argument the bytes that it was, text or not (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def resolve_key(option: str) -> str:
    """The client key that `codex_client_key` names. Raises ValueError."""
    kind, colon, rest = option.partition(":")
    if colon and kind == "env":
        key = os.environ.get(rest, "")
        if not key:
            raise ValueError(f"the environment has no {rest}")
    elif colon and kind == "file":
        try:
            key = bounded_files.read(Path(rest).expanduser(), KEY_LIMIT).decode().strip()
        except RuntimeError as e:
            raise ValueError(f"{rest}: {e}") from e
        except OSError as e:
            raise ValueError(f"{rest} can't be read: {e.strerror}") from e
        except UnicodeDecodeError as e:
            raise ValueError(f"{rest} can't be read: it is not text in UTF-8") from e
        if not key:
            raise ValueError(f"{rest} is empty")
    else:
        key = option
    if field_values.malformed([(b"key", as_bytes(key))]):
        raise ValueError("there is a line end or a control character in the key, which no client can present")
    return key


def wrong_key(*, in_browser: bool) -> ProxyError:
    """`in_browser`: it asks the person for a user name and a password (RFC 7617)."""
    return ProxyError(
        401,
        "wrong_client_key",
        "This proxy wants its client key: give it as the API key (Authorization: Bearer KEY, or x-api-key: KEY)"
        + (", or here in the browser as the password, with any user name." if in_browser else "."),
        headers={
            "www-authenticate": 'Basic realm="codex proxy", charset="UTF-8"' if in_browser else "Bearer",
            "x-should-retry": "false",
        },
    )


def refusal(flow: http.HTTPFlow, key: str, shown: str, route: str, is_preflight: bool) -> ProxyError | None:
    """Why a caller may not call; None if it may.

    `key` is the client key (empty: none), `shown` what the caller presented, `route` its path as in paths.ROUTES; a browser's
    preflight carries no key.
    """
    headers = flow.request.headers
    if ("origin" in headers or is_of_another_site(headers)) and "page" not in flows.state_of(flow):
        return ProxyError(
            403,
            "origin_refused",
            f"A web page ({headers.get('origin', 'of another site')[:100]}) may not use this proxy; programs may, they send no Origin."
            " A page of your own may if codex_allow_origins names its origin.",
        )
    if key:
        is_open = is_preflight or route == "/healthz"
        if not is_open and not hmac.compare_digest(as_bytes(shown), as_bytes(key)):
            return wrong_key(in_browser=is_page(flow, route) and html_page.wanted(headers.get("accept", "")))
        return None
    peer = flow.client_conn.peername[0] if flow.client_conn.peername else ""
    if not is_loopback(peer.partition("%")[0]):
        return ProxyError(
            403,
            "not_this_machine",
            "Without a client key only this machine may use the proxy. Set codex_client_key to let others in.",
        )
    listening = flow.client_conn.sockname[0] if flow.client_conn.sockname else ""
    names = [host_of(value) for value in headers.get_all("host")]
    if flow.request.data.authority:
        names.append(host_of(flow.request.authority))
    if not names or not all(is_loopback(name) or name.strip("[]") == listening for name in names):
        return ProxyError(
            403,
            "host_refused",
            f"Host {', '.join(names)[:100] or '(none)'} is not a name of this machine; a web page may be behind it. Call the proxy as"
            " localhost or 127.0.0.1, or set codex_client_key, with which any name will do.",
        )
    return None


def malformed(name: str) -> ProxyError:
    """A head that two readers could understand in two ways goes nowhere (RFC 9110, section 5.5)."""
    return ProxyError(
        400, "malformed_request",
        f"The header {name} has a character in it that no header may have (RFC 9110, section 5.5); nothing was sent to the backend.",
    )  # fmt: skip


class Guard:
    """The first step: takes charge of the flow and takes the client's credentials off before anything can fail."""

    def __init__(self) -> None:
        self.key = ""
        self._hidden = ""
        """The key that the option's hidden text stands for."""

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_client_key", str, "",
            "Key that a caller has to present; without one only this machine may call. env:NAME or file:PATH keep it off the"
            " command line, where every user of the machine can read it.",
        )  # fmt: skip

    def configure(self, updated: set[str]) -> None:
        key = self._read_key(ctx.options.codex_client_key) if "codex_client_key" in updated else self.key
        if updated & {"codex_client_key", *DECIDING}:
            # Listening beyond this machine without a key is refused, with the way out.
            if not key and (problem := listeners.without_key(given())):
                reject(problem)
        # Last: what is refused above leaves the key as it was, whatever becomes of the option.
        self.key = key
        redact.KNOWN.know("client key", key)

    def _read_key(self, option: str) -> str:
        if option == redact.HIDDEN:
            if not self._hidden:
                reject(
                    "codex_client_key: of a key that was hidden only that is left; set it again, as env:NAME or file:PATH"
                )
            # mitmproxy puts the old text back after any addon has refused a new one.
            return self._hidden
        key = ""
        try:
            key = resolve_key(option)
        except ValueError as e:
            reject(f"codex_client_key: {e}")
        if key and key == option:
            logger.warning(
                "codex_client_key holds the key itself, which every user of this machine can read off the command line;"
                " env:NAME or file:PATH are safer."
            )
            asyncio.get_running_loop().call_soon(self._hide, key)
        return key

    def _hide(self, key: str) -> None:
        """mitmweb's options page shows every option, and `options.save` writes it."""
        if ctx.options.codex_client_key == key:  # or another addon has refused it
            self._hidden = key
            ctx.options.update(codex_client_key=redact.HIDDEN)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not flows.is_ours(flow):
            return
        flows.claim(flow)
        try:
            error, is_preflight = self._judged(flow)
            if error is None or not self.key or ctx.options.codex_capture:
                flows.state_of(flow).setdefault("caller", caller.name(flow.request.headers))
                flows.keep_original_head(flow)
            self._take_off(flow)
            if error is not None:
                flows.refuse(flow, error)
            elif is_preflight:
                flow.response = http.Response.make(204, b"", cors_rules.preflight(flow.request.headers))
        except Exception as e:
            self._take_off(flow)
            flows.refuse(flow, flows.unforeseen("Guard", e))

    def _judged(self, flow: http.HTTPFlow) -> tuple[ProxyError | None, bool]:
        """Why the caller may not call, and whether it is a browser that asks for a page. Asked before a head is copied and looked
        through for tokens; one without the key is that in capture mode alone."""
        if flow.is_replay == "request":  # replayed by the person at mitmweb: there is no caller
            return None, False
        route = paths.canonical(flow.request.path)
        name = field_values.malformed(flow.request.headers.fields)
        shown = presented_key(flow.request.headers, is_page=is_page(flow, route))
        is_preflight = self._let_page_in(flow)
        error = refusal(flow, self.key, shown, route, is_preflight) or (malformed(name) if name else None)
        return error, is_preflight

    def _let_page_in(self, flow: http.HTTPFlow) -> bool:
        """Note the page that may call, if one does (`codex_allow_origins`); True if its browser only asks whether it may."""
        request = flow.request
        if request.headers.get("origin", "") not in ctx.master.addons.get("cors").origins:
            return False
        flows.state_of(flow)["page"] = request.headers["origin"]
        return cors_rules.is_preflight(request.method, request.headers)

    def _take_off(self, flow: http.HTTPFlow) -> None:
        for name in redact.REQUEST_HEADERS:
            flow.request.headers.pop(name, None)
        flow.request.path = redact.query(flow.request.path)
        # Not by `request.host`, which would write the client's Host anew.
        flow.request.data.host, flow.request.data.port = flows.NOWHERE

    def error(self, flow: http.HTTPFlow) -> None:
        """A flow that another addon's exception kept from all our steps leads nowhere; its client gets a word of it."""
        if flows.is_ours(flow) and not flows.is_claimed(flow):
            self._take_off(flow)
            flows.claim(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        """A flow of ours that another addon's exception kept from being claimed does not go out."""
        if flows.is_ours(flow) and not flows.is_claimed(flow):
            self._take_off(flow)
            flows.claim(flow)
            flows.refuse(
                flow,
                ProxyError(
                    500,
                    "not_claimed",
                    "The proxy did not get to see this request's head, because another addon failed; nothing was sent to the"
                    " backend. mitmproxy's log says which.",
                ),
            )
