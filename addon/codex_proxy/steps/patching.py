"""The options for patching bodies: `codex_patch`, `codex_body_limit`, and those about the model's name."""

from mitmproxy import ctx

from ..errors import ProxyError
from ..layers.option_checks import reject, size
from ..models import name_map
from ..request import body_rules

PATCHES = ("full", "store")


class Patching:
    limit = 128 << 20
    """The largest request body taken, in bytes."""
    options = body_rules.PatchOptions()

    def configure(self, updated: set[str]) -> None:
        if "codex_body_limit" in updated:
            self.limit = size("codex_body_limit", ctx.options.codex_body_limit) or 0
            if self.limit <= 0:
                reject(f"codex_body_limit={ctx.options.codex_body_limit!r} is not a size; write it as 128m, 500k, 1g")
        if "codex_patch" in updated and ctx.options.codex_patch not in PATCHES:
            reject(f"codex_patch={ctx.options.codex_patch!r}; allowed: {' or '.join(PATCHES)}")
        if updated & {"codex_patch", "codex_model_map", "codex_model_default", "codex_model_aliases"}:
            given = ctx.options.codex_model_map, ctx.options.codex_model_default, ctx.options.codex_model_aliases
            try:
                models = name_map.parse(*given)
            except ValueError as e:
                reject(str(e))
            else:
                self.options = body_rules.PatchOptions(full=ctx.options.codex_patch != "store", models=models)

    def too_large(self) -> ProxyError:
        return ProxyError(
            "body_too_large", f"The request body is larger than {ctx.options.codex_body_limit}, which is the most this proxy takes"
            " (option codex_body_limit).",
        )  # fmt: skip
