import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.errors import ProxyError
from codex_proxy.message.encodings import (
    ERROR_BODY,
    MOST_FRAMES,
    RATIO,
    SLACK,
    TooLarge,
    codings,
    decode,
    error_body,
    stream_decoder,
    whole_answer,
)

from ..properties import examples

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
# As a program writes it that does not know the length beforehand: the Codex CLI does.
UNSIZED: dict[str, Callable[[bytes], bytes]] = PACK | {
    "zstd": zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress
}
CODINGS = st.sampled_from(sorted(PACK))
BODIES = st.binary(max_size=300) | st.builds(lambda seed, n: seed * n, st.binary(max_size=20), st.integers(0, 3000))
NO_LIMIT = 1 << 30


@pytest.mark.parametrize(
    "header, names",
    [
        ("", []),
        ("identity", []),
        ("gzip", ["gzip"]),
        (" GZIP ", ["gzip"]),
        ("x-gzip", ["gzip"]),
        ("gzip, zstd", ["gzip", "zstd"]),
        ("gzip,,identity , br", ["gzip", "br"]),
    ],
)
def test_a_header_names_codings_in_the_order_they_were_applied(header: str, names: list[str]) -> None:
    assert codings(header) == names


@given(BODIES, st.lists(CODINGS, max_size=3))
@examples(150)
def test_what_was_encoded_comes_out_as_it_was(body: bytes, names: list[str]) -> None:
    packed = body
    for name in names:
        packed = UNSIZED[name](packed)
    assert decode(packed, ", ".join(names), NO_LIMIT) == body


@pytest.mark.parametrize("name", PACK)
def test_a_body_of_several_megabytes_comes_out_as_it_was(name: str) -> None:
    # Not compressible, then very: several pieces in, several pieces out.
    body = random.Random(1).randbytes(200_000) + b"0" * (5 << 20)
    assert decode(UNSIZED[name](body), name, len(body)) == body


@given(BODIES.filter(len), CODINGS, st.sampled_from([PACK, UNSIZED]), st.data())
@examples(200)
def test_a_body_cut_short_is_refused(
    body: bytes, name: str, pack: dict[str, Callable[[bytes], bytes]], data: st.DataObject
) -> None:
    packed = pack[name](body)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(ProxyError) as e:
        decode(packed[:cut], name, NO_LIMIT)
    assert (e.value.status, e.value.code) == (400, "bad_encoding")


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("body", [b"", b'{"model":"gpt-6-sol"}', b"\x00" * 50])
def test_a_body_that_is_not_encoded_at_all_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(ProxyError) as e:
        decode(body, name, NO_LIMIT)
    assert (e.value.status, e.value.code) == (400, "bad_encoding")
    assert name in e.value.message


@pytest.mark.parametrize("name", PACK)
@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_the_limit_holds_for_what_comes_out(name: str, size: int) -> None:
    packed = UNSIZED[name](b"x" * size)
    assert len(decode(packed, name, size)) == size
    with pytest.raises(TooLarge):
        decode(packed, name, size - 1)


@pytest.mark.parametrize("name", PACK)
def test_a_bomb_is_given_up_at_the_limit(name: str) -> None:
    packed = BOMBS[name]()
    assert len(packed) < 1 << 20
    assert peak_of_decoding(packed, name, 8 << 20) < BOMB // 3


