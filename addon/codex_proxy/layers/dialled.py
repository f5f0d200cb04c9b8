"""A connection to the backend that we have dialled: how it ended, and how long it was idle."""

import asyncio
import socket
import time

from ..net import dialing

# A connection that has carried nothing for this long is not used again, in seconds: less than servers and routers keep one.
KEPT = 20.0


class Dialled(asyncio.StreamReaderProtocol):
    """The protocol of such a connection; it looks before the socket is closed."""

    def __init__(self, sock: socket.socket) -> None:
        self.reader = asyncio.StreamReader()
        super().__init__(self.reader)
        self._sock = sock
        self._before: int | None = None
        self._after: int | None = None
        self.lost: BaseException | None = None
        """What ended it, if that was not the peer."""
        self.rest()

    async def open(self) -> asyncio.StreamWriter:
        """Read and write from now on. Raises OSError."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(lambda: self, sock=self._sock)
        except BaseException:
            self._sock.close()
            raise
        return asyncio.StreamWriter(transport, self, self.reader, loop)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost, self._after = exc, dialing.acknowledged(self._sock)
        super().connection_lost(exc)

    def begin(self) -> None:
        """A request is about to go out, on a connection that has been used before."""
        self._before = dialing.acknowledged(self._sock)

    def rest(self) -> None:
        """Nothing is asked any more."""
        # A computer that sleeps stops the first of these clocks, and one that is set moves the second.
        self._idle_since = time.monotonic(), time.time()

    def idle_for(self) -> float:
        """Seconds since nothing is asked."""
        return max(time.monotonic() - self._idle_since[0], time.time() - self._idle_since[1])

    @property
    def died(self) -> bool:
        """Did it end because the peer is not there any more?"""
        return isinstance(self.lost, OSError) and self.lost.errno in dialing.DIED

    @property
    def took_nothing(self) -> bool:
        """Is it known that the peer has acknowledged no byte of the last request?"""
        return self._before is not None and self._after == self._before
