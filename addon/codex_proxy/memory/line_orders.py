"""Remember in which order the lines of a conversation's instructions first went up; bounded in entries and bytes.

What is kept is no text: digests of conversations as they were asked, and for each of them numbers that put a request's own lines in order.
"""

import array
import threading
from collections import OrderedDict
from collections.abc import Sequence

# How many requests are remembered, and for how many bytes of their orders; those not used for longest go first.
MOST, ROOM = 4096, 4 << 20

# What an entry costs beside its order, in bytes.
COST = 200

# Lines that are put in order; more are left as they are.
LINES = 10_000

SEVERAL = b""


def order(lines: Sequence[str]) -> bytes:
    """The order of some lines (at most LINES): for each the place that it has among them when sorted."""
    return array.array("H", ranks(lines)).tobytes()


def ranks(lines: Sequence[str]) -> list[int]:
    found = [0] * len(lines)
    for rank, place in enumerate(sorted(range(len(lines)), key=lines.__getitem__)):
        found[place] = rank
    return found


def ordered(lines: Sequence[str], order: bytes) -> list[str]:
    """The lines in an order that was taken of the same lines."""
    by_rank = sorted(lines)
    return [by_rank[rank] for rank in array.array("H", order)]


class LineOrders:
    """The orders by the digest of what was asked; patching is done in threads."""

    def __init__(self, most: int = MOST, room: int = ROOM) -> None:
        self.most, self.room, self.size = most, room, 0
        self._lock = threading.Lock()
        self._orders: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._orders)

    def first_seen(self, asked: Sequence[bytes]) -> bytes | None:
        """The order that the longest known one of `asked` went up in, the longest first; None if none is known, or if that one went up
        in several orders, as of two conversations that are alike so far."""
        with self._lock:
            for digest in asked:
                if (found := self._orders.get(digest)) is not None:
                    self._orders.move_to_end(digest)
                    return None if found == SEVERAL else found
        return None

    def remember(self, asked: bytes, order: bytes) -> None:
        with self._lock:
            known = self._orders.pop(asked, None)
            if known is not None:
                self.size -= len(known) + COST
                order = order if known == order else SEVERAL
            self._orders[asked] = order
            self.size += len(order) + COST
            while len(self._orders) > self.most or self.size > self.room:
                _, gone = self._orders.popitem(last=False)
                self.size -= len(gone) + COST
