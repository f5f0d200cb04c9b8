"""Past responses, kept in memory for clients that rely on storage at the server; memory/store.py holds them."""

from collections.abc import Callable

from mitmproxy import ctx

from ..answer.repair import LAST, Repair
from ..layers.option_checks import reject, size
from ..memory import store as stored
from ..walk.exchange import Exchange


class Memory:
    def __init__(self) -> None:
        self.store = stored.Stored()

    def configure(self, updated: set[str]) -> None:
        if "codex_memory" not in updated:
            return
        room = size("codex_memory", ctx.options.codex_memory)
        if room is None:
            reject(
                f"codex_memory={ctx.options.codex_memory!r} is not a size; write it as 64m, 500k, 1g, or 0 for nothing"
            )
        else:
            self.store.room = room
        self.store.trim()

    def keeper(self, exchange: Exchange) -> Callable[[Repair], None]:
        """What keeps an answer at its end, before the client has it and can refer to it."""
        asked, exchange.asked = exchange.asked, None
        # Of a translated turn only the reasoning is wanted again, and only after a call.
        wanted = asked is not None or exchange.translation is not None
        caller = exchange.caller

        def keep(answer: Repair) -> None:
            if wanted and answer.ended in LAST:
                self.store.remember(caller, asked, answer.response)

        return keep
