"""The listeners of this process: without one that leads to the backend, or with one that lets others in, nothing starts."""

from mitmproxy import connection, ctx
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from .. import listeners, open_files, port_holder
from ..listeners import ALLOW, Listener
from . import flows
from .settings import check_bool, logger, reject

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
        is_ours=reverse is not None and flows.is_our_mode(reverse),
        target=reverse.address[0] if reverse else "",
    )


def has_begun() -> bool:
    """Does this process listen, or is about to? Not with --options, -n, or where a test loads the script."""
    proxyserver = ctx.master.addons.get("proxyserver")
    return bool(proxyserver and (proxyserver.is_running or proxyserver.servers.is_updating or len(proxyserver.servers)))


def kept_from_listening() -> str | None:
    """At the start mitmproxy has tried to listen before it loads the script, and says what the system said."""
    proxyserver = ctx.master.addons.get("proxyserver")
    if not proxyserver or proxyserver.is_running:
        return None
    for server in proxyserver.servers:
        port = server.mode.listen_port(ctx.options.listen_port)
        if isinstance(server.last_exception, OSError) and port is not None:
            host = server.mode.listen_host(ctx.options.listen_host)
            if told := port_holder.why_not(host, port, server.last_exception):
                return told
    return None


class Listeners:
    def load(self, loader: Loader) -> None:
        open_files.raise_limit()
        check_bool(ALLOW)
        loader.add_option(
            ALLOW, bool, False,
            "Allow a regular, SOCKS, transparent, WireGuard or local listener of the same process that others can reach;"
            " through it they could use the Codex listener as a program of this machine.",
        )  # fmt: skip

    def configure(self, updated: set[str]) -> None:
        if not updated & DECIDING:
            return
        here = given()
        if has_begun() and (problem := listeners.none_of_ours(here, loads_flows=bool(ctx.options.rfile))):
            reject(problem)
        if problem := kept_from_listening():
            reject(problem)
        if problem := listeners.open_to_others(here):
            if not ctx.options.codex_allow_open_listeners:
                reject(problem)
            logger.warning(f"{ALLOW} is set. {problem.partition(' Leave it out')[0]}")

    def client_connected(self, client: connection.Client) -> None:
        """mitmproxy listens for a moment on what a change of options asks for, before the change is refused."""
        if not ctx.options.codex_allow_open_listeners and of(client.proxy_mode).is_open:
            client.error = f"--mode {client.proxy_mode.full_spec} is open to others, which {ALLOW} does not allow"
