"""Read HTTP/1 bodies as they arrive (RFC 9112, sections 6 and 7); chunk extensions and trailers are dropped."""

import re
from typing import Protocol

# A chunk's size with its extensions, in bytes.
CHUNK_LINE = 4096

# What there may be between a client's chunks beyond what they hold, in bytes; to read each of them takes as long as EACH more.
OVERHEAD, EACH = 512 << 10, 32

# The trailers of a body, in bytes.
TRAILERS = 64 << 10

SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")

# The sizes that small chunks have, as they are written.
SMALL = {form % size: size for size in range(1, 256) for form in (b"%x", b"%X")}


class BodyError(Exception):
    """The bytes are not a valid body; the message says why."""


class BodyReader(Protocol):
    def read(self, data: bytearray) -> tuple[bytes, bool]:
        """Consume the part of the body in `data`; returns it, and whether the body ends there. Raises BodyError."""

    def end(self) -> None:
        """The connection has ended. Raises BodyError where more was to come."""


class Sized:
    """A body with a Content-Length."""

    def __init__(self, length: int) -> None:
        self.length = self.left = length

    def read(self, data: bytearray) -> tuple[bytes, bool]:
        piece = bytes(data[: self.left])
        del data[: self.left]
        self.left -= len(piece)
        return piece, not self.left

    def end(self) -> None:
        # Words that transport_errors.py knows from mitmproxy.
        got = self.length - self.left
        raise BodyError(
            f"peer closed connection without sending complete message body (received {got} bytes, expected {self.length})"
        )


class UntilEnd:
    """A body that ends with its connection."""

    def read(self, data: bytearray) -> tuple[bytes, bool]:
        piece = bytes(data)
        data.clear()
        return piece, False

    def end(self) -> None:
        pass


class Chunked:
    """A body in chunks: many small ones come out as one piece. `overhead` bounds what is between them; None: nothing does."""

    def __init__(self, overhead: int | None = OVERHEAD) -> None:
        self.left = 0
        """Of the chunk that is being read, in bytes."""
        self.state = "size"
        self.allowed = overhead
        self.overhead = 0
        self.trailers = 0
        self.looked = 0

    def read(self, data: bytearray) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        came, at = bytes(data), 0
        while self.state != "over":
            if self.state == "size":
                at = self._take_whole(came, at, pieces)
            if self.state == "data":
                piece = came[at : at + self.left]
                at += len(piece)
                self.left -= len(piece)
                pieces.append(piece)
                if self.left:
                    break
                self.state = "data end"
            if self.state == "data end":
                ended = came[at : at + 2]
                if ended != b"\r\n":
                    if ended not in (b"", b"\r"):
                        raise BodyError("a chunk is longer than its size says")
                    break
                at += 2
                self.state = "size"
            line_end = came.find(b"\r\n", at + self.looked)
            length = (len(came) if line_end < 0 else line_end) - at
            if length > (CHUNK_LINE if self.state == "size" else TRAILERS):
                raise BodyError("a line between its chunks is too long")
            if line_end < 0:
                # The CR may have come already.
                self.looked = max(0, length - 1)
                break
            line, at, self.looked = came[at:line_end], line_end + 2, 0
            if self.state == "size":
                self._begin(line)
            else:
                self._trailer(line)
        del data[:at]
        return b"".join(pieces), self.state == "over"

    def _take_whole(self, came: bytes, at: int, pieces: list[bytes]) -> int:
        """Small chunks that are whole, in a third of the time; the place behind the last."""
        if self.looked:
            return at
        while (line_end := came.find(b"\r\n", at, at + 4)) > 0 and (size := SMALL.get(came[at:line_end])):
            begin, end = line_end + 2, line_end + 2 + size
            if came[end : end + 2] != b"\r\n":
                break
            pieces.append(came[begin:end])
            self._count(begin - at, size)
            at = end + 2
        return at

    def _begin(self, line: bytes) -> None:
        found = SIZE.fullmatch(line)
        if not found:
            raise BodyError(f"a chunk's size is {line[:40]!r}")
        self.left = int(found[1], 16)
        self.state = "data" if self.left else "trailers"
        self._count(len(line) + 2, self.left)

    def _count(self, between: int, held: int) -> None:
        self.overhead += between + EACH - held
        if self.overhead < 0:
            self.overhead = 0
        elif self.allowed is not None and self.overhead > self.allowed:
            raise BodyError("its chunks are too small for so many")

    def _trailer(self, line: bytes) -> None:
        self.trailers += len(line) + 2
        if self.trailers > TRAILERS:
            raise BodyError("its trailers are too long")
        if not line:
            self.state = "over"

    def end(self) -> None:
        raise BodyError("peer closed connection without sending complete message body (incomplete chunked read)")


def reader(size: int | None, overhead: int | None = OVERHEAD) -> BodyReader:
    """For a size as mitmproxy's `expected_http_body_size` gives it: None for chunks, -1 for the connection's end."""
    if size is None:
        return Chunked(overhead)
    return UntilEnd() if size < 0 else Sized(size)
