"""Rate limit for a client's WebSocket frames: pings, pongs, fragments and short messages, as each costs the event loop.

A fragment costs one; a ping, a pong and the end of a message, for which all addons are called, cost WHOLE. The budget starts full,
and grows with time and with the bytes that frames carry: no normal client uses it up.
"""

import time
from collections.abc import Callable

# There at once; more of it a second; bytes for one more; the cost of a control frame and of a message.
BURST, PER_SECOND, BYTES, WHOLE = 1000, 100.0, 512, 20

REASON = (
    f"Too many frames that carry almost nothing: at most {BURST} pieces of messages at once and {PER_SECOND:g} a second, or"
    f" {BURST // WHOLE} messages or pings and {PER_SECOND / WHOLE:g} a second."
)


class FrameBudget:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left, self._at = float(BURST), clock()

    def spend(self, carried: int, is_whole: bool) -> bool:
        """Count a frame with this many bytes of a message; `is_whole`: the end of one, or a control frame. False if it exceeds
        the budget."""
        now = self._clock()
        more = (now - self._at) * PER_SECOND + carried / BYTES - (WHOLE if is_whole else 1)
        self._left, self._at = min(BURST, self._left + more), now
        return self._left >= 0
