"""An answer's stream on its way through: repaired, made a chat's where it is one, and kept for who looks at the flow."""

import time
from collections.abc import Callable

from .. import encodings
from ..answer import repair
from ..chat import chat_answer
from ..chat.chat_request import Chat
from ..errors import ProxyError
from . import flows

# Of a stream this much is kept for who looks at the flow afterwards, in bytes.
KEPT = 8 << 20

# Of so many pieces it is noted when they came; of more, of every second one.
MARKS = 4096


STOPPED = "ended at a stop text of the client's, the backend's connection too; its tokens are not known"


class EventStream:
    """Takes the backend's bytes as they come and gives the client's; lives as long as the stream.

    `at_end` is called with the answer when it has ended. A chat's goes through `chunks`, and `hang_up` is called where a text of
    the client's ended it before the backend did.
    """

    def __init__(
        self,
        state: flows.State,
        fixer: repair.Repair,
        decoder: encodings.StreamDecoder | None,
        at_end: Callable[[repair.Repair], None] | None = None,
        chunks: chat_answer.Chunks | None = None,
        hang_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.state, self.repair, self.decoder, self.at_end = state, fixer, decoder, at_end
        self.chunks, self.hang_up = chunks, hang_up
        self.closed = False
        self.kept = bytearray()
        # Tuples of numbers, which the garbage collector leaves out; lists it would look through each time, by the million.
        self.marks: list[tuple[int, int]] = state.setdefault("marks", [])

    def __call__(self, data: bytes) -> list[bytes]:
        if self.closed:
            return []
        self.state["heard_at"] = time.monotonic()
        self.state.setdefault("first_at", self.state["heard_at"])
        try:
            pieces = self._pieces(data)
        except ProxyError as e:
            pieces = [self.end(e.message, e.code or "stream_broken")]
            self.hang_up()
        except Exception as e:
            # Raised here, it would leave the client hanging without a word (mitmproxy "has crashed").
            flows.unforeseen("EventStream", e, self.state)
            pieces = [self.end("The proxy could not read the backend's stream.")]
        # Never an empty piece: mitmproxy would write it as the chunk that ends the body.
        joined = b"".join(pieces)
        if joined and len(self.kept) < KEPT:
            if len(self.marks) >= MARKS:
                del self.marks[1::2]
            self.marks.append((len(self.kept), round((self.state["heard_at"] - self.state["sent_at"]) * 1000)))
            self.kept += joined
        return [joined] if joined else []

    def _pieces(self, data: bytes) -> list[bytes]:
        if not data:
            self.closed = True
            pieces = self.repair.end()
        else:
            pieces = self.repair.feed(self.decoder(data) if self.decoder else data)
        if self.repair.ended and self.at_end:
            # Before the client has the last event, and asks on.
            self.at_end(self.repair)
            self.at_end = None
        if self.chunks:
            pieces = self.chunks.feed(pieces)
            if self.chunks.stream.stopped and not self.closed:
                self.closed = True
                stopped(self.state)
                self.hang_up()
        return pieces

    def end(self, why: str, code: str = "stream_broken") -> bytes:
        """What is left to say when the backend will not end the stream: nothing, or an `error` event."""
        if self.closed or self.repair.ended:
            self.closed = True
            return b""
        self.closed = True
        last = self.repair.broken(why, code)
        return b"".join(self.chunks.feed([last])) if self.chunks else last


def stopped(state: flows.State) -> None:
    """The backend's connection is ended because the client wants no more, which is no failure."""
    state["stopped"] = True
    state["notes"].append(STOPPED)


def chat_of(state: flows.State) -> tuple[Chat, str]:
    """How a chat is to be answered, and its model."""
    return Chat.of(state["chat"]), state["sent_model"]
