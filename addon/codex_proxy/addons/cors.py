"""Which web origins may call, and what lets their pages read what they get; `cors_rules.py` has the rules."""

from collections.abc import Sequence

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from .. import cors_rules
from . import flows
from .settings import reject


class Cors:
    origins: frozenset[str] = frozenset()

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_allow_origins", Sequence[str], [],
            "Web origins whose pages may call, as in http://localhost:5173 or chrome-extension://ID; without one no page may.",
        )  # fmt: skip

    def configure(self, updated: set[str]) -> None:
        if "codex_allow_origins" not in updated:
            return
        try:
            self.origins = cors_rules.parse(ctx.options.codex_allow_origins)
        except ValueError as e:
            reject(f"codex_allow_origins: {e}")

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self.let_read(flow, flow.response)

    def response(self, flow: http.HTTPFlow) -> None:
        self.let_read(flow, flow.response)

    def let_read(self, flow: http.HTTPFlow, response: http.Response | None) -> None:
        """Let the page that asked, if a page did, read an answer."""
        if response is None or not flows.is_claimed(flow):
            return
        if page := flows.state_of(flow).get("page"):
            vary = [response.headers["vary"]] if "vary" in response.headers else []
            if "Origin" not in vary:
                response.headers["vary"] = ", ".join([*vary, "Origin"])
            for name, value in cors_rules.answer(page).items():
                response.headers[name] = value
