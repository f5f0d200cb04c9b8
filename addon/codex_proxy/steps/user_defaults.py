"""The user's defaults for fields the client leaves unset: effort, summary, verbosity and instructions."""

import os
from dataclasses import replace
from pathlib import Path

from mitmproxy import ctx

from .. import defaults
from ..layers.option_checks import reject
from ..net import text_source, upstream
from ..request import user_defaults as rules
from ..walk.options import CHOICES


class UserDefaults:
    source: text_source.FileText | text_source.WebText | None = None
    known = rules.NOTHING

    def configure(self, updated: set[str]) -> None:
        for name, words in CHOICES.items():
            chosen = getattr(ctx.options, name)
            if name in updated and chosen and chosen not in words:
                reject(f"{name}={chosen!r}; allowed: {', '.join(words)}, or empty")
        if updated & {"codex_instructions", "codex_originator"}:
            self.done()
            self.source = self._source(ctx.options.codex_instructions)
        self.known = rules.UserDefaults(
            ctx.options.codex_effort,
            ctx.options.codex_summary,
            ctx.options.codex_verbosity,
            of_model=ctx.options.codex_instructions == "model",
        )

    def _source(self, where: str) -> text_source.FileText | text_source.WebText | None:
        if where in ("", "none", "model"):
            return None
        folder = defaults.state_folder(os.environ, Path.home())
        try:
            return text_source.source(where, folder, upstream.user_agent(ctx.options.codex_originator))
        except ValueError as e:
            reject(f"codex_instructions: {e}. Allowed: none, model, a file or an https address")
            return None

    def running(self) -> None:
        if isinstance(self.source, text_source.WebText):
            self.source.renew()

    def done(self) -> None:
        if isinstance(self.source, text_source.WebText):
            self.source.close()

    async def now(self) -> rules.UserDefaults:
        """What the user wants, with the instructions as they are just now."""
        return replace(self.known, instructions=await self.source.current()) if self.source else self.known
