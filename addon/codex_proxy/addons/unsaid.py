"""What goes up where a client says nothing: the person's own effort, summary, verbosity and instructions."""

import os
from dataclasses import replace
from pathlib import Path

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from .. import defaults, upstream
from ..request import instructions, unsaid_rules
from .settings import reject

CHOICES = {
    "codex_effort": unsaid_rules.EFFORTS,
    "codex_summary": unsaid_rules.SUMMARIES,
    "codex_verbosity": unsaid_rules.VERBOSITIES,
}


class Unsaid:
    source: instructions.FileText | instructions.WebText | None = None
    known = unsaid_rules.NOTHING

    def load(self, loader: Loader) -> None:
        loader.add_option(
            "codex_instructions", str, "none",
            "Instructions where a client sends none: none; model: those the account's list of models has; a file; an https address.",
        )  # fmt: skip
        for name, words in CHOICES.items():
            what = name.removeprefix("codex_")
            loader.add_option(name, str, "", f"The {what} where a client asks for none: {', '.join(words)}.")

    def configure(self, updated: set[str]) -> None:
        for name, words in CHOICES.items():
            chosen = getattr(ctx.options, name)
            if name in updated and chosen and chosen not in words:
                reject(f"{name}={chosen!r}; it can be {', '.join(words)}, or empty")
        if updated & {"codex_instructions", "codex_originator"}:
            self.done()
            self.source = self._source(ctx.options.codex_instructions)
        self.known = unsaid_rules.Unsaid(
            ctx.options.codex_effort,
            ctx.options.codex_summary,
            ctx.options.codex_verbosity,
            of_model=ctx.options.codex_instructions == "model",
        )

    def _source(self, where: str) -> instructions.FileText | instructions.WebText | None:
        if where in ("", "none", "model"):
            return None
        folder = defaults.state_folder(os.environ, Path.home())
        try:
            return instructions.source(where, folder, upstream.user_agent(ctx.options.codex_originator))
        except ValueError as e:
            reject(f"codex_instructions: {e}. It can be none, model, a file or an address")
            return None

    def running(self) -> None:
        if isinstance(self.source, instructions.WebText):
            self.source.renew()

    def done(self) -> None:
        if isinstance(self.source, instructions.WebText):
            self.source.close()

    async def now(self) -> unsaid_rules.Unsaid:
        """What the person wants, with the instructions as they are just now."""
        return replace(self.known, instructions=await self.source.current()) if self.source else self.known
