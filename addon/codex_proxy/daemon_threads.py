"""Run work that may hang on daemon threads, which block neither the event loop nor the process's exit.

asyncio's own executor is joined at exit, so one read from a lost network disk would keep the process alive for ever.
"""

import asyncio
import contextlib
import errno
import logging
import queue
import socket
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from typing import Any

logger = logging.getLogger(__name__)


class DaemonThreads(Executor):
    """One daemon thread for each call; for `run_in_executor`."""

    def submit[**P, T](self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work(*args, **kwargs)
            except BaseException as e:
                future.set_exception(e)
            else:
                future.set_result(result)

        self.begin(run)
        return future

    def begin(self, run: Callable[[], None]) -> None:
        threading.Thread(target=run, daemon=True).start()


class OneByOne(DaemonThreads):
    """One daemon thread for all calls, which are done in their order."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def begin(self, run: Callable[[], None]) -> None:
        self._waiting.put(run)
        if self._thread.ident is None:
            self._thread.start()

    def _work(self) -> None:
        while True:
            self._waiting.get()()


DAEMONS = DaemonThreads()

# Calls that have not returned in time, by name: not tried again until they return, so one thread hangs, not one per request.
_stuck: dict[str, Future[Any]] = {}


def unanswered(patience: float) -> OSError:
    return OSError(errno.ETIMEDOUT, f"the disk has not answered within {patience:g} s")


def call[T](name: str, work: Callable[[], T], patience: float) -> T:
    """What `work` returns or raises; OSError (ETIMEDOUT) after `patience` seconds, and at once while `name` still hangs."""
    _check(name, patience)
    future = DAEMONS.submit(work)
    try:
        return future.result(patience)
    except TimeoutError:
        if future.done():
            return future.result()  # its own error, or a result that arrived just in time
        _stuck[name] = future
        raise unanswered(patience) from None


async def run[T](name: str, work: Callable[[], T], patience: float) -> T:
    """As `call`, for the event loop."""
    _check(name, patience)
    future = DAEMONS.submit(work)
    waiter = asyncio.wrap_future(future)
    try:
        done, _ = await asyncio.wait({waiter}, timeout=patience)
    except asyncio.CancelledError:
        waiter.cancel()
        raise
    if not done:
        waiter.cancel()
        _stuck[name] = future
        raise unanswered(patience)
    return waiter.result()


async def aside[T](work: Callable[[], T]) -> T:
    """What `work`, which is bounded by itself, returns or raises; for the event loop."""
    return await asyncio.get_running_loop().run_in_executor(DAEMONS, work)


async def to_its_end[T](work: Coroutine[Any, Any, T]) -> T:
    """`work` in an event loop of its own, which neither a busy one holds up nor the end of the program cuts short. Raises OSError
    if there are no file descriptors for one."""

    def run() -> T:
        try:
            _check_files()
            return asyncio.run(work)
        finally:
            work.close()

    running = asyncio.get_running_loop().run_in_executor(None, run)
    try:
        await asyncio.wait([running])
    except asyncio.CancelledError:
        logger.warning("The token is being renewed; waiting for it, or the login would be lost.")
        await asyncio.wait([running])
        running.exception()
        raise
    return running.result()


def _check_files() -> None:
    """An event loop takes three; one that gets some of them alone is thrown away with a traceback."""
    with contextlib.ExitStack() as taken:
        one, _ = map(taken.enter_context, socket.socketpair())
        taken.enter_context(one.dup())


def _check(name: str, patience: float) -> None:
    if (stuck := _stuck.get(name)) and not stuck.done():
        raise unanswered(patience)
    _stuck.pop(name, None)
