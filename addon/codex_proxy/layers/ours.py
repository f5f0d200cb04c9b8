"""Tell which listeners and connections are ours, and where their requests may go."""

from mitmproxy import connection, ctx, http
from mitmproxy.proxy.mode_specs import ReverseMode

from ..net import upstream

# Where a request goes that no step has sent on: a name without an address (RFC 6761, section 6.4).
NOWHERE = ("unclaimed.invalid", 443)

CHATGPT = "chatgpt.com"


def backend() -> upstream.Upstream:
    """The configured backend, `codex_upstream`."""
    return upstream.parse(ctx.options.codex_upstream)


def is_our_client(client: connection.Client) -> bool:
    """Did it connect to a listener of ours?"""
    return isinstance(client.proxy_mode, ReverseMode) and is_our_mode(client.proxy_mode)


def is_our_mode(mode: ReverseMode) -> bool:
    """Is it a reverse listener whose target is ChatGPT or the configured backend?"""
    if mode.scheme not in ("http", "https"):
        return False
    host, port = mode.address[0], mode.address[1]
    return host == CHATGPT or (host, port) == (backend().host, backend().port)


def is_ours(flow: http.HTTPFlow) -> bool:
    """A flow of a client of ours that is under way; one loaded from a file is not (`live`)."""
    return bool(flow.live) and is_our_client(flow.client_conn)


def is_dry_run() -> bool:
    """Does nothing go to the backend, whatever comes? (`codex_dry_run`)"""
    return str(ctx.options.codex_dry_run).lower() == "true"
