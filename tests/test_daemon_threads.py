import asyncio
import subprocess
import sys
import threading

import pytest

from codex_proxy import daemon_threads

from .places import ADDON


def boom() -> None:
    raise ValueError("boom")


def test_what_comes_in_time_is_returned_and_what_is_raised_is_raised() -> None:
    assert daemon_threads.call("a", lambda: 7, 5) == 7
    with pytest.raises(ValueError, match="boom"):
        daemon_threads.call("a", boom, 5)


async def test_so_it_is_on_the_event_loop() -> None:
    assert await daemon_threads.run("a", lambda: 7, 5) == 7
    with pytest.raises(ValueError, match="boom"):
        await daemon_threads.run("a", boom, 5)
    assert await daemon_threads.aside(lambda: 7) == 7


def test_what_hangs_costs_one_thread_however_often_it_is_asked_for() -> None:
    hangs, asked = threading.Event(), []

    def work() -> int:
        asked.append(1)
        hangs.wait()
        return 7

    try:
        with pytest.raises(OSError, match=r"has not answered within 0.01 s"):
            daemon_threads.call("slow", work, 0.01)
        for _ in range(20):
            # At once: with the patience that it says, twenty would take a minute.
            with pytest.raises(OSError, match="has not answered within 3 s"):
                daemon_threads.call("slow", work, 3)
        assert len(asked) == 1 and daemon_threads.call("another", lambda: 8, 5) == 8
    finally:
        hangs.set()
    assert daemon_threads.call("another", lambda: 9, 5) == 9


async def test_when_it_has_come_back_it_is_asked_again() -> None:
    hangs = threading.Event()
    with pytest.raises(OSError, match="has not answered"):
        await daemon_threads.run("back", hangs.wait, 0.01)
    with pytest.raises(OSError, match="has not answered"):
        await daemon_threads.run("back", hangs.wait, 5)
    hangs.set()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await daemon_threads.run("back", lambda: 7, 5) == 7
                return
            except OSError:
                await asyncio.sleep(0.01)


def test_a_program_ends_though_something_hangs() -> None:
    program = f"""
import asyncio, sys, threading
sys.path.insert(0, {str(ADDON)!r})
from codex_proxy import daemon_threads
async def main():
    try:
        await daemon_threads.run("x", threading.Event().wait, 0.05)
    except OSError as e:
        print(e.strerror)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "the disk has not answered within 0.05 s\n" and not done.stderr


async def test_one_by_one_is_in_order_and_an_error_is_its_callers_alone() -> None:
    threads, seen = daemon_threads.OneByOne(), list[int]()
    loop = asyncio.get_running_loop()
    failing = loop.run_in_executor(threads, boom)
    done = [loop.run_in_executor(threads, seen.append, number) for number in range(50)]
    with pytest.raises(ValueError, match="boom"):
        await failing
    await asyncio.gather(*done)
    assert seen == list(range(50))


def test_the_end_does_not_wait_for_one_by_one() -> None:
    program = (
        f"import sys, threading; sys.path.insert(0, {str(ADDON)!r})\n"
        "from codex_proxy import daemon_threads\n"
        "daemon_threads.OneByOne().submit(threading.Event().wait)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
