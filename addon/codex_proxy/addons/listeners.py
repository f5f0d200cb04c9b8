"""Check the listeners of this process: do not start without one for the backend, or with one that lets others in."""

from mitmproxy import connection, ctx
from mitmproxy.addonmanager import Loader

from ..layers.listening import DECIDING, given, has_begun, kept_from_listening, of
from ..layers.option_checks import logger, reject
from ..net import listeners, open_files
from ..net.listeners import ALLOW


class Listeners:
    def load(self, loader: Loader) -> None:
        open_files.raise_limit()

    def configure(self, updated: set[str]) -> None:
        if not updated & DECIDING:
            return
        here = given()
        if has_begun() and (problem := listeners.none_of_ours(here, loads_flows=bool(ctx.options.rfile))):
            reject(problem)
        if problem := kept_from_listening():
            reject(problem)
        found = listeners.first_open(here)
        if found and ctx.options.codex_allow_open_listeners:
            logger.warning(f"{ALLOW} is set. {listeners.exposure(found)}")
        elif problem := listeners.open_to_others(here):
            reject(problem)

    def client_connected(self, client: connection.Client) -> None:
        """mitmproxy listens for a moment on what a change of options asks for, before the change is refused."""
        if not ctx.options.codex_allow_open_listeners and of(client.proxy_mode).is_open:
            client.error = (
                f"--mode {client.proxy_mode.full_spec} is open to other machines, which {ALLOW} does not allow"
            )