def peak_of_decoding(packed: bytes, name: str, limit: int) -> int:
    """Most bytes that decoding up to a limit has held at a time."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            decode(packed, name, limit)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMB = 128 << 20
"""What comes out of a bomb, in bytes."""


def bomb(take: Callable[[bytes], bytes], finish: Callable[[], bytes]) -> bytes:
    piece = bytes(16 << 20)
    return b"".join([*(take(piece) for _ in range(BOMB // len(piece))), finish()])


def zlib_bomb(wbits: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits)
    return bomb(packer.compress, packer.flush)


def brotli_bomb() -> bytes:
    packer = brotli.Compressor(quality=1)
    return bomb(packer.process, packer.finish)


def zstd_bomb() -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    return bomb(packer.compress, packer.flush)


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: zlib_bomb(31),
    "deflate": lambda: zlib_bomb(15),
    "br": brotli_bomb,
    "zstd": zstd_bomb,
}


@pytest.mark.parametrize("name", PACK)
def test_a_body_cut_short_at_the_very_limit_is_refused(name: str) -> None:
    take, flush = flushing()[name]
    body = random.Random(2).randbytes(1000)
    with pytest.raises(ProxyError) as e:
        decode(take(body) + flush(), name, len(body))
    assert e.value.code == "bad_encoding"


@pytest.mark.parametrize("name", PACK)
def test_a_body_of_exactly_the_limit_is_read_to_its_end(name: str) -> None:
    # The end of the coding may lie in a later piece than the last byte of the body.
    for size in range(470, 530):
        body = random.Random(size).randbytes(size)
        assert decode(UNSIZED[name](body), name, size) == body


def test_the_limit_holds_between_two_codings_as_well() -> None:
    with pytest.raises(TooLarge):
        decode(gzip.compress(zlib.compress(b"x" * 5000, 0)), "deflate, gzip", 4000)


def test_a_zstd_body_of_several_frames_is_read_to_its_end() -> None:
    assert decode(PACK["zstd"](b"a" * 1000) + UNSIZED["zstd"](b"b" * 1000), "zstd", 2000) == b"a" * 1000 + b"b" * 1000


def test_a_gzip_body_of_several_members_is_read_to_its_end() -> None:
    assert decode(gzip.compress(b"a" * 1000) + gzip.compress(b"b" * 100_000), "gzip", 101_000)[999:1001] == b"ab"
    with pytest.raises(TooLarge):
        decode(gzip.compress(b"a" * 1000) * 3, "gzip", 2999)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("rest", [b"x", b"\0", b"{}"])
def test_what_stands_behind_the_last_frame_is_refused(name: str, rest: bytes) -> None:
    with pytest.raises(ProxyError) as e:
        decode(PACK[name](b"{}") + rest, name, NO_LIMIT)
    assert e.value.code == "bad_encoding"


def test_frames_members_and_codings_are_bounded() -> None:
    for name in ("gzip", "zstd"):
        assert decode(PACK[name](b"x") * MOST_FRAMES, name, NO_LIMIT) == b"x" * MOST_FRAMES
        with pytest.raises(ProxyError, match=f"more than 1000 frames of {name}") as e:
            decode(PACK[name](b"") * (MOST_FRAMES + 1), name, NO_LIMIT)
        assert (e.value.status, e.value.code) == (400, "bad_encoding")
    with pytest.raises(ProxyError, match="at most 3 are") as e:
        decode(b"x", "gzip," * 1000, NO_LIMIT)
    assert (e.value.status, e.value.code) == (415, "unsupported_encoding")


def test_a_coding_that_is_not_known_is_named_with_the_ones_that_are() -> None:
    with pytest.raises(ProxyError) as e:
        decode(b"x", "compress", NO_LIMIT)
    assert (e.value.status, e.value.code) == (415, "unsupported_encoding")
    assert "compress" in e.value.message and "zstd, gzip, deflate, br" in e.value.message


# An answer's stream.


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@given(BODIES, st.lists(CODINGS, min_size=1, max_size=2), st.lists(st.integers(0, 400), max_size=6))
@examples(150)
def test_a_stream_comes_out_the_same_wherever_it_is_cut(body: bytes, names: list[str], cuts: list[int]) -> None:
    packed = body
    for name in names:
        packed = UNSIZED[name](packed)
    decoder = stream_decoder(", ".join(names))
    assert decoder is not None
    assert b"".join(decoder(piece) for piece in pieces_of(packed, cuts)) == body


def flushing() -> dict[str, tuple[Callable[[bytes], bytes], Callable[[], bytes]]]:
    """For each coding, a compressor's way to take a piece, and to give away what it holds."""
    gz, df = zlib.compressobj(9, zlib.DEFLATED, 31), zlib.compressobj()
    br, zs = brotli.Compressor(), zstandard.ZstdCompressor().compressobj()
    return {
        "gzip": (gz.compress, lambda: gz.flush(zlib.Z_SYNC_FLUSH)),
        "deflate": (df.compress, lambda: df.flush(zlib.Z_SYNC_FLUSH)),
        "br": (br.process, br.flush),
        "zstd": (zs.compress, lambda: zs.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)),
    }


@pytest.mark.parametrize("name", PACK)
def test_an_event_that_the_backend_flushed_comes_out_at_once(name: str) -> None:
    take, flush = flushing()[name]
    decoder = stream_decoder(name)
    assert decoder is not None
    for n in range(5):
        event = f"data: {n}\n\n".encode()
        assert decoder(take(event) + flush()) == event


@pytest.mark.parametrize("header", ["", "identity"])
def test_a_stream_without_a_coding_needs_no_decoder(header: str) -> None:
    assert stream_decoder(header) is None


def test_a_stream_in_a_coding_nobody_asked_for_is_the_backends_fault() -> None:
    with pytest.raises(ProxyError) as e:
        stream_decoder("compress")
    assert (e.value.status, e.value.code) == (502, "unsupported_encoding")


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_bomb_in_an_answer_is_the_backends_fault_and_costs_little(name: str, pieces: int) -> None:
    packed = BOMBS[name]()
    size = len(packed) // pieces + 1
    tracemalloc.start()
    try:
        decoder = stream_decoder(name)
        assert decoder is not None
        with pytest.raises(ProxyError) as e:
            for start in range(0, len(packed), size):
                decoder(packed[start : start + size])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (e.value.status, e.value.code) == (502, "backend_garbled")
    assert name in e.value.message
    assert peak < 2 * (len(packed) * RATIO + SLACK) + (40 << 20)


# A stream of brotli is one.
@pytest.mark.parametrize("name", [name for name in PACK if name != "br"])
def test_an_answer_may_be_several_frames_in_a_row_but_not_very_many(name: str) -> None:
    two = PACK[name](b"a" * 1000) + PACK[name](b"b" * 1000)
    assert whole_answer(two, name) == b"a" * 1000 + b"b" * 1000
    with pytest.raises(ProxyError) as e:
        whole_answer(PACK[name](b"") * (MOST_FRAMES + 1), name)
    assert e.value.code == "backend_garbled"


def test_the_bound_of_an_answer_holds_between_codings_and_their_number_is_bounded() -> None:
    with pytest.raises(ProxyError) as e:
        whole_answer(gzip.compress(zlib_bomb(31)), "gzip, gzip")
    assert e.value.code == "backend_garbled"
    with pytest.raises(ProxyError) as e:
        whole_answer(b"", "gzip, " * 1000 + "gzip")
    assert e.value.code == "unsupported_encoding"
    assert len(e.value.message) < 300


@pytest.mark.parametrize(
    ("body", "header", "read"),
    [
        (b"plain", "", b"plain"),
        (gzip.compress(b"plain", mtime=0), "gzip", b"plain"),
        (b"plain", "gzip", b"plain"),
        (b"plain", "foo", b"plain"),
        (gzip.compress(bytes(16 << 20), mtime=0), "gzip", b""),
        (b"x" * (ERROR_BODY + 1), "", b"x" * ERROR_BODY),
    ],
)
def test_of_a_refusal_so_much_is_read_as_is_worth_it(body: bytes, header: str, read: bytes) -> None:
    assert error_body(body, header) == read
