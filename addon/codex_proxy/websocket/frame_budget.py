"""How many frames of a WebSocket a client may send: pings, pongs, fragments and short messages alike, each of which costs the loop.

A piece of a message costs one, a ping, a pong and the end of a message, which all addons are called for, cost WHOLE. So much is
there at once, and more comes with time and with what the frames carry: no client that has something to say runs out of it.
"""

import time
from collections.abc import Callable

# There at once; more of it a second; bytes for one more; the cost of a control frame and of a message.
BURST, PER_SECOND, BYTES, WHOLE = 1000, 100.0, 512, 20

REASON = (
    f"Too many frames with next to nothing in them: at most {BURST} pieces of messages at once and {PER_SECOND:g} a second, or"
    f" {BURST // WHOLE} messages or pings and {PER_SECOND / WHOLE:g} a second."
)


class FrameBudget:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._at = float(BURST), clock()

    def spend(self, carried: int, is_whole: bool) -> bool:
        """A frame with so many bytes of a message in it has come; `is_whole` is the end of one, or a control frame. False where
        it is one too many."""
        now = self._clock()
        more = (now - self._at) * PER_SECOND + carried / BYTES - (WHOLE if is_whole else 1)
        self._left, self._at = min(BURST, self._left + more), now
        return self._left >= 0
