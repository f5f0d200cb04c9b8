"""What to do when the process can open few more files or none; sockets count as files."""

import errno
import logging
import time

from ..errors import ProxyError
from . import open_files

logger = logging.getLogger(__name__)

# The errors when this process, or the whole system, has no more file descriptors.
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE)

# Interval between two log lines about it, in seconds.
SAID_EVERY = 60.0

# Reserve for connections to the backend and for files: a share, and a minimum.
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
        f"This proxy can open no more files{have}: too many clients keep connections to it. Close some, or start it with a higher"
        " `ulimit -n`.",
        headers={"retry-after": "5", "connection": "close"},
    )


class RateLimitedLog:
    """Rate limit for a log line whose cause may occur thousands of times."""

    def __init__(self, every: float = SAID_EVERY) -> None:
        self._every = every
        self._said_at = -every
        self._unsaid = 0

    def say(self, text: str, now: float | None = None) -> None:
        now = time.monotonic() if now is None else now
        if now - self._said_at < self._every:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more times since the last such line)" if self._unsaid else ""
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
    """The same error, unless it was caused by a lack of files; then that error."""
    return out_of_files(limit()) if is_cause(error) else error
