"""Content codings: decode a request body within a limit, and an answer's stream piece by piece."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from ..errors import ProxyError

# Read from a decoder at a time, in bytes.
PIECE = 1 << 20

# Nested codings, and frames or members of one; each needs another decoder.
MOST_CODINGS, MOST_FRAMES = 3, 1000

# Given to the zstd decoder at a time, in bytes: at most 32,768 times as much comes out.
ZSTD_PIECE = 512

# Given to the zlib decoder at a time, in bytes: what is left of it behind a member is copied.
ZLIB_PIECE = 64 << 10


# The largest answer that is held whole, in bytes: as much as a request may be (codex_body_limit).
WHOLE_ANSWER = 128 << 20

# Bounds for decoding an answer whose coding was not requested: this ratio, and this many bytes in addition.
# Events of a model shrink to a tenth or so.
RATIO, SLACK = 100, 4 << 20

# How much of a refusal's body is read, in bytes.
ERROR_BODY = 1 << 20


class TooLarge(Exception):
    """The decoded body is larger than allowed."""


def codings(header: str) -> list[str]:
    """The codings of a `Content-Encoding`, in the order they were applied; `identity` does not count."""
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    return [name for name in names if name not in ("", "identity")]


def decode(body: bytes, header: str, limit: int) -> bytes:
    """The body without its codings; `limit` in bytes holds for what comes out. Raises TooLarge, ProxyError."""
    names = codings(header)
    if len(names) > MOST_CODINGS:
        raise ProxyError(
            "unsupported_encoding",
            f"A request body with {len(names)} nested codings is not supported; at most {MOST_CODINGS} are.", status=415,
        )  # fmt: skip
    for name in reversed(names):
        reader = READERS.get(name)
        if reader is None:
            raise ProxyError(
                "unsupported_encoding",
                f"A request body with Content-Encoding: {name[:40]} can't be read here; {', '.join(READERS)} can.",
                status=415,
            )
        try:
            body = reader(body, limit)
        except TooManyFrames as e:
            raise ProxyError(
                "bad_encoding",
                f"The request body has more than {MOST_FRAMES} frames of {name}, more than the proxy reads.",
            ) from e
        except (zlib.error, EOFError, brotli.error, zstandard.ZstdError) as e:
            raise ProxyError("bad_encoding", f"The request body does not match its Content-Encoding: {name}.") from e
    return body


class TooManyFrames(Exception):
    """A body in more pieces than are read."""


def _read_zstd(body: bytes, limit: int) -> bytes:
    # Not its stream_reader, which takes half a frame for a whole one.
    data, frames = bytearray(), 1
    frame = zstandard.ZstdDecompressor().decompressobj()
    for start in range(0, len(body), ZSTD_PIECE):
        piece = body[start : start + ZSTD_PIECE]
        while piece and len(data) <= limit:
            if frame.eof:
                frames += 1
                if frames > MOST_FRAMES:
                    raise TooManyFrames
                frame = zstandard.ZstdDecompressor().decompressobj()
            data += frame.decompress(piece)
            piece = frame.unused_data
    if not frame.eof and len(data) <= limit:
        raise EOFError
    return _within(bytes(data), limit)


def _read_zlib(body: bytes, limit: int) -> bytes:
    """All members to the end of the body (RFC 1952, section 2.2): the backend reads them as well."""
    data, members = bytearray(), 1
    # 47: zlib finds out by itself whether it is gzip or zlib.
    member = zlib.decompressobj(47)
    for start in range(0, len(body), ZLIB_PIECE):
        piece = body[start : start + ZLIB_PIECE]
        while piece:
            if member.eof:
                members += 1
                if members > MOST_FRAMES:
                    raise TooManyFrames
                member = zlib.decompressobj(47)
            data += member.decompress(piece, limit + 1 - len(data))
            if len(data) > limit:
                raise TooLarge
            piece = member.unused_data
    if not member.eof:
        raise EOFError
    return bytes(data)


def _read_brotli(body: bytes, limit: int) -> bytes:
    decoder = brotli.Decompressor()
    out = decoder.process(body, output_buffer_limit=PIECE)
    pieces, size = [out], len(out)
    # Not by `can_accept_more_data`, which is true while there is more to come of what was given.
    while out and not decoder.is_finished() and size <= limit:
        out = decoder.process(b"", output_buffer_limit=PIECE)
        pieces.append(out)
        size += len(out)
    if not decoder.is_finished() and size <= limit:
        raise EOFError
    return _within(b"".join(pieces), limit)


def _within(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise TooLarge
    return data


READERS: dict[str, Callable[[bytes, int], bytes]] = {
    "zstd": _read_zstd,
    "gzip": _read_zlib,
    "deflate": _read_zlib,
    "br": _read_brotli,
}


class StreamDecoder:
    """Decodes an answer as it arrives, in codings that were not requested. Raises ProxyError, also if the output is too large."""

    def __init__(self, names: Sequence[str], limit: float) -> None:
        self._steps = [_Step(STEPS[name]) for name in reversed(names)]
        self._header = ", ".join(names)
        self._limit = limit
        self._came = 0

    def __call__(self, data: bytes) -> bytes:
        self._came += len(data)
        room = min(self._limit, self._came * RATIO + SLACK)
        try:
            for step in self._steps:
                data = step(data, int(room))
        except TooLarge:
            raise ProxyError(
                "backend_garbled",
                f"The backend's answer, in Content-Encoding: {self._header}, which was not requested, becomes too large when it is"
                f" decoded: {self._came:,} bytes become more than {room:,.0f}.",
            ) from None
        except (zlib.error, brotli.error, zstandard.ZstdError) as e:
            raise ProxyError(
                "unsupported_encoding",
                f"The backend's answer can't be decoded as its Content-Encoding says: {self._header}.",
                status=502,
            ) from e
        return data


class _Step:
    """One coding of an answer, which may be several frames in a row (RFC 1952, RFC 8878)."""

    def __init__(self, kind: Callable[[], "_Decoder"]) -> None:
        self._kind = kind
        self._decoder = kind()
        self._frames = 1
        self._made = 0

    def __call__(self, data: bytes, room: int) -> bytes:
        # In pieces: what a decoder leaves is copied.
        return b"".join(
            piece
            for start in range(0, len(data), ZLIB_PIECE)
            for piece in self._pieces(data[start : start + ZLIB_PIECE], room)
        )

    def _pieces(self, data: bytes, room: int) -> Iterator[bytes]:
        while data:
            if self._decoder.eof:
                self._decoder = self._kind()
                self._frames += 1
            piece, data = self._decoder.some(data, room - self._made)
            self._made += len(piece)
            if self._made > room or self._frames > MOST_FRAMES:
                raise TooLarge
            yield piece


class _Decoder(Protocol):
    eof: bool

    def some(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        """What comes out, not much more than `room` bytes, and what of `data` is left."""


class _Zlib:
    eof = False

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(47)

    def some(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        piece = self._decoder.decompress(data, room + 1)
        self.eof = self._decoder.eof
        return piece, self._decoder.unconsumed_tail or self._decoder.unused_data


class _Brotli:
    eof = False

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    def some(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        piece = self._decoder.process(data, output_buffer_limit=PIECE)
        pieces, size = [piece], len(piece)
        while piece and size <= room and not self._decoder.is_finished():
            piece = self._decoder.process(b"", output_buffer_limit=PIECE)
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces), b""


class _Zstd:
    eof = False

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor().decompressobj()

    def some(self, data: bytes, room: int) -> tuple[bytes, bytes]:
        piece = self._decoder.decompress(data[:ZSTD_PIECE])
        self.eof = self._decoder.eof
        return piece, self._decoder.unused_data + data[ZSTD_PIECE:]


STEPS: dict[str, Callable[[], _Decoder]] = {"zstd": _Zstd, "gzip": _Zlib, "deflate": _Zlib, "br": _Brotli}


def stream_decoder(header: str, limit: float = float("inf")) -> StreamDecoder | None:
    """A function that decodes an answer as it comes; None if it is not encoded. Raises ProxyError.

    What it makes is at most `limit` bytes, and RATIO times what came and SLACK.
    """
    names = codings(header)
    if len(names) > MOST_CODINGS or not set(names) <= set(STEPS):
        raise ProxyError(
            "unsupported_encoding",
            f"The backend's answer is encoded with {header[:100]}, which was not requested.",
            status=502,
        )
    return StreamDecoder(names, limit) if names else None


def whole_answer(body: bytes, header: str) -> bytes:
    """An answer that came whole, decoded. Raises ProxyError."""
    decoder = stream_decoder(header, WHOLE_ANSWER)
    return decoder(body) if decoder else body


def error_body(body: bytes, header: str) -> bytes:
    """As much of a refusal as is worth reading, decoded; as it came where it is not in the coding it names."""
    try:
        decoder = stream_decoder(header, ERROR_BODY)
        return (decoder(body[:ERROR_BODY]) if decoder else body)[:ERROR_BODY]
    except ProxyError as e:
        return b"" if e.code == "backend_garbled" else body[:ERROR_BODY]
