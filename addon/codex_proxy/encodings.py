"""Content codings: a request body decoded within a limit, an answer's stream decoded piece by piece."""

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from .errors import ProxyError

# Read from a decoder at a time, in bytes.
PIECE = 1 << 20

# Codings one over the other, and frames or members of one; the next is another decoder each.
MOST_CODINGS, MOST_FRAMES = 3, 1000

# Given to the zstd decoder at a time, in bytes: at most 32,768 times as much comes out.
ZSTD_PIECE = 512

# Given to the zlib decoder at a time, in bytes: what is left of it behind a member is copied.
ZLIB_PIECE = 64 << 10


class TooLarge(Exception):
    """What comes out of the body is more than was allowed."""


def codings(header: str) -> list[str]:
    """The codings of a `Content-Encoding`, in the order they were applied; `identity` is none."""
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    return [name for name in names if name not in ("", "identity")]


def decode(body: bytes, header: str, limit: int) -> bytes:
    """The body without its codings; `limit` in bytes holds for what comes out. Raises TooLarge, ProxyError."""
    names = codings(header)
    if len(names) > MOST_CODINGS:
        raise ProxyError(
            415, "unsupported_encoding",
            f"A request body with {len(names)} codings one over the other is not read here; at most {MOST_CODINGS} are.",
        )  # fmt: skip
    for name in reversed(names):
        reader = READERS.get(name)
        if reader is None:
            raise ProxyError(
                415,
                "unsupported_encoding",
                f"A request body with Content-Encoding: {name[:40]} can't be read here; {', '.join(READERS)} can.",
            )
        try:
            body = reader(body, limit)
        except TooManyFrames as e:
            raise ProxyError(
                400,
                "bad_encoding",
                f"The request body has more than {MOST_FRAMES} frames of {name}; so many are not read.",
            ) from e
        except (zlib.error, EOFError, brotli.error, zstandard.ZstdError) as e:
            raise ProxyError(
                400, "bad_encoding", f"The request body is not what its Content-Encoding: {name} says."
            ) from e
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


class StreamDecoder(Protocol):
    def __call__(self, data: bytes, /) -> bytes: ...


def stream_decoder(header: str) -> StreamDecoder | None:
    """A function that decodes an answer as it comes; None if it is not encoded. Raises ProxyError."""
    decoders: list[StreamDecoder] = []
    for name in reversed(codings(header)):
        if name in ("gzip", "deflate"):
            decoders.append(zlib.decompressobj(47).decompress)
        elif name == "br":
            decoders.append(brotli.Decompressor().process)
        elif name == "zstd":
            decoders.append(zstandard.ZstdDecompressor().decompressobj().decompress)
        else:
            raise ProxyError(
                502, "unsupported_encoding", f"The backend's answer is encoded with {name}, which nobody asked for."
            )
    if not decoders:
        return None

    def decode_piece(data: bytes) -> bytes:
        for decoder in decoders:
            data = decoder(data) if data else b""
        return data

    return decode_piece
