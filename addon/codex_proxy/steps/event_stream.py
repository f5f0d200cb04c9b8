"""Process an answer as it comes: repair it, translate it for clients of another dialect, and keep it for the views."""

import time
from collections.abc import Callable

from .. import dialect
from ..answer import long_lines, repair
from ..backend import refusals, transport_errors
from ..errors import ProxyError
from ..layers import ours
from ..layers.answer_stream import AnswerReader
from ..message import encodings
from ..walk.exchange import Exchange
from .refusal import unforeseen

# Of a stream this much is kept for the views, in bytes.
KEPT = 8 << 20

STOPPED = "ended at a stop string of the client, and so did the backend's connection; its tokens are unknown"

BROKE_OFF = "The backend broke off the stream before its last event: {}"


class EventStream(AnswerReader):
    """Takes the backend's bytes as they come and gives the client's; lives as long as the stream.

    `at_end` is called with the answer when it has ended. One of another dialect goes through `translated`, and `hang_up` is called where a
    stop text of the client's ended it before the backend did. `lines` keeps them short, for clients that need that.
    """

    def __init__(
        self,
        exchange: Exchange,
        fixer: repair.StreamRepairer,
        decoder: encodings.StreamDecoder | None,
        at_end: Callable[[repair.StreamRepairer], None] | None = None,
        translated: dialect.Stream | None = None,
        hang_up: Callable[[], None] = lambda: None,
        lines: long_lines.LongLines | None = None,
    ) -> None:
        self.exchange, self.repair, self.decoder, self.at_end = exchange, fixer, decoder, at_end
        self.translated, self.hang_up, self.lines = translated, hang_up, lines
        self.kept = bytearray()

    def __call__(self, data: bytes) -> list[bytes]:
        if self.is_over:
            return []
        now = time.monotonic()
        self.exchange.heard(now)
        try:
            pieces = self._pieces(data)
        except ProxyError as e:
            pieces = [self.end(e.message, e.code or "stream_broken")]
            self.hang_up()
        except Exception as e:
            # Raised here, it would leave the client hanging without a word (mitmproxy "has crashed").
            unforeseen("EventStream", e, self.exchange)
            pieces = [self.end("The proxy could not read the backend's stream.")]
        # Never an empty piece: mitmproxy would write it as the chunk that ends the body.
        joined = b"".join(pieces)
        if joined and len(self.kept) < KEPT:
            self.exchange.mark(len(self.kept), now)
            self.kept += joined
        return [joined] if joined else []

    def rest(self) -> bytes:
        return b"".join(self(b""))

    def _pieces(self, data: bytes) -> list[bytes]:
        if not data:
            if failure := given_up(self.exchange):
                raise ProxyError("stream_broken", BROKE_OFF.format(failure.message))
            pieces = self.repair.end()
        else:
            pieces = self.repair.feed(self.decoder(data) if self.decoder else data)
        if self.repair.ended and self.at_end:
            # Before the client has the last event, and asks on.
            self.at_end(self.repair)
            self.at_end = None
        if self.translated:
            pieces = self.translated.feed(pieces)
            if self.translated.stopped and not self.repair.ended:
                self.is_over = True
                stopped(self.exchange)
                self.hang_up()
        if self.repair.ended:
            self._close()
        return self.lines.feed(pieces) if self.lines else pieces

    def _close(self) -> None:
        self.is_over = True
        if self.repair.error is not None and self.repair.breaks_off:
            self.broken = f"The answer failed: {refusals.in_stream(self.repair.error).message}"

    def end(self, why: str, code: str = "stream_broken") -> bytes:
        """The end of a stream that the backend does not end: nothing, or that it failed."""
        if self.is_over:
            return b""
        last = self.repair.broken(why, code)
        self._close()
        return b"".join(self.translated.feed(last) if self.translated else last)


class WholeAnswer(AnswerReader):
    """Takes the backend's bytes for a client that gets one object; `made` is that object."""

    def __init__(
        self,
        exchange: Exchange,
        decoder: encodings.StreamDecoder | None = None,
        hang_up: Callable[[], None] = lambda: None,
    ) -> None:
        self.exchange, self.decoder, self.hang_up = exchange, decoder, hang_up
        self.repair = repair.StreamRepairer()
        translation = exchange.translation
        self.document = translation.document(exchange.sent_model) if translation else None
        self.failure: ProxyError | None = None

    def __call__(self, data: bytes) -> None:
        self.exchange.heard_at = time.monotonic()
        if self.is_over:
            return
        try:
            self._read(self.repair.feed(self.decoder(data) if self.decoder else data))
        except ProxyError as e:
            self._give_up(e)
        except Exception as e:
            self._give_up(unforeseen("WholeAnswer", e, self.exchange))

    def _read(self, frames: list[bytes]) -> None:
        if self.document:
            self.document.feed(frames)
            if self.document.stopped and not self.repair.ended:
                self.is_over = True
                stopped(self.exchange)
                self.hang_up()
        self.is_over = self.is_over or bool(self.repair.ended)

    def _give_up(self, failure: ProxyError) -> None:
        self.is_over, self.failure = True, failure
        self.hang_up()

    def judged(self, failure: ProxyError) -> ProxyError:
        """The failure of a turn that was paid is not asked for twice more by SDKs, as it is not where it is streamed."""
        if self.repair.has_begun:
            failure.headers |= refusals.RETRY_NOT
        return failure

    def made(self) -> bytes:
        """The object, when nothing more comes. Raises ProxyError where the answer failed."""
        if not self.is_over:
            if failure := given_up(self.exchange):
                raise failure
            self._read(self.repair.end())
        if self.failure:
            raise self.judged(self.failure)
        if self.repair.error is not None:
            raise self.judged(refusals.in_stream(self.repair.error))
        return self.document.made() if self.document else self.repair.response


def given_up(exchange: Exchange) -> ProxyError | None:
    """Why the proxy ended the backend's connection, if it did: a body without a length ends well with that."""
    if not exchange.gave_up:
        return None
    return transport_errors.explain("", ours.backend().host, exchange.gave_up, after=exchange.gave_up_after)


def stopped(exchange: Exchange) -> None:
    """The backend's connection is ended because the client needs no more, which is not a failure."""
    exchange.stopped = True
    exchange.note(STOPPED)


def tell_ending(exchange: Exchange, ended: repair.StreamRepairer) -> None:
    """Keep what the end of a stream told: tokens, failures inside it, what was left out."""
    if ended.usage:
        exchange.tokens = ended.usage.counts()
    if ended.error is not None:
        exchange.error = str(ended.error.get("code") or "failed")
    for text in ended.notes:
        exchange.note(text)
