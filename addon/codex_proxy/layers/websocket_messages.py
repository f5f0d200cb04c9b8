"""Which WebSocket messages are kept, and which of the client's go up: only those that were approved."""

import asyncio
import time
import weakref
from collections.abc import Callable, Iterable

from mitmproxy import http
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

# Kept of one connection's messages, in bytes and in number; the oldest go first.
KEPT, MOST = 32 << 20, 1000

# A message not seen by our hooks within this time will not be seen at all, in seconds.
FORGOTTEN = 1.0

# Above this size, in bytes, a growing message is shown in a state at most this old, in seconds.
LONG, MOMENT = 64 << 10, 0.25


class Growing(WebSocketMessage):
    """The events of a turn as one message, which grows while they come."""

    def __init__(self, kept: bytearray, clock: Callable[[], float] = time.monotonic) -> None:
        self.kept: bytes | bytearray = kept
        self._clock = clock
        self._seen, self._seen_at = b"", float("-inf")
        super().__init__(Opcode.TEXT, False, b"")

    @property
    def content(self) -> bytes:
        # mitmweb reads it with each event, even unwatched: of a long one it gets a recent state.
        now = self._clock()
        if len(self.kept) <= LONG or now - self._seen_at >= MOMENT:
            self._seen, self._seen_at = bytes(self.kept), now
        return self._seen

    @content.setter
    def content(self, _: bytes) -> None:
        pass

    def ended(self) -> None:
        """The message is complete."""
        self.kept = bytes(self.kept)
        self._seen_at = float("-inf")


class Messages(list[WebSocketMessage]):
    """The messages of a connection. A client's message starts out dropped; the code that lets it through marks it.

    `forgotten` is called after a while if no hook `looked_at` it: another addon's exception kept it from ours.
    """

    let_go = 0
    """How many were let go, for there were too many."""

    def __init__(self, messages: Iterable[WebSocketMessage], forgotten: Callable[[], None]) -> None:
        super().__init__(messages)
        self.forgotten = forgotten
        self.growing: Growing | None = None
        self.newest: WebSocketMessage | None = None
        """The event that came last; those of its turn before it stand in `growing`."""
        self._new: weakref.WeakSet[WebSocketMessage] = weakref.WeakSet()

    def append(self, message: WebSocketMessage) -> None:
        if message.from_client:
            message.dropped = True
            self._new.add(message)
            asyncio.get_running_loop().call_later(FORGOTTEN, self._look, weakref.ref(message))
        super().append(message)

    def looked_at(self, message: WebSocketMessage) -> None:
        self._new.discard(message)

    def _look(self, ref: weakref.ref[WebSocketMessage]) -> None:
        if (message := ref()) in self._new and message:
            self.looked_at(message)
            self.forgotten()

    def take_out(self, message: WebSocketMessage) -> None:
        """Remove it; mostly it is one of the last."""
        for place in range(len(self) - 1, -1, -1):
            if self[place] is message:
                del self[place]
                return

    def trim(self) -> float:
        """Let the oldest go that are too many, but never the last two; the answer is the time of the oldest left."""
        size = sum(len(message.content) for message in self)
        while len(self) > 2 and (size > KEPT or len(self) > MOST):
            size -= len(self[0].content)
            del self[0]
            self.let_go += 1
        return self[0].timestamp if self else 0.0

    def fold(self, message: WebSocketMessage, kept: bytearray) -> float:
        """Let the events of a turn be one message, `kept`; but `message` is the last one, and on its way just now.

        The answer is the time of the one message.
        """
        if self.growing is None:
            self.growing = Growing(kept)
            self.insert(len(self) - 1, self.growing)
        if self.newest:
            self.take_out(self.newest)
        self.newest = message
        return self.growing.timestamp

    def turn_over(self) -> Callable[[], float]:
        """What comes next is of another turn. To be called once the last event has gone to the client; the answer is the
        time of the oldest message left."""
        growing, newest = self.growing, self.newest
        self.growing = self.newest = None

        def settle() -> float:
            if growing:
                growing.ended()
            if newest:
                self.take_out(newest)
            return self.trim()

        return settle


def watch(flow: http.HTTPFlow, forgotten: Callable[[], None]) -> None:
    """From now on only those of the client's messages go up that are let through."""
    assert flow.websocket
    if not isinstance(flow.websocket.messages, Messages):
        flow.websocket.messages = Messages(flow.websocket.messages, forgotten)


def of(flow: http.HTTPFlow) -> Messages:
    """The messages of a connection that is watched."""
    assert flow.websocket and isinstance(flow.websocket.messages, Messages)
    return flow.websocket.messages
