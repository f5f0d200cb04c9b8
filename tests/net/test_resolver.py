import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from codex_proxy.net import resolver
from codex_proxy.net.resolver import Address, Resolver
from tests.places import ADDON

HERE = [Address(socket.AF_INET, ("192.0.2.1", 443))]


class Asked:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.answer = threading.Event()
        self.called = threading.Semaphore(0)

    def __call__(self, host: str, port: int) -> list[Address]:
        self.names.append(host)
        self.called.release()
        assert self.answer.wait(10)
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return HERE

    async def until_called(self) -> None:
        assert await asyncio.to_thread(self.called.acquire, timeout=10)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.7", Address(socket.AF_INET, ("192.0.2.7", 80))),
        ("2001:db8::1", Address(socket.AF_INET6, ("2001:db8::1", 80, 0, 0))),
    ],
)
async def test_an_address_needs_no_lookup(host: str, expected: Address) -> None:
    asked = Asked()
    assert await Resolver(asked).resolve(host, 80) == [expected]
    assert asked.names == []


async def test_the_system_knows_localhost() -> None:
    found = await resolver.resolve("localhost", 443)
    assert {address.sockaddr[0] for address in found} <= {"127.0.0.1", "::1"}
    assert all(address.sockaddr[1] == 443 for address in found)


@pytest.mark.parametrize("host", ["unclaimed.invalid", "a..b", "x" * 64 + ".example"])
async def test_a_name_without_an_address_is_an_oserror(host: str) -> None:
    with pytest.raises(socket.gaierror):
        await resolver.resolve(host, 443)


async def test_waiters_for_a_name_share_one_lookup() -> None:
    asked = Asked()
    several = [asyncio.ensure_future(Resolver.resolve(shared, "a", 1)) for shared in [Resolver(asked)] * 14]
    await asked.until_called()
    asked.answer.set()
    assert await asyncio.gather(*several) == [HERE] * 14
    assert asked.names == ["a"]


async def test_a_failure_is_shared_and_not_kept() -> None:
    asked = Asked()
    one = Resolver(asked)
    asked.answer.set()
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await one.resolve("nowhere", 1)
    assert asked.names == ["nowhere"] * 2


async def test_one_that_gives_up_takes_nothing_from_the_others() -> None:
    asked = Asked()
    one = Resolver(asked)
    first, second = (asyncio.ensure_future(one.resolve("a", 1)) for _ in range(2))
    await asked.until_called()
    first.cancel()
    asked.answer.set()
    assert await second == HERE


async def test_lookups_are_bounded_and_the_others_have_their_turn() -> None:
    asked = Asked()
    one = Resolver(asked, threads=2)
    several = [asyncio.ensure_future(one.resolve(name, 1)) for name in "abcdef"]
    await asked.until_called()
    await asked.until_called()
    assert sorted(asked.names) == ["a", "b"]
    asked.answer.set()
    assert await asyncio.gather(*several) == [HERE] * 6
    assert sorted(asked.names) == list("abcdef")


async def test_a_lookup_that_takes_long_is_not_joined_while_a_thread_is_free() -> None:
    asked = Asked()
    one = Resolver(asked, threads=2, stale=-1)
    several = [asyncio.ensure_future(one.resolve("a", 1)) for _ in range(3)]
    await asked.until_called()
    await asked.until_called()
    asked.answer.set()
    assert await asyncio.gather(*several) == [HERE] * 3
    assert asked.names == ["a", "a"]


def test_the_end_of_the_process_does_not_wait() -> None:
    program = """
import asyncio, threading
from codex_proxy.net.resolver import Resolver

async def main():
    asked = Resolver(lambda host, port: threading.Event().wait()).resolve("a", 1)
    try:
        await asyncio.wait_for(asked, 0.01)
    except TimeoutError:
        print("gave up")

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, cwd=ADDON)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("gave up\n", "", 0)


def test_a_loop_that_is_closed_meanwhile_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    asked = Asked()
    one = Resolver(asked)

    async def begin() -> None:
        waiting = asyncio.ensure_future(one.resolve("a", 1))
        await asked.until_called()
        waiting.cancel()

    asyncio.run(begin())
    threads = [thread for thread in threading.enumerate() if thread.name == "resolver"]
    asked.answer.set()
    for thread in threads:
        thread.join(10)
    assert not caplog.records
