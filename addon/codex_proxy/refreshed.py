"""When something that is kept is asked for again: in the background, once at a time, and not soon after a failure.

What is kept meanwhile serves on; it is its owner's.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Refreshed:
    """`ask` gets it, tells whether that went well, and raises nothing. `life`: how long it is good; `rest`: how long after a failure
    it is not asked for again; both in seconds."""

    def __init__(
        self, ask: Callable[[], Awaitable[bool]], life: float, rest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._life, self._rest, self._clock = ask, life, rest, clock
        self._good_until = self._rests_until = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_old(self) -> bool:
        return self._clock() >= self._good_until

    @property
    def rests(self) -> bool:
        """Has it failed a moment ago?"""
        return self._clock() < self._rests_until

    def renew(self) -> None:
        """Ask in the background, if it is old."""
        if self.is_old and not self.rests:
            self.refresh()

    def refresh(self) -> asyncio.Task[None]:
        """The one request that is under way, or a new one."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._refresh())
        return self._asking

    async def wait(self, patience: float) -> None:
        """Wait for the request that is under way, if one is, for `patience` seconds at most."""
        if self._asking:
            await asyncio.wait({self._asking}, timeout=patience)

    def still_good(self) -> None:
        """It has not changed: its life begins again."""
        self._good_until = self._clock() + self._life

    def close(self) -> None:
        if self._asking:
            self._asking.cancel()

    async def _refresh(self) -> None:
        if await self._ask():
            self.still_good()
            self._rests_until = float("-inf")
        else:
            self._rests_until = self._clock() + self._rest
