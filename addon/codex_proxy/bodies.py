"""Bodies of HTTP/1 messages, read as they come (RFC 9112, sections 6 and 7); chunk extensions and trailers are dropped."""

import re
from typing import Protocol

# A chunk's size with its extensions, in bytes.
CHUNK_LINE = 4096

# What chunks may cost beside what they hold: so much at once, and per chunk so much and twice its size (as Go's net/http does).
OVERHEAD, OVERHEAD_EACH = 16 << 10, 16

# The trailers of a body, in bytes.
TRAILERS = 64 << 10

SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")


class BodyError(Exception):
    """What came is no body of its kind; the message says why."""


class BodyReader(Protocol):
    def read(self, data: bytearray) -> tuple[bytes, bool]:
        """What of the body is in `data`, which it is taken off, and whether that was its end. Raises BodyError."""

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
    """A body in chunks: many small ones come out as one piece."""

    def __init__(self) -> None:
        self.left = 0
        """Of the chunk that is being read, in bytes."""
        self.state = "size"
        self.overhead = 0
        self.trailers = 0
        self.looked = 0

    def read(self, data: bytearray) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        at = 0
        while self.state != "over":
            if self.state == "data":
                piece = bytes(data[at : at + self.left])
                at += len(piece)
                self.left -= len(piece)
                pieces.append(piece)
                if self.left:
                    break
                self.state = "data end"
            if self.state == "data end":
                ended = bytes(data[at : at + 2])
                if not b"\r\n".startswith(ended):
                    raise BodyError("a chunk is longer than its size says")
                if len(ended) < 2:
                    break
                at += 2
                self.state = "size"
            line_end = data.find(b"\r\n", at + self.looked)
            length = (len(data) if line_end < 0 else line_end) - at
            if length > (CHUNK_LINE if self.state == "size" else TRAILERS):
                raise BodyError("a line between its chunks is too long")
            if line_end < 0:
                # The CR may have come already.
                self.looked = max(0, length - 1)
                break
            line, at, self.looked = data[at:line_end], line_end + 2, 0
            if self.state == "size":
                self._begin(line)
            else:
                self._trailer(line)
        del data[:at]
        return b"".join(pieces), self.state == "over"

    def _begin(self, line: bytearray) -> None:
        found = SIZE.fullmatch(line)
        if not found:
            raise BodyError(f"a chunk's size is {bytes(line[:40])!r}")
        self.left = int(found[1], 16)
        self.overhead = max(0, self.overhead + len(line) + 2 - OVERHEAD_EACH - 2 * self.left)
        if self.overhead > OVERHEAD:
            raise BodyError("there is too much between its chunks")
        self.state = "data" if self.left else "trailers"

    def _trailer(self, line: bytearray) -> None:
        self.trailers += len(line) + 2
        if self.trailers > TRAILERS:
            raise BodyError("its trailers are too long")
        if not line:
            self.state = "over"

    def end(self) -> None:
        raise BodyError("peer closed connection without sending complete message body (incomplete chunked read)")


def reader(size: int | None) -> BodyReader:
    """For a size as mitmproxy's `expected_http_body_size` gives it: None for chunks, -1 for the connection's end."""
    if size is None:
        return Chunked()
    return UntilEnd() if size < 0 else Sized(size)
