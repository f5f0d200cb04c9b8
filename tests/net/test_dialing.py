import asyncio
import errno
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from codex_proxy.net import dialing
from codex_proxy.net.few_files import OUT_OF_FILES
from codex_proxy.net.resolver import Address

V4, V6 = socket.AF_INET, socket.AF_INET6


def address(name: str) -> Address:
    return Address(V6, (name, 1, 0, 0)) if ":" in name else Address(V4, (name, 1))


@pytest.mark.parametrize(
    ("system", "tried"),
    [
        ("::1 ::2 192.0.2.1 192.0.2.2", "::1 192.0.2.1 ::2 192.0.2.2"),
        ("192.0.2.1 192.0.2.2 ::1", "192.0.2.1 ::1 192.0.2.2"),
        ("192.0.2.1 192.0.2.2 192.0.2.3", "192.0.2.1 192.0.2.2 192.0.2.3"),
        ("::1", "::1"),
    ],
)
def test_the_families_take_turns(system: str, tried: str) -> None:
    assert dialing.interleave([address(name) for name in system.split()]) == [address(name) for name in tried.split()]


class Place:
    """Listeners, and addresses that swallow: a listener whose queue is full drops what knocks (listen(2))."""

    def __init__(self) -> None:
        self.kept: list[socket.socket] = []

    def listens(self, host: str = "127.0.0.1") -> Address:
        sock = socket.create_server((host, 0), family=V6 if ":" in host else V4)
        self.kept.append(sock)
        return Address(sock.family, sock.getsockname())

    def swallows(self, host: str = "127.0.0.1") -> Address:
        sock = socket.socket(V6 if ":" in host else V4)
        sock.bind((host, 0))
        sock.listen(0)
        self.kept.append(sock)
        while True:
            knocks = socket.socket(sock.family)
            knocks.settimeout(0.2)
            self.kept.append(knocks)
            try:
                knocks.connect(sock.getsockname())
            except TimeoutError:
                return Address(sock.family, sock.getsockname())

    def refuses(self) -> Address:
        sock = socket.create_server(("127.0.0.1", 0))
        where = Address(V4, sock.getsockname())
        sock.close()
        return where


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    for sock in made.kept:
        sock.close()


async def dial(*addresses: Address, delay: float = 0.05, local: tuple[str, int] | None = None) -> socket.socket:
    async def resolve(host: str, port: int) -> list[Address]:
        return list(addresses)

    return await asyncio.wait_for(dialing.connect("a.test", 1, local, resolve=resolve, delay=delay), 10)


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


SWALLOWED = {
    "the first family swallows": ["swallows6", "listens"],
    "the second family swallows": ["swallows", "listens6"],
    "the first of three of one family": ["swallows", "listens", "listens"],
    "two of three": ["swallows", "swallows", "listens"],
    "refused, then swallowed": ["refuses", "swallows", "listens"],
    "swallowed, then refused": ["swallows", "refuses", "listens"],
}


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files by /proc")
@pytest.mark.parametrize("kinds", SWALLOWED.values(), ids=SWALLOWED.keys())
async def test_a_dead_address_is_passed_by(place: Place, kinds: list[str]) -> None:
    made = {"listens": place.listens, "swallows": place.swallows, "refuses": place.refuses}
    addresses = [made[kind.rstrip("6")](*(["::1"] if kind.endswith("6") else [])) for kind in kinds]
    before = files()
    sock = await dial(*addresses)
    assert sock.getpeername()[:2] in [
        a.sockaddr[:2] for a, kind in zip(addresses, kinds, strict=True) if "listens" in kind
    ]
    sock.close()
    await asyncio.sleep(0)
    assert files() == before


async def test_the_second_address_is_not_tried_where_the_first_answers(place: Place) -> None:
    good, other = place.listens(), place.listens()
    sock = await dial(good, other, delay=0)
    assert sock.getpeername() == good.sockaddr
    sock.close()


async def test_where_nothing_answers_each_reason_is_told(place: Place) -> None:
    with pytest.raises(OSError, match=r"Connect call failed.*; .*Connect call failed") as raised:
        await dial(place.refuses(), place.refuses())
    assert raised.value.errno == errno.ECONNREFUSED


async def test_one_address_fails_with_its_own_error(place: Place) -> None:
    with pytest.raises(ConnectionRefusedError):
        await dial(place.refuses())


async def test_an_attempt_is_closed_when_the_caller_gives_up(place: Place) -> None:
    swallows = [place.swallows(), place.swallows()]
    before = files()
    task = asyncio.ensure_future(dial(*swallows, delay=0.01))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert files() == before


async def test_only_the_family_of_the_local_address_is_tried(place: Place) -> None:
    sock = await dial(place.listens("::1"), place.listens(), local=("127.0.0.1", 0))
    assert sock.getpeername()[0] == "127.0.0.1"
    sock.close()
    with pytest.raises(OSError, match="no address of the kind of 127"):
        await dial(place.listens("::1"), local=("127.0.0.1", 0))


async def test_without_a_file_no_other_address_is_tried(place: Place) -> None:
    good = place.listens()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files") as raised:
            await dial(good, good, delay=10)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised.value.errno in OUT_OF_FILES


async def test_a_dead_peer_is_noticed_by_the_system(place: Place) -> None:
    sock = await dial(place.listens())
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == dialing.DEAD_AFTER * 1000
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE"):
        if hasattr(socket, name):
            assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == dialing.PROBE_AFTER
    sock.close()


async def test_a_healthy_address_costs_no_extra_time(place: Place) -> None:
    good = place.listens()
    began = time.monotonic()
    sock = await dial(good, place.listens("::1"), delay=10)
    assert time.monotonic() - began < 5
    sock.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_what_the_peer_has_acknowledged_is_known(place: Place) -> None:
    sock = await dial(place.listens())
    before = dialing.acknowledged(sock)
    assert before is not None
    await asyncio.get_running_loop().sock_sendall(sock, b"x" * 1000)
    got, _ = place.kept[0].accept()
    assert len(got.recv(1000, socket.MSG_WAITALL)) == 1000
    got.sendall(b"y")  # and with it the acknowledgement
    assert await asyncio.get_running_loop().sock_recv(sock, 1) == b"y"
    got.close()
    assert dialing.acknowledged(sock) == before + 1000
    sock.close()
    assert dialing.acknowledged(sock) is None
