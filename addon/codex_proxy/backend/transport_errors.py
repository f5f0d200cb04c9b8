"""Explain transport errors: the wording of mitmproxy and httpx2 → an error that says what to do."""

import re
from typing import NamedTuple

from .. import clock
from ..errors import ProxyError
from ..output import redact


class Trouble(NamedTuple):
    signs: re.Pattern[str]
    code: str
    explanation: str


def _trouble(signs: str, code: str, explanation: str) -> Trouble:
    return Trouble(re.compile(signs, re.I), code, explanation)


CLOSED = "{host} closed the connection before its answer was complete. Try again."

# The prefix of layers/backend_side.py for an unparsable answer; what follows may be the backend's own words.
GARBLED = "Garbled answer: "

# How much of a message is examined, and how much is shown, in characters.
LOOKED_AT, TOLD = 1000, 200

# First match wins. `{host}` is the backend's.
TROUBLES = (
    _trouble(r"^Malformed request|from client, refusing", "malformed_request", "The request is malformed; nothing was sent to the backend."),
    _trouble(rf"^{GARBLED}|from server, refusing|receive buffer too long|server _SWITCH_\w+ event", "backend_garbled", "What {host} answered is not HTTP."),
    _trouble(r"connect timeout", "backend_timeout", "{host} did not take the connection in time. Is the network up?"),
    _trouble(r"idle timeout", "backend_timeout", "{host} gave no answer{after}; whether it got the request is not known."),
    _trouble(r"stall timeout", "backend_timeout", "{host} stopped in the middle of its answer: nothing more came{after}."),
    _trouble(r"dead timeout", "backend_timeout", "The connection to {host} is dead; whether the request arrived is not known. Try again."),
    _trouble(r"total timeout", "backend_timeout", "{host} did not complete its answer in time."),
    _trouble(r"size timeout", "backend_garbled", "{host} sent more than the proxy accepts."),
    _trouble(
        r"too many open files", "proxy_out_of_files",
        "This proxy can open no more files, so no connection to {host}. Close some clients, or start it with a higher `ulimit -n`.",
    ),
    _trouble(r"refused HTTP CONNECT|proxy", "outgoing_proxy_failed", "The outgoing proxy (HTTPS_PROXY) did not let the request through."),
    _trouble(
        r"name or service|getaddrinfo|nodename nor|name resolution|no address associated|not known", "backend_unknown_host",
        "The name {host} can't be resolved. Is the network up?",
    ),
    _trouble(clock.OF_TIME.pattern, "backend_certificate", "The certificate of {host} is not valid at this machine's time."),
    _trouble(r"certificate", "backend_certificate", "The certificate of {host} is not trusted. Behind a company proxy, name its CA in SSL_CERT_FILE."),
    _trouble(r"TLS|SSL|handshake", "backend_tls", "The TLS handshake with {host} failed."),
    _trouble(r"refused|connect call failed|unreachable|no route", "backend_unreachable", "{host} can't be reached. Is the network up?"),
    _trouble(r"without sending complete", "backend_closed", CLOSED),
    _trouble(r"protocol error|cannot parse|unexpected server response|invalid header|illegal|content-length|transfer-encoding|malformed", "backend_garbled", "What {host} answered is not HTTP."),
    _trouble(r"not the way to the Codex backend|unclaimed", "not_sent", "The request was not sent, because another addon of this mitmproxy failed or redirected it."),
    _trouble(r"closed connection|reset|disconnected|broken pipe", "backend_closed", CLOSED),
)  # fmt: skip

OTHER = _trouble("", "backend_unreachable", "{host} gave no answer.")


# Codes that, with an outgoing proxy in between, speak of that proxy.
ON_THE_WAY = ("backend_unknown_host", "backend_unreachable")


def explain(message: str, host: str, gave_up: str = "", via: str = "", after: float = 0) -> ProxyError:
    """The error for a failed exchange; `message` as mitmproxy or httpx2 worded it, `gave_up` which time-out of ours it was,
    `via` the outgoing proxy, if there is one, `after` how long it was waited, in seconds."""
    said = f"{gave_up} timeout" if gave_up else message[:LOOKED_AT]
    # By its own words: those that stand in the place of a secret are signs as well.
    trouble = next((t for t in TROUBLES if t.signs.search(said)), OTHER)
    message = said if gave_up else redact.short(message, LOOKED_AT)
    waited = f" for {after:g} s" if after else ""
    detail = "" if gave_up else f" ({message[:TOLD]})"
    if doubt := clock.doubt(message):
        detail = f" {doubt}{detail}"
    if via and trouble.code in ON_THE_WAY:
        text = f"The outgoing proxy {via} (HTTPS_PROXY) can't be reached."
        return ProxyError("outgoing_proxy_failed", text + detail)
    return ProxyError(trouble.code, trouble.explanation.format(host=host, after=waited) + detail)
