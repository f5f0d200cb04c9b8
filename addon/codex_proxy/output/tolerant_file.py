"""Log output that survives errors: a full disk loses lines, a closed pipe ends the program in order."""

import contextlib
import errno
import os
from collections.abc import Callable
from typing import IO, Any

# The disk, or a quota on it, is full: it may not be for ever.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class TolerantFile:
    """A text file whose writes never raise: the code that logs must not be interrupted.

    `gone` is called once, from whatever thread, when there is no reader any more (a closed pipe or terminal).
    """

    def __init__(self, file: IO[str], gone: Callable[[], None]) -> None:
        self._file, self._gone = file, gone
        self._has_lost = self._is_gone = False

    def write(self, text: str) -> int:
        if self._is_gone:
            return len(text)
        try:
            if self._has_lost:
                self._file.flush()  # what is held back goes first, or nothing does
                self._file.write("(A part is missing here: the disk was full.)\n")
                self._has_lost = False
            self._file.write(text)
        except (OSError, ValueError) as e:
            self._failed(e)
        return len(text)

    def flush(self) -> None:
        if not self._is_gone:
            try:
                self._file.flush()
            except (OSError, ValueError) as e:
                self._failed(e)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in FULL:
            self._has_lost = True
            return
        self._is_gone = True
        # Python itself writes what is left when it ends, and would fail of it.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._file.fileno())
            os.close(nowhere)
        self._gone()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
