"""What is done when this process may open few files more, or none; sockets are files too."""

import errno
import logging
import time

from ..errors import ProxyError
from . import open_files

logger = logging.getLogger(__name__)

# This process, or the whole system, has no more of them.
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)

# So long is nothing more said of it, in seconds.
SAID_EVERY = 60.0

# What is kept for connections to the backend and for files: a part of all, and at least so many.
RESERVED_PART, RESERVED_LEAST = 8, 16


def limit() -> int | None:
    """How many files this process may have open; None if there is no bound."""
    return open_files.raise_limit(0) or None  # which raises nothing


def is_for_the_backend(fd: int, most: int | None) -> bool:
    """Is a client's connection that got this number one of those that are kept back?

    A new file gets the lowest number that is free (POSIX), so all below are taken.
    """
    return most is not None and fd >= most - max(RESERVED_LEAST, most // RESERVED_PART)


def out_of_files(most: int | None) -> ProxyError:
    have = f" ({most})" if most else ""
    return ProxyError(
        "proxy_out_of_files",
        f"This proxy has no more open files{have}: too many clients keep connections to it. Close some, or start it with a higher"
        " `ulimit -n`.",
        headers={"retry-after": "5", "connection": "close"},
    )


class Rarely:
    """One line a while for what may happen thousands of times."""

    def __init__(self, every: float = SAID_EVERY) -> None:
        self._every = every
        self._said_at = -every
        self._unsaid = 0

    def say(self, text: str, now: float | None = None) -> None:
        now = time.monotonic() if now is None else now
        if now - self._said_at < self._every:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} times more since this was last said)" if self._unsaid else ""
        self._said_at, self._unsaid = now, 0
        logger.warning(text + more)


def is_cause(error: BaseException) -> bool:
    """Was it caused by the lack of files?"""
    cause: BaseException | None = error
    for _ in range(20):
        if cause is None:
            break
        if isinstance(cause, OSError) and cause.errno in OUT_OF_FILES:
            return True
        cause = cause.__cause__
    return False


def instead(error: ProxyError) -> ProxyError:
    """The same error, but where it was caused by the lack of files: that is told then."""
    return out_of_files(limit()) if is_cause(error) else error
