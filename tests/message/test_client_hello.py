import ssl
import struct

import pytest

from codex_proxy.message.client_hello import LONGEST, HelloError, HelloReader


def hello(name: str = "localhost") -> bytes:
    """As a client of Python's sends it."""
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    return out.read()


def record(data: bytes, kind: int = 22) -> bytes:
    return struct.pack("!BHH", kind, 0x0301, len(data)) + data


MESSAGE = hello()[5:]


@pytest.mark.parametrize("size", [1, 3, 4, 100, len(MESSAGE)])
def test_a_hello_is_found_however_it_is_cut(size: int) -> None:
    came = b"".join(record(MESSAGE[place : place + size]) for place in range(0, len(MESSAGE), size))
    assert HelloReader().read(came)
    assert HelloReader().read(came + b"what follows")
    reader = HelloReader()
    assert [reader.read(came[place : place + 1]) for place in range(len(came))] == [False] * (len(came) - 1) + [True]
    assert reader.held == came


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "not a TLS handshake"),
        (record(MESSAGE, kind=23), "not a TLS handshake"),
        (b"\x16\x04\x01\x00\x05hello", "not a TLS handshake"),
        (record(b""), "not a TLS handshake"),
        (record(b"\x02" + MESSAGE[1:]), "does not begin with a ClientHello"),
        (record(b"\x01\xff\xff\xff" + b"a" * 16380) + b"more", "larger than"),
        (record(b"\x01") + record(b"\xff") * 10_000, "larger than"),
        (b"\x16\x03\x01\xff\xff", "larger than"),
    ],
)
def test_what_is_none_or_has_no_end_is_refused(came: bytes, why: str) -> None:
    with pytest.raises(HelloError, match=why):
        HelloReader().read(came)


def test_no_more_than_its_bound_is_waited_for() -> None:
    reader = HelloReader()
    came = record(b"\x01\xff\xff\xff") + record(b"a" * 1000) * 20
    with pytest.raises(HelloError):
        for place in range(len(came)):
            reader.read(came[place : place + 1])
    assert len(reader.held) <= LONGEST
