"""Run work that grows with a request off the event loop, on separate threads, so that asyncio's own stay free."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Up to this size work is done at once, in bytes: a thread would cost more than it spares.
INLINE = 32 << 10

# Two: the interpreter runs one at a time, and the loop waits for its turn behind each of them (5 ms, sys.getswitchinterval).
THREADS = ThreadPoolExecutor(2, "body")


async def run[**P, T](size: int, work: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """What `work` gives or raises; `size` in bytes is that of what it works on."""
    if size <= INLINE:
        return work(*arguments, **keywords)
    return await asyncio.get_running_loop().run_in_executor(THREADS, lambda: work(*arguments, **keywords))
