"""Read files that a user names: regular files only, bounded in size and time.

A pipe, a terminal or a lost network disk blocks its reader, and `/dev/zero` never ends.
"""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .. import daemon_threads

# How long a disk may take, in seconds; a local one takes less than a thousandth of that.
PATIENCE = 2.0

# Larger than any real text or login, in bytes.
LARGEST = 1 << 20

Check = Callable[[int], bool]
KINDS: tuple[tuple[Check, str], ...] = (
    (stat.S_ISFIFO, "it is a pipe, which can be read only once and not written back: name a regular file"),
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISCHR, "it is a device, not a regular file"),
    (stat.S_ISBLK, "it is a device, not a regular file"),
    (stat.S_ISSOCK, "it is a socket, not a regular file"),
)


def read(path: Path, limit: int = LARGEST, patience: float = PATIENCE) -> bytes:
    """All of a regular file. Blocks, `patience` seconds at most. Raises OSError, its `strerror` a reason in words."""
    return daemon_threads.call(str(path), lambda: _read(path, limit), patience)


def read_once(path: Path, limit: int) -> bytes:
    """As `read`, for interactive scripts: accepts pipes too, such as a shell's `<(…)`, and waits for them."""
    if stat.S_ISFIFO(status(path).st_mode):
        with path.open("rb") as file:
            return _bounded(file, limit, path)
    return read(path, limit)


def status(path: Path, patience: float = PATIENCE) -> os.stat_result:
    """`path.stat()` in bounded time. Raises OSError."""
    return daemon_threads.call(str(path), path.stat, patience)


def is_folder(path: Path) -> bool:
    """False also where none answers."""
    try:
        return stat.S_ISDIR(status(path).st_mode)
    except OSError:
        return False


def check_regular(found: os.stat_result, path: Path) -> None:
    """Raises OSError for what is not a regular file."""
    if stat.S_ISREG(found.st_mode):
        return
    what = next((words for fits, words in KINDS if fits(found.st_mode)), "it is not a regular file")
    raise OSError(errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL, what, str(path))


def _read(path: Path, limit: int) -> bytes:
    # Before it is opened: some devices do something when they are.
    check_regular(path.stat(), path)
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(fd, "rb") as file:
        check_regular(os.fstat(fd), path)
        return _bounded(file, limit, path)


def _bounded(file: IO[bytes], limit: int, path: Path) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        size = f"{limit >> 20} MB" if limit % (1 << 20) == 0 else f"{limit >> 10} kB"
        raise OSError(errno.EFBIG, f"it is larger than {size}", str(path))
    return data
