"""Lock file that excludes other processes, with a timeout even on a hung disk (docs/backend.md, 9)."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from ..errors import IssuerError
from .writable import NotWritable

# How often a lock that another program has is asked for, in seconds.
BETWEEN_TRIES = 0.05


class OnDisk(Protocol):
    """Runs what blocks on the disk on a thread, in bounded time. Raises IssuerError where none answers."""

    def __call__[T](self, work: Callable[[], T]) -> Awaitable[T]: ...


@contextlib.asynccontextmanager
async def held(path: Path, patience: float, on_disk: OnDisk) -> AsyncIterator[None]:
    """Hold the lock at `path`, which another may have for `patience` seconds. Raises IssuerError, LoginError."""
    # Not filelock's own way for asyncio, which waits for its thread however long that hangs.
    lock = FileLock(path, 0, 0o600, thread_local=False, fallback_to_soft=False, preserve_lock_file=True)
    given_up = False

    def attempt() -> bool:
        try:
            lock.acquire()
        except Timeout:
            return False
        except OSError as e:
            if not path.exists():
                raise NotWritable(path.parent, e) from e
            advice = "It belongs to another user: remove it, or change its owner to the user of the login (chown)."
            raise NotWritable(path, e, advice) from e
        if given_up:
            lock.release()
        else:
            _give_to_owner_of_folder(path)
        return True

    deadline = time.monotonic() + patience
    try:
        while not await on_disk(attempt):
            if time.monotonic() > deadline:
                said = f"Another program has held {path} for {patience:.0f} s; try again."
                raise IssuerError("login_busy", said)
            await asyncio.sleep(BETWEEN_TRIES)
    finally:
        given_up = True
    try:
        yield
    finally:
        with contextlib.suppress(IssuerError):
            await on_disk(lock.release)


def _give_to_owner_of_folder(lock: Path) -> None:
    """Files that root creates in a user's folder (`docker exec`, sudo) would lock that user out."""
    with contextlib.suppress(OSError, AttributeError):
        folder, made = lock.parent.stat(), lock.stat()
        is_ours = lock.suffix == ".lock" and made.st_size == 0
        if is_ours and os.geteuid() == 0 and made.st_uid == 0 != folder.st_uid:
            os.chown(lock, folder.st_uid, folder.st_gid)
