"""Time limits for the backend, in seconds: `codex_connect_timeout` and `codex_idle_timeout`."""

from mitmproxy import ctx

from ..layers.option_checks import seconds
from ..net import policy


class Timeouts:
    connect = policy.CONNECT_TIMEOUT
    """For a connection, TLS included."""
    idle = policy.IDLE_TIMEOUT
    """For the next byte of an answer."""

    def configure(self, updated: set[str]) -> None:
        if "codex_connect_timeout" in updated:
            self.connect = seconds("codex_connect_timeout", ctx.options.codex_connect_timeout)
        if "codex_idle_timeout" in updated:
            self.idle = seconds("codex_idle_timeout", ctx.options.codex_idle_timeout)
