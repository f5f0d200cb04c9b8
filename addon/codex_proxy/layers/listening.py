"""The listeners that mitmproxy's options request, and why one could not listen."""

from mitmproxy import connection, ctx
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from ..net import port_holder
from ..net.listeners import ALLOW, Listener
from . import ours
from .found_addon import proxyserver

# Options that decide what listens where, and for whom.
DECIDING = {"mode", "listen_host", "listen_port", "server", "codex_upstream", ALLOW}


def given() -> list[Listener]:
    """The listeners that mitmproxy's options ask for; those it will refuse itself are left out."""
    found = []
    for spec in ctx.options.mode if ctx.options.server else ():
        try:
            found.append(of(ProxyMode.parse(spec)))
        except ValueError:
            continue
    return found


def of(mode: ProxyMode) -> Listener:
    reverse = mode if isinstance(mode, ReverseMode) else None
    return Listener(
        spec=mode.full_spec,
        kind=mode.type_name,
        # Modes without a port of their own have no address either (mode_specs.py).
        host=None if mode.default_port is None else mode.listen_host(ctx.options.listen_host),
        port=mode.custom_listen_port or ctx.options.listen_port,
        is_ours=reverse is not None and ours.is_our_mode(reverse),
        target=reverse.address[0] if reverse else "",
    )


def has_begun() -> bool:
    """Does this process listen, or is about to? Not with --options, -n, or where a test loads the script."""
    server = proxyserver()
    return bool(server and (server.is_running or server.servers.is_updating or len(server.servers)))


def kept_from_listening() -> str | None:
    """At the start mitmproxy has tried to listen before it loads the script, and says what the system said."""
    server = proxyserver()
    if not server or server.is_running:
        return None
    for one in server.servers:
        port = one.mode.listen_port(ctx.options.listen_port)
        if isinstance(one.last_exception, OSError) and port is not None:
            host = one.mode.listen_host(ctx.options.listen_host)
            if told := port_holder.explain(host, port, one.last_exception):
                return told
    return None


def caller_address(client: connection.Client) -> str:
    """The address a connection comes from; where another listener of this process made it, that of who called there."""
    peer = client.peername[:2] if client.peername else ("", 0)
    server = proxyserver()
    for handler in server.connections.values() if server else ():
        if handler.client.id != client.id and any(
            made is not handler.client and made.sockname and made.sockname[:2] == peer for made in handler.transports
        ):
            return caller_address(handler.client)
    return peer[0]
