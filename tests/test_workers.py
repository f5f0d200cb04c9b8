import asyncio
import threading

import pytest

from codex_proxy import workers


async def test_a_small_piece_of_work_is_done_at_once_and_a_large_one_on_a_thread_of_its_own() -> None:
    at_once = await workers.run(workers.INLINE, threading.current_thread)
    apart = await workers.run(workers.INLINE + 1, threading.current_thread)
    default = await asyncio.to_thread(threading.current_thread)
    assert at_once is threading.current_thread()
    assert apart.name.startswith("body") and not default.name.startswith("body")


async def test_asyncios_own_threads_stay_free() -> None:
    """However much of it is waiting: files are read, and names looked up, on those."""
    go = threading.Event()
    waiting = [asyncio.ensure_future(workers.run(1 << 20, go.wait)) for _ in range(200)]
    assert await asyncio.to_thread(lambda: "free") == "free"
    go.set()
    assert all(await asyncio.gather(*waiting))


@pytest.mark.parametrize("size", [0, 1 << 20])
async def test_what_it_raises_is_raised(size: int) -> None:
    with pytest.raises(ValueError, match="x"):
        await workers.run(size, int, "x")
