"""Register the options from the table in walk/options.py, and check those that belong to no single step."""

import sys
from typing import Any

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from ..layers.option_checks import reject
from ..message.field_values import is_plain
from ..net import upstream
from ..output.redact import one_line
from ..walk.options import OPTIONS


class Options:
    def load(self, loader: Loader) -> None:
        for name, kind, default, text in OPTIONS:
            check_given(name, kind)
            loader.add_option(name, kind, default, text)

    def configure(self, updated: set[str]) -> None:
        self._check_names()
        for name in {"codex_upstream", "codex_issuer"} & updated:
            try:
                upstream.parse(getattr(ctx.options, name))
            except ValueError as e:
                reject(f"{name}: {e}")
        if "codex_originator" in updated and not is_plain(ctx.options.codex_originator):
            reject(
                f"codex_originator={ctx.options.codex_originator!r} can't be a header: only ASCII letters, digits and punctuation are allowed"
            )

    def _check_names(self) -> None:
        # mitmproxy keeps unknown names for later, silently (its issue #5371).
        for name in ctx.options.deferred:
            if name.startswith("codex_"):
                known = ", ".join(sorted(option.name for option in OPTIONS))
                reject(f"There is no option {name}. Known options: {known}")


def check_given(name: str, kind: Any) -> None:
    """Before an option is added: for a value that it can't have, or none, or two, mitmproxy would start without any addon of ours,
    say nothing, and pass all requests on."""
    given = getattr(ctx.options.deferred.get(name), "val", None)
    if given is None:
        return
    if kind is bool and (len(given) > 1 or not {*given} <= {"true", "false"}):
        sys.exit(one_line(f"{name}={' and '.join(given)}; allowed: true, false"))
    if kind is str and len(given) != 1:
        sys.exit(f"{name} is given {len(given)} times" if given else f"{name} has no value")
