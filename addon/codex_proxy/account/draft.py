"""New content for a login file, written safely to disk before it replaces the file."""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from .. import daemon_threads
from . import writable

# How long a disk may take to write a login, in seconds; a busy one syncs slowly.
PATIENCE = 20.0


def as_text(document: Mapping[str, Any], **form: Any) -> str:
    """As JSON in the letters it has; in ASCII where one of them is half a surrogate pair, for which UTF-8 has nothing."""
    text = json.dumps(document, ensure_ascii=False, **form)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, **form)
    return text


def create(path: Path) -> int:
    """Raises OSError, FileExistsError too."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)


class Draft:
    """A file beside the target: written, synced and renamed over it at once, or dropped."""

    def __init__(self, fd: int, path: Path | None, target: Path) -> None:
        self.fd, self.path, self.target = fd, path, target
        self.written: Mapping[str, Any] | None = None
        # After a disk that did not answer: a write that still hangs must not be put in place later.
        self._abandoned = False

    @classmethod
    def left(cls, path: Path, target: Path, document: Mapping[str, Any]) -> Self:
        """One that a killed program has left at `path`, with `document` in it. Raises OSError."""
        draft = cls(os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)), path, target)
        draft.written = document
        return draft

    def write(self, document: Mapping[str, Any]) -> None:
        """Write and sync it: from here on it survives the process. Blocks on the disk. Raises OSError."""
        self._in_time(lambda: self._write(document))

    def put(self) -> None:
        """Move what is written into place, keeping the owner. Blocks on the disk. Raises OSError; then the target is as it was."""
        self._in_time(self._put)

    def commit(self, document: Mapping[str, Any]) -> None:
        """Put `document` in place; written before, it is not written again. Raises as `put` does."""
        if self.written is not document:
            self.write(document)
        self.put()

    def drop(self) -> None:
        """Remove what was not committed; harmless after `commit`."""
        with contextlib.suppress(OSError):
            self._in_time(self._drop)

    def leave(self) -> None:
        """After `commit` failed: a complete draft stays, for the next start to find."""
        if self.written is None:
            self.drop()
        else:
            with contextlib.suppress(OSError):
                self._in_time(self._close)

    def remove(self) -> bool:
        """Instead of a new content, none: of a link what it leads to, for the tokens are there. Is the file gone? Raises OSError."""
        self.target.unlink(missing_ok=True)
        return True

    def _in_time(self, work: Callable[[], None]) -> None:
        try:
            daemon_threads.call(f"{self.target} is written", work, PATIENCE)
        except TimeoutError:
            self._abandoned = True
            raise

    def _write(self, document: Mapping[str, Any]) -> None:
        self.written = None
        fill(self.fd, as_text(document, indent=2).encode())
        self.written = document

    def _put(self) -> None:
        assert self.path
        with contextlib.suppress(OSError, AttributeError):  # Windows has no owners
            owner = self.target.stat()
            os.chown(self.path, owner.st_uid, owner.st_gid)
        os.fsync(self.fd)
        if self._abandoned:
            return
        try:
            self._close()  # Windows renames no open file
            os.replace(self.path, self.target)
        except OSError as e:
            # Not foreseen: for instance a mount made in the meantime.
            if e.errno not in writable.NO_RENAME:
                raise
            overwrite(self.target, self.path.read_bytes())
            self.path.unlink()

    def _drop(self) -> None:
        self._close()
        if self.path:
            self.path.unlink(missing_ok=True)

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd != -1:
            os.close(fd)


class DraftInPlace(Draft):
    """For a target that can't be renamed over. The file at `path`, None if there can be none, is for the next start alone."""

    def _write(self, document: Mapping[str, Any]) -> None:
        self.written = document
        if self.fd != -1:
            with contextlib.suppress(OSError):  # no room: less safe, and still better than in memory alone
                super()._write(document)
                os.fsync(self.fd)
                return
            self._drop()
            self.written = document

    def _put(self) -> None:
        assert self.written is not None
        if self._abandoned:
            return
        overwrite(self.target, as_text(self.written, indent=2).encode())
        self._close()
        if self.path:
            self.path.unlink(missing_ok=True)

    def remove(self) -> bool:
        self.target.stat()
        overwrite(self.target, b"{}\n")
        return False


def fill(fd: int, data: bytes) -> None:
    """Replace the content of the open file with `data`. Raises OSError."""
    if os.fstat(fd).st_size:
        os.ftruncate(fd, 0)
    _write_at(fd, data, 0)


def overwrite(path: Path, data: bytes) -> None:
    """Write a JSON document over another one, so that a reader and the next start meet one of them at any moment but those
    that a single `write` takes. Raises OSError; then the old one is still there."""
    fd = writable.open_for_writing(path)
    try:
        size = os.fstat(fd).st_size
        before = _read_at(fd, size)
        try:
            # Blanks behind a document say nothing: so room is made on the disk before anything is lost.
            _write_at(fd, b" " * (len(data) - size), size)
            os.fsync(fd)
            _write_at(fd, data.ljust(size), 0)
            os.fsync(fd)
        except OSError:
            with contextlib.suppress(OSError):
                _write_at(fd, before, 0)
            os.ftruncate(fd, size)
            raise
        os.ftruncate(fd, len(data))
        os.fsync(fd)
    finally:
        os.close(fd)


def _read_at(fd: int, size: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    return os.read(fd, size)


def _write_at(fd: int, data: bytes, at: int) -> None:
    if at or os.lseek(fd, 0, os.SEEK_CUR):
        os.lseek(fd, at, os.SEEK_SET)
    while data:
        written = os.write(fd, data)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[written:]
