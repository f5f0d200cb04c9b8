"""The proxy's memory of past responses as a service, with its option; memory/store.py holds them."""

from collections.abc import Callable

from mitmproxy import ctx

from ..answer.last import LAST
from ..answer.repair import StreamRepairer
from ..layers.option_checks import reject, size
from ..memory import store
from ..walk.exchange import Exchange


class Memory:
    def __init__(self) -> None:
        self.store = store.ResponseStore()

    def configure(self, updated: set[str]) -> None:
        if "codex_memory" not in updated:
            return
        room = size("codex_memory", ctx.options.codex_memory)
        if room is None:
            reject(
                f"codex_memory={ctx.options.codex_memory!r} is not a size; write it as 64m, 500k, 1g, or 0 to keep nothing"
            )
        else:
            self.store.room = room
        self.store.trim()

    def keeper(self, exchange: Exchange) -> Callable[[StreamRepairer], None]:
        """What keeps an answer at its end, before the client has it and can refer to it."""
        asked, exchange.asked = exchange.asked, None
        # Of a translated turn only the reasoning is needed again, and only after a call.
        wanted = asked is not None or exchange.translation is not None
        caller = exchange.caller

        def keep(answer: StreamRepairer) -> None:
            if wanted and answer.ended in LAST:
                self.store.remember(caller, asked, answer.response)

        return keep
