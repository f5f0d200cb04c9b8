"""The file a login is kept in: read it as it stands, lock it against other programs, write it whole.

What the Codex CLI does with the same file is in contract 15.4: `auth.lock`, which it holds while it writes, is taken here as
well, and held from before a refresh token is spent until what came for it is in place.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from filelock import AsyncFileLock, Timeout

from .. import whole_files
from ..errors import IssuerError, LoginError
from .login import LOGIN_COMMAND, read

# How long another process may take over its refresh before we give up waiting, in seconds.
LOCK_PATIENCE = 45.0

# The CLI of before 2026-11 wrote the file in place: a reader can meet half of it (contract 9). In seconds.
HALF_WRITTEN_PATIENCE = 0.5

Signature = tuple[int, int, int] | bytes | None


class LoginFile:
    """One login on disk. `seed` is the document to start from while there is no file (a login in the environment)."""

    # Does it take another program's time to look at it? Then not on the event loop, for however short a look.
    waits = False

    def __init__(self, path: Path, seed: Mapping[str, Any] | None = None, name: str = "") -> None:
        self.path = path
        self.seed = seed
        self.name = name or str(path)

    def signature(self) -> Signature:
        """Changes whenever the file does; None while there is none. Blocks on the disk."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def load(self) -> dict[str, Any]:
        """The decoded document. Blocks on the disk. Raises LoginError."""
        deadline = time.monotonic() + HALF_WRITTEN_PATIENCE
        while True:
            try:
                document: dict[str, Any] = json.loads(self.path.read_bytes())
                return document
            except FileNotFoundError:
                if self.seed is not None:
                    return dict(self.seed)
                raise LoginError(
                    "login_missing",
                    f"No login at {self.path}. Run: {LOGIN_COMMAND}",
                ) from None
            except OSError as e:
                raise LoginError("login_unreadable", f"{self.path} can't be read: {e.strerror}.") from e
            except ValueError:
                if time.monotonic() > deadline:
                    raise LoginError(
                        "login_unreadable", f"{self.path} is not whole JSON. Run: {LOGIN_COMMAND}"
                    ) from None
                time.sleep(0.05)

    @contextlib.asynccontextmanager
    async def locked(self, patience: float | None = None) -> AsyncIterator[None]:
        """Hold the file against other processes, without blocking the event loop. Raises IssuerError, LoginError.

        `patience` is how long another may hold it, in seconds; LOCK_PATIENCE if it is not given.
        """
        patience = LOCK_PATIENCE if patience is None else patience
        # In folders without links: one lock under two spellings would wait for itself.
        real, folder = await asyncio.to_thread(lambda: (self.path.resolve(), self.path.parent.resolve()))
        beside = folder / self.path.name
        async with contextlib.AsyncExitStack() as stack:
            try:
                await asyncio.to_thread(whole_files.make_folder, real.parent)
                # Beside the link and beside what it leads to: either may be the path another program knows.
                for path in dict.fromkeys((beside.with_suffix(".lock"), real.with_suffix(".lock"))):
                    await stack.enter_async_context(
                        AsyncFileLock(path, patience, 0o600, fallback_to_soft=False, preserve_lock_file=True)
                    )
            except Timeout as e:
                raise IssuerError(
                    503, "login_busy", f"Another program has held {e.lock_file} for {patience:.0f} s; try again."
                ) from e
            except OSError as e:
                raise not_writable(real.parent, e) from e
            yield

    def draft(self, after: str | None = None) -> "Draft":
        """Open the file that will take the new tokens, before the old ones are spent. Only under the lock. Raises LoginError.

        With the refresh token that is about to be spent as `after`, what a killed program leaves of it is known again.
        """
        real = self.path.resolve()
        path = self._draft_path(after or secrets.token_hex())
        try:
            # Of programs that were killed: nobody else has one while the lock is held.
            for name in os.listdir(real.parent):
                if name.startswith(f".{real.name}.") and name.endswith(".new"):
                    real.with_name(name).unlink(missing_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as e:
            raise not_writable(real.parent, e) from e
        return Draft(fd, path, real)

    def overwrite(self, document: Mapping[str, Any]) -> None:
        """Write in place what there is no room for beside it: only over a login that is of no use any more, for a reader may meet half
        of it. Blocks on the disk. Raises OSError."""
        data = as_text(document).encode()
        with open(self.path.resolve(), "r+b", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            file.truncate(len(data))
            os.fsync(file.fileno())

    def recover(self, spent: str) -> bool:
        """Put in place what a program was granted for the refresh token `spent` and was killed before it could; was there any?

        Only under the lock. Raises LoginError.
        """
        if not self._left_whole(spent):
            return False
        draft = Draft(os.open(path := self._draft_path(spent), os.O_RDWR), path, self.path.resolve())
        try:
            draft.put()
        except OSError as e:
            raise not_writable(path.parent, e) from e
        return True

    def was_cut_short(self, spent: str) -> bool:
        """Is there a draft for what comes after the refresh token `spent`, and nothing whole in it? Blocks on the disk."""
        return self._draft_path(spent).exists() and not self._left_whole(spent)

    def _left_whole(self, spent: str) -> bool:
        try:
            login = read(json.loads(self._draft_path(spent).read_bytes()), self.name)
        except (OSError, ValueError, LoginError):
            return False
        return login.refresh_token != spent

    def _draft_path(self, after: str) -> Path:
        """A name of our own, not the CLI's `.auth-XXXXXX`; nobody can guess it who does not have the token."""
        real = self.path.resolve()
        return real.with_name(f".{real.name}.{hashlib.sha256(after.encode()).hexdigest()[:32]}.new")


def not_writable(folder: Path, e: OSError) -> LoginError:
    return LoginError(
        "login_not_writable",
        f"{folder} can't be written to ({e.strerror}), and a new token that is not kept there is lost. Make it writable.",
    )


def as_text(document: Mapping[str, Any], **form: Any) -> str:
    """As JSON in the letters it has; in ASCII where one of them is half a surrogate pair, for which UTF-8 has nothing."""
    text = json.dumps(document, ensure_ascii=False, **form)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, **form)
    return text


class Draft:
    """A new content on its way into place: written, synced and renamed at once, or dropped."""

    def __init__(self, fd: int, path: Path, target: Path) -> None:
        self.fd, self.path, self.target = fd, path, target
        self.written: Mapping[str, Any] | None = None

    def write(self, document: Mapping[str, Any]) -> None:
        """All of it, and from here on it is not lost with the process. Blocks on the disk. Raises OSError."""
        if os.lseek(self.fd, 0, os.SEEK_CUR):
            os.lseek(self.fd, 0, os.SEEK_SET)
            os.ftruncate(self.fd, 0)
        data = as_text(document, indent=2).encode()
        while data:
            data = data[os.write(self.fd, data) :]
        self.written = document

    def put(self) -> None:
        """Put what is written in place, mode 0600, owner kept. Blocks on the disk. Raises OSError; the target stays whole."""
        with contextlib.suppress(OSError, AttributeError):  # Windows has no owners
            owner = self.target.stat()
            os.chown(self.path, owner.st_uid, owner.st_gid)
        os.fsync(self.fd)
        self._close()  # Windows renames no open file
        os.replace(self.path, self.target)

    def commit(self, document: Mapping[str, Any]) -> None:
        """Put `document` in place; written before, it is not written again. Raises as `put` does."""
        if self.written is not document:
            self.write(document)
        self.put()

    def drop(self) -> None:
        """Remove what was not committed; harmless after `commit`."""
        self._close()
        self.path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Instead of a new content, none: of a link what it leads to, for the tokens are there. Raises OSError."""
        self.target.unlink(missing_ok=True)

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd != -1:
            os.close(fd)
