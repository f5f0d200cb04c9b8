"""A streamed answer before it is bytes: what a failure can change about it."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import brotli  # type: ignore[import-untyped]
import zstandard

from ..wire.replies import End, Headers, Reply, Stream
from .events import Event, frame
from .items import Pieces

type Encoding = Literal["gzip", "br", "zstd"]


@dataclass
class Script:
    headers: Headers
    events: list[Event]
    render: Callable[[Event], bytes] = frame
    trailer: bytes = b""
    encoding: Encoding | None = None
    split: int = 0
    pieces: Pieces | None = None
    pauses: Callable[[int], dict[int, float]] | None = None
    """Number of pieces -> seconds to wait before a piece, by its place."""
    half_last: bool = False
    end: End = "proper"
    close_after: bool = False
    wait: float = 0
    content_type: str | None = "text/event-stream; charset=utf-8"

    def reply(self) -> Reply:
        pieces = list(self._pieces())
        if self.half_last:
            pieces[-1] = pieces[-1][: len(pieces[-1]) // 2]
        pauses = self.pauses(len(pieces)) if self.pauses else {}
        headers = list(self.headers)
        if self.content_type is not None:
            headers.insert(0, ("content-type", self.content_type))
        if self.encoding:
            headers.append(("content-encoding", self.encoding))
        stream = Stream(pieces, pauses, self.end)
        return Reply(200, headers, stream=stream, wait=self.wait, close_after=self.close_after)

    def _pieces(self) -> Iterator[bytes]:
        frames = [self.render(event) for event in self.events]
        if self.trailer:
            frames.append(self.trailer)
        if self.encoding:
            return compressed(frames, self.encoding)
        if self.split:
            return cut(b"".join(frames), self.split)
        if self.pieces:
            return iter([piece for piece in self.pieces(b"".join(frames)) if piece])
        return iter(frames)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def compressed(frames: list[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Each frame flushed, so that it could be read as it comes."""
    match encoding:
        case "gzip":
            gzip = zlib.compressobj(wbits=31)
            for data in frames:
                yield gzip.compress(data) + gzip.flush(zlib.Z_SYNC_FLUSH)
            yield gzip.flush()
        case "br":
            br = brotli.Compressor()
            for data in frames:
                yield br.process(data) + br.flush()
            yield br.finish()
        case "zstd":
            zstd = zstandard.ZstdCompressor().compressobj()
            for data in frames:
                yield zstd.compress(data) + zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            yield zstd.flush()
