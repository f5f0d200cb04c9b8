"""The exchange of each flow that one of our listeners accepted, and what is saved of it."""

from weakref import WeakKeyDictionary

from mitmproxy import http

from ..front import routes
from ..outcome import Original
from ..output import redact
from ..output.redact import HIDDEN
from ..printable import printable
from ..walk.exchange import Exchange
from ..walk.saved import KEY, Saved, loaded, saved, shown

# Of a client's body this much is kept beside what went up, in bytes.
ORIGINAL_KEPT = 1 << 20

# Kept for good: a reloaded script finds the flows of the previous one.
_exchanges: WeakKeyDictionary[http.HTTPFlow, Exchange] = WeakKeyDictionary()

# The exchange of a flow; None for one that is not ours, or was loaded from a file.
of = _exchanges.get


def claim(flow: http.HTTPFlow) -> Exchange:
    """Take charge of a flow. Nothing in it can fail."""
    exchange = _exchanges[flow] = Exchange()
    return exchange


def begin(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """What is known from the start. A request that is replayed keeps its original and its caller."""
    before = loaded(flow.metadata.get(KEY)) if flow.is_replay else Saved()
    exchange.original, exchange.caller = before.original, before.caller
    flow.request.path = routes.escaped(flow.request.path)
    # mitmproxy prints it as it is; none that goes up is changed by this.
    flow.request.method = printable(flow.request.method)
    exchange.method, exchange.path = flow.request.method, redact.redact(routes.bare(flow.request.path))
    save(flow, exchange)


def save(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """Put what is to be saved into the flow."""
    flow.metadata[KEY] = saved(exchange)


def known(flow: http.HTTPFlow) -> Saved:
    """What is known of any flow: of a running one as it is now, of a loaded one as it was saved."""
    exchange = of(flow)
    return shown(exchange) if exchange is not None else loaded(flow.metadata.get(KEY))


def keep_original_head(flow: http.HTTPFlow, exchange: Exchange) -> None:
    """Keep what the client sent, except for secrets, to be compared with what went up.

    A replayed flow comes as it went up the first time, and keeps the original it has.
    """
    if exchange.original is not None:
        return
    headers = []
    for name, value in ((readable(name), readable(value)) for name, value in flow.request.headers.fields):
        hidden = name.lower() in redact.REQUEST_HEADERS
        headers.append((name, HIDDEN if hidden else redact.redact(value)))
    exchange.original = Original(exchange.method, redact.query(flow.request.path), headers)


def keep_original_body(exchange: Exchange, body: bytes) -> None:
    """The body without its codings, up to ORIGINAL_KEPT bytes."""
    original = exchange.original
    if original is None or original.body is not None:
        return
    original.body = body[:ORIGINAL_KEPT].decode("utf-8", "replace")
    original.body_size, original.body_cut = len(body), len(body) > ORIGINAL_KEPT


def readable(data: bytes) -> str:
    """A header's bytes as a text that can be saved: UTF-8, or else each byte a character, as HTTP once had it."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
