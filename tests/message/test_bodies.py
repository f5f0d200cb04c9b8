import re

import pytest

from codex_proxy.message import bodies


def read(reader: bodies.BodyReader, *pieces: bytes) -> tuple[bytes, bool, bytes]:
    """What comes out, whether it is whole, and what is left."""
    data, out, whole = bytearray(), b"", False
    for piece in pieces:
        data += piece
        if not whole:
            more, whole = reader.read(data)
            out += more
    return out, whole, bytes(data)


CHUNKED = [
    (b"5\r\nhello\r\n0\r\n\r\nnext", (b"hello", True, b"next")),
    (b"5;a=b;c=\"d\"\r\nhello\r\n1 \r\n!\r\n0\r\n\r\n", (b"hello!", True, b"")),
    (b"00A\r\n0123456789\r\n0;x\r\nX-T: 1\r\nY: 2\r\n\r\nrest", (b"0123456789", True, b"rest")),
    (b"0\r\n\r\n", (b"", True, b"")),
    (b"2\r\n\r\n\r\n0\r\n\r\n", (b"\r\n", True, b"")),
    (b"5\r\nhel", (b"hel", False, b"")),
]  # fmt: skip


@pytest.mark.parametrize(("came", "read_so"), CHUNKED)
def test_chunks_are_read_wherever_they_are_cut(came: bytes, read_so: tuple[bytes, bool, bytes]) -> None:
    assert read(bodies.Chunked(), came) == read_so
    for cut in range(len(came)):
        assert read(bodies.Chunked(), came[:cut], came[cut:]) == read_so
    assert read(bodies.Chunked(), *[came[i : i + 1] for i in range(len(came))]) == read_so


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (b"-1\r\n", "size is b'-1'"),
        (b"zz\r\n", "size is b'zz'"),
        (b"\r\n", "size is b''"),
        (b"0x5\r\nhello\r\n", "size is"),
        (b"+5\r\nhello\r\n", "size is"),
        (b"1_0\r\n", "size is"),
        (b" 5\r\nhello\r\n", "size is"),
        (b"5\nhello\r\n", "size is"),
        (b"5;a\nb\r\nhello\r\n", "size is"),
        (b"5;a\rb\r\nhello\r\n", "size is"),
        (b"f" * 16 + b"\r\n", "size is"),
        (b"5\r\nhello!\r\n", "longer than its size"),
        (b"5\r\nhello\n0\r\n\r\n", "longer than its size"),
        (b"5;" + b"a" * bodies.CHUNK_LINE, "line between its chunks is too long"),
        (b"1" * bodies.CHUNK_LINE + b"1", "line between its chunks is too long"),
        (b"0\r\n" + b"X" * (bodies.TRAILERS + 1), "line between its chunks is too long"),
        (b"0\r\n" + b"X: y\r\n" * bodies.TRAILERS, "trailers are too long"),
        ((b"1;" + b"a" * 200 + b"\r\nx\r\n") * 3_000, "too small for so many"),
        (b"1\r\nx\r\n" * 20_000, "too small for so many"),
    ],
)
def test_what_are_no_chunks_is_refused(came: bytes, why: str) -> None:
    with pytest.raises(bodies.BodyError, match=re.escape(why)):
        read(bodies.Chunked(), came)
    with pytest.raises(bodies.BodyError):
        step = len(came) // 500 + 1
        read(bodies.Chunked(), *[came[i : i + step] for i in range(0, len(came), step)])


def test_many_small_chunks_come_as_one_piece() -> None:
    count = 100_000
    assert read(bodies.Chunked(overhead=None), b"1\r\nx\r\n" * count + b"0\r\n\r\n") == (b"x" * count, True, b"")


def test_a_body_with_a_length_ends_there() -> None:
    assert read(bodies.Sized(5), b"hel", b"lo!") == (b"hello", True, b"!")
    assert read(bodies.Sized(0), b"") == (b"", True, b"")


def test_a_body_without_a_length_ends_with_its_connection() -> None:
    reader = bodies.UntilEnd()
    assert read(reader, b"hel", b"lo") == (b"hello", False, b"")
    reader.end()


@pytest.mark.parametrize(
    ("reader", "why"), [(bodies.Sized(5), "received 3 bytes, expected 5"), (bodies.Chunked(), "incomplete")]
)
def test_a_body_that_is_cut_is_told(reader: bodies.BodyReader, why: str) -> None:
    reader.read(bytearray(b"3\r\n"))
    with pytest.raises(bodies.BodyError, match=why):
        reader.end()


@pytest.mark.parametrize(
    ("size", "kind"), [(None, bodies.Chunked), (-1, bodies.UntilEnd), (0, bodies.Sized), (7, bodies.Sized)]
)
def test_the_reader_follows_the_size(size: int | None, kind: type) -> None:
    assert isinstance(bodies.reader(size), kind)
