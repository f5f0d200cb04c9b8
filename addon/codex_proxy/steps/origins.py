"""The web origins that may call (`codex_allow_origins`)."""

from mitmproxy import ctx

from ..front import cors
from ..layers.option_checks import reject


class Origins:
    allowed: frozenset[str] = frozenset()

    def configure(self, updated: set[str]) -> None:
        if "codex_allow_origins" not in updated:
            return
        try:
            self.allowed = cors.parse(ctx.options.codex_allow_origins)
        except ValueError as e:
            reject(f"codex_allow_origins: {e}")
