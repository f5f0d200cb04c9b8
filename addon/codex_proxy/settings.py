"""Options that belong to no single step, and how a wrong one is told."""

import logging

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader

from . import upstream

logger = logging.getLogger(__name__)

UPSTREAM = "https://chatgpt.com/backend-api/codex"
ISSUER = "https://auth.openai.com"


def reject(message: str) -> None:
    """Tell of a wrong option: at the start an error in the log, which ends the process with status 1; later an OptionsError,
    which leaves the old value. (An OptionsError at the start would print a traceback; design, section 4.)"""
    if ctx.master.addons.get("proxyserver").is_running:
        raise exceptions.OptionsError(message)
    logger.error(message)


def seconds(name: str, text: str) -> float:
    """A time span from an option's text, in seconds; rejected if it is none."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        reject(f"{name}={text!r} is no number of seconds")
    return value


class Settings:
    def load(self, loader: Loader) -> None:
        loader.add_option("codex_upstream", str, UPSTREAM, "Base address of the Codex backend.")
        loader.add_option(
            "codex_originator", str, "nanobot-proxy", "Who we say we are: header originator, and User-Agent."
        )

    def configure(self, updated: set[str]) -> None:
        if "codex_upstream" in updated:
            try:
                upstream.parse(ctx.options.codex_upstream)
            except ValueError as e:
                reject(f"codex_upstream: {e}")
        if "codex_originator" in updated and not ctx.options.codex_originator.isprintable():
            reject("codex_originator has characters that no header may have")

    def running(self) -> None:
        # mitmproxy keeps names it does not know for later, without a word (its issue #5371).
        for name in ctx.options.deferred:
            if name.startswith("codex_"):
                known = ", ".join(sorted(n for n in ctx.options.keys() if n.startswith("codex_")))
                logger.error(f"There is no option {name}. There are: {known}")
