"""End a request with an answer of the proxy's own, also after an unforeseen exception."""

import logging

from mitmproxy import http

from ..errors import ProxyError
from ..layers import own_answer, wire
from ..net import few_files
from ..outcome import Outcome
from ..walk.exchange import Exchange

logger = logging.getLogger(__name__)


def refuse(flow: http.HTTPFlow, exchange: Exchange, error: ProxyError) -> None:
    """Answer the client ourselves; nothing more goes to the backend."""
    error = few_files.instead(error)
    flow.response = own_answer.response(error)
    if flow.request.method == "HEAD":
        # mitmproxy would still send the body, and the client would take it for the next answer.
        flow.response.content = b""
    exchange.refused = exchange.refused or error.code or str(error.status)
    wire.forget(flow)
    if flow.request.data.content is None:
        # The body is still to come: read, so that the answer reaches the client, but not held.
        wire.bound_body(flow, 0)


def unforeseen(where: str, e: Exception, of: Outcome | None = None) -> ProxyError:
    """The answer for an unforeseen exception, with the traceback in the log, or for a lack of file descriptors, which can occur
    anywhere. `of` is the exchange or the turn, if there is one; without it nothing was sent."""
    if few_files.is_cause(e):
        return few_files.out_of_files(few_files.limit())
    logger.error(f"{where} failed.", exc_info=e)
    what = type(e).__name__
    return ProxyError(
        "proxy_failed", f"The proxy itself failed ({where}: {what}); {sent(of)}. Its log has the details."
    )


def sent(of: Outcome | None) -> str:
    """Whether the request was sent, for the middle of a sentence. After the last step (send.py) mitmproxy sends it, and how much
    went out is not known."""
    went = of is not None and of.sent_at is not None
    return "the request was already on its way to the backend" if went else "nothing was sent to the backend"


def malformed(name: str) -> ProxyError:
    """Refuse a head that two readers could understand differently (RFC 9110, section 5.5)."""
    return ProxyError(
        "malformed_request",
        f"The header {name} contains a character that no header may have (RFC 9110, section 5.5); nothing was sent to the backend.",
    )  # fmt: skip
