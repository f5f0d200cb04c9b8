"""A client that speaks TLS, or seems to: what it sends before a request can be read is bounded as well."""

import asyncio
import contextlib
import socket
import ssl
import struct

import pytest

from .harness import PATIENCE, Proxy, memory
from .test_heads import HEALTH, MB, asked


def record(data: bytes, kind: int = 22) -> bytes:
    return struct.pack("!BHH", kind, 0x0301, len(data)) + data


ENDLESS = record(b"\x01\xff\xff\xff")

HELLOS = {
    "in large records": ENDLESS + record(b"a" * 16384) * 1000,
    "in records of a byte": ENDLESS + record(b"a") * 500_000,
    "of empty records": record(b"") * 500_000,
    "that is whole, and none": (record(b"\x01\0\0\1a") + b"b" * 60_000) * 50,
}


async def test_a_hello_without_an_end_costs_nothing(proxy: Proxy, subtests: pytest.Subtests) -> None:
    before = memory(proxy)
    for name, came in HELLOS.items():
        with subtests.test(name):
            lines = len(proxy.lines)
            assert (await asked(proxy, came))[2] == b""
            assert (await asked(proxy, HEALTH))[0] == 200
            await asyncio.wait_for(proxy.logged("Client TLS handshake failed"), PATIENCE)
            assert len(proxy.lines) - lines < 20
    assert memory(proxy) - before < 20 * MB
    assert max(map(len, proxy.lines)) < 1000
    assert "crashed" not in proxy.log


GARBAGE = {"one record": b"\x17\x03\x03\x40\x00" + b"a" * 16384, "many records": record(b"a" * 32, kind=23) * 1000}


def garble(port: int, first: bytes, garbage: bytes) -> None:
    """Behind a handshake, send what was not encrypted until the proxy hangs up."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with tls.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE)) as encrypted:
        encrypted.sendall(first)
        # Nothing is encrypted by this one.
        with socket.socket(fileno=encrypted.detach()) as plain, contextlib.suppress(ConnectionError):
            plain.settimeout(PATIENCE)
            for _ in range(100):
                plain.sendall(garbage * (MB // len(garbage)))
            raise AssertionError("the connection is still read")


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
@pytest.mark.parametrize("first", [b"", HEALTH.replace(b"close", b"keep-alive")], ids=["at once", "behind a request"])
async def test_what_is_no_tls_behind_a_handshake_ends_the_connection(
    first: bytes, garbage: bytes, proxy: Proxy
) -> None:
    before = memory(proxy)
    await asyncio.to_thread(garble, proxy.ports[0], first, garbage)
    assert (await asked(proxy, HEALTH))[0] == 200
    assert memory(proxy) - before < 20 * MB
    assert proxy.log.count("TLS with the client failed") == 1
    assert len(proxy.lines) < 40
