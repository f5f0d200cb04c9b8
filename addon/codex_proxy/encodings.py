"""Content codings: a request body decoded within a limit, an answer's stream decoded piece by piece."""

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli  # type: ignore[import-untyped]
import zstandard

from .errors import ProxyError

# Read from a decoder at a time, in bytes.
PIECE = 1 << 20

# Given to the zstd decoder at a time, in bytes: at most 32,768 times as much comes out.
ZSTD_PIECE = 512


class TooLarge(Exception):
    """What comes out of the body is more than was allowed."""


def codings(header: str) -> list[str]:
    """The codings of a `Content-Encoding`, in the order they were applied; `identity` is none."""
    names = [name.strip().lower().removeprefix("x-") for name in header.split(",")]
    return [name for name in names if name not in ("", "identity")]


def decode(body: bytes, header: str, limit: int) -> bytes:
    """The body without its codings; `limit` in bytes holds for what comes out. Raises TooLarge, ProxyError."""
    for name in reversed(codings(header)):
        reader = READERS.get(name)
        if reader is None:
            raise ProxyError(
                415,
                "unsupported_encoding",
                f"A request body with Content-Encoding: {name} can't be read here; {', '.join(READERS)} can.",
            )
        try:
            body = reader(body, limit)
        except (zlib.error, EOFError, brotli.error, zstandard.ZstdError) as e:
            raise ProxyError(
                400, "bad_encoding", f"The request body is not what its Content-Encoding: {name} says."
            ) from e
    return body


def _read_zstd(body: bytes, limit: int) -> bytes:
    # Not its stream_reader, which takes half a frame for a whole one.
    data = bytearray()
    frame = zstandard.ZstdDecompressor().decompressobj()
    for start in range(0, len(body), ZSTD_PIECE):
        piece = body[start : start + ZSTD_PIECE]
        while piece and len(data) <= limit:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            data += frame.decompress(piece)
            piece = frame.unused_data
    if not frame.eof and len(data) <= limit:
        raise EOFError
    return _within(bytes(data), limit)


def _read_zlib(body: bytes, limit: int) -> bytes:
    # 47: zlib finds out by itself whether it is gzip or zlib.
    decoder = zlib.decompressobj(47)
    data = decoder.decompress(body, limit + 1)
    if not decoder.eof and len(data) <= limit:
        raise EOFError
    return _within(data, limit)


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
