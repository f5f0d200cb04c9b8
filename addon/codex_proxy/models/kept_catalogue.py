"""Cache of the catalogue, with the official client's rules (docs/backend.md, 1.3).

It is valid for five minutes, and longer while the answers to turns carry the same ETag. One request at a time fetches it, and the
last good one is used while none can be fetched.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from ..errors import ProxyError
from ..output.redact import redact
from ..refreshed import Refreshed
from .catalogue import NO_MODELS, UNKNOWN, Catalogue

logger = logging.getLogger(__name__)

# How long a catalogue is good, how long one that fails is not asked for again, and what asking may take in all; seconds.
LIFE, REST, WHOLE = 300.0, 30.0, 60.0

# How many ETags of other catalogues are remembered, for instance of clients with another version.
OTHERS = 64


class KeptCatalogue:
    def __init__(self, ask: Callable[[], Awaitable[Catalogue]], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._refreshed = Refreshed(self._get, LIFE, REST, clock)
        self.catalogue = UNKNOWN
        self.error: ProxyError | None = None
        """Why the last try failed."""
        self.got_at = 0.0
        """When it came, in unix seconds."""
        self._others: set[str] = set()
        self.renew, self.refresh, self.close = self._refreshed.renew, self._refreshed.refresh, self._refreshed.close

    @property
    def is_old(self) -> bool:
        return self._refreshed.is_old

    async def fresh(self, patience: float, insist: bool = False) -> Catalogue:
        """A current one if it arrives within `patience` seconds; else the last good one, which may be empty.

        Soon after a failure the backend is not asked again, unless one should `insist`.
        """
        if self.is_old and (insist or not self._refreshed.rests):
            self.refresh()
            await self._refreshed.wait(patience)
        return self.catalogue

    def heard(self, etag: str) -> None:
        """What a turn's answer says: with the same ETag the catalogue stays valid, with a new one it has changed."""
        if not self.catalogue or not etag:
            return
        if etag == self.catalogue.etag:
            self._refreshed.still_good()
        elif etag not in self._others and not self._refreshed.rests:
            if len(self._others) >= OTHERS:
                self._others.clear()
            self._others.add(etag)
            self.refresh()

    async def _get(self) -> bool:
        try:
            async with asyncio.timeout(WHOLE):
                found = await self._ask()
            if not found:
                raise ProxyError("no_models", NO_MODELS)
        except Exception as e:
            self._failed(e)
            return False
        if self.error:
            logger.info("The list of models can be fetched again.")
        self.catalogue, self.error, self.got_at = found, None, time.time()
        return True

    def _failed(self, e: Exception) -> None:
        if not isinstance(e, ProxyError):
            said = "it took too long" if isinstance(e, TimeoutError) else redact(str(e)) or type(e).__name__
            e = ProxyError("backend_error", f"The list of models can't be fetched: {said}.")
        if self.error is None or self.error.message != e.message:
            serves = " The last one stays in use." if self.catalogue else ""
            logger.warning(f"The list of models can't be fetched: {e.message}{serves}")
        self.error = e
        self._others.clear()
