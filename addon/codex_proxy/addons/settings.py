"""Options that belong to no single step, and how a wrong one is told."""

import logging
import sys

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader

from .. import defaults, upstream
from ..field_values import is_plain
from ..redact import told

logger = logging.getLogger(__name__)


def reject(message: str) -> None:
    """Tell of a wrong option: at the start one line and exit status 1, before anything listens; later an OptionsError,
    which leaves the old value.

    (At the start an OptionsError would print a traceback, and an error in the log ends mitmproxy 12.2.3 on Python 3.13.0
    with a segmentation fault two times in five.)
    """
    message = told(message)
    proxyserver = ctx.master.addons.get("proxyserver")
    if proxyserver and not proxyserver.is_running:
        sys.exit(message)
    raise exceptions.OptionsError(message)


def seconds(name: str, text: str) -> float:
    """A time span from an option's text, in seconds; rejected if it is none."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        reject(f"{name}={text!r} is no number of seconds")
    return value


def check_bool(name: str) -> None:
    """From `load`, before the option is added: for a value that is neither true nor false mitmproxy would start without any
    addon of ours, say nothing, and pass all requests on."""
    given = getattr(ctx.options.deferred.get(name), "val", [])
    if len(given) > 1 or not {*given} <= {"true", "false"}:
        sys.exit(told(f"{name}={' and '.join(given)}; it can be true or false"))


# Options that may be given several times, or, as a bool, without a value.
CHECKED_BY_ITSELF = (
    "codex_model_map",
    "codex_dry_run",
    "codex_affinity",
    "codex_compress",
    "codex_allow_open_listeners",
    "codex_allow_origins",
    "codex_model_variants",
)


class Settings:
    def load(self, loader: Loader) -> None:
        self._check_given()
        loader.add_option("codex_upstream", str, defaults.UPSTREAM, "Base address of the Codex backend.")
        loader.add_option(
            "codex_originator", str, defaults.ORIGINATOR, "Who we say we are: header originator, and User-Agent."
        )

    def configure(self, updated: set[str]) -> None:
        self._check_names()
        if "codex_upstream" in updated:
            try:
                upstream.parse(ctx.options.codex_upstream)
            except ValueError as e:
                reject(f"codex_upstream: {e}")
        if "codex_originator" in updated and not is_plain(ctx.options.codex_originator):
            reject(
                f"codex_originator={ctx.options.codex_originator!r} can't be a header: it takes letters, digits and signs of ASCII"
            )

    def _check_given(self) -> None:
        # Otherwise mitmproxy starts without any addon of ours, says nothing, and passes the client's requests on as they are.
        for name, given in ctx.options.deferred.items():
            values = getattr(given, "val", [given])
            if name.startswith("codex_") and name not in CHECKED_BY_ITSELF and len(values) != 1:
                sys.exit(f"{name} is given {len(values)} times" if values else f"{name} is given without a value")

    def _check_names(self) -> None:
        # mitmproxy keeps names it does not know for later, without a word (its issue #5371).
        for name in ctx.options.deferred:
            if name.startswith("codex_"):
                known = ", ".join(sorted(n for n in ctx.options.keys() if n.startswith("codex_")))
                reject(f"There is no option {name}. There are: {known}")
