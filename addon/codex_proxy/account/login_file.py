"""The login file: read it, lock it against other programs, replace it atomically.

What the Codex CLI does with the same file is in docs/backend.md, 9: `auth.lock`, which it holds while it writes, is taken here as
well, and held from before a refresh token is spent until its successor is in place.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import daemon_threads, json_text
from ..errors import IssuerError, LoginError
from ..files import atomic as atomic_files
from ..files import bounded as bounded_files
from . import forms, login_lock, remedy, writable
from .draft import Draft, DraftInPlace, as_text, create, overwrite
from .login import read
from .writable import NotWritable

# How long another process may take over its refresh before we give up waiting, in seconds.
LOCK_PATIENCE = 45.0

# How often a lock that another program has is asked for, in seconds.
BETWEEN_TRIES = 0.05

# The CLI of before 2026-11 wrote the file in place: a reader can meet half of it (docs/backend.md, 9). In seconds.
HALF_WRITTEN_PATIENCE = 0.5

# How long a disk may take to open, lock or create a file, in seconds.
DISK_PATIENCE = 10.0

# How much of a hash is in a draft's name.
DIGEST = 32

Signature = tuple[int, int, int] | bytes | None


class LoginFile:
    """One login on disk. `seed` is the document to start from while there is no file (a login in the environment).

    `spare` is a folder for drafts where there can be none beside the file.
    """

    # Whether reading it may wait for another program; if so, never read it on the event loop.
    waits = False

    def __init__(
        self,
        path: Path,
        seed: Mapping[str, Any] | None = None,
        name: str = "",
        *,
        spare: Path | None = None,
        mend: remedy.Remedy = remedy.DEFAULT,
    ) -> None:
        self.path = path
        self.seed = seed
        self.name = name or str(path)
        self.spare = spare
        self.mend = mend
        # Whether the file was torn, and the draft of a killed program was read instead.
        self.is_torn = False
        self._owner: int | None = None
        # The command for a new login of the program whose file it is, if that is not the Codex CLI.
        self._theirs = ""
        # Our own draft is not a leftover.
        self._drafting: Path | None = None

    @property
    def remedy(self) -> str:
        """How the user gets a login here again, in one sentence."""
        return self.mend.text(self._owner, self._theirs)

    def signature(self) -> Signature:
        """Changes whenever the file does; None while there is none. Blocks on the disk, in bounded time."""
        try:
            stat = bounded_files.status(self.path)
        except OSError:
            return None
        self._owner = stat.st_uid
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def load(self) -> dict[str, Any]:
        """The decoded document. Blocks on the disk, in bounded time. Raises LoginError."""
        deadline = time.monotonic() + HALF_WRITTEN_PATIENCE
        while True:
            try:
                document: dict[str, Any] = json_text.decode(bounded_files.read(self.path))
                form = forms.of(document) if isinstance(document, dict) else None
                self._theirs = form.login if form else ""
                return document
            except FileNotFoundError:
                if self.seed is not None:
                    return dict(self.seed)
                raise LoginError("login_missing", f"No login at {self.path}. {self.remedy}") from None
            except OSError as e:
                raise LoginError("login_unreadable", f"{self.path} can't be read: {e.strerror}.") from e
            except json_text.NotJson:
                if time.monotonic() > deadline:
                    if (left := self._left_behind()) is not None:
                        self.is_torn = True
                        return left
                    raise LoginError("login_unreadable", f"{self.path} is not complete JSON. {self.remedy}") from None
                time.sleep(BETWEEN_TRIES)

    @contextlib.asynccontextmanager
    async def locked(self, patience: float | None = None) -> AsyncIterator[None]:
        """Hold the file against other processes, without blocking the event loop. Raises IssuerError, LoginError.

        `patience` is how long another may hold it, in seconds; LOCK_PATIENCE if it is not given.
        """
        patience = LOCK_PATIENCE if patience is None else patience
        async with contextlib.AsyncExitStack() as stack:
            for path in await self.on_disk(self._locks):
                await stack.enter_async_context(login_lock.held(path, patience, self.on_disk))
            await self.on_disk(self._mend_torn)
            yield

    def lock_paths(self) -> list[Path]:
        """Beside the link and beside what it leads to: either may be the path another program knows."""
        # In folders without links: one lock under two spellings would wait for itself.
        real, folder = self._real(), self.path.parent.resolve()
        return list(dict.fromkeys(((folder / self.path.name).with_suffix(".lock"), real.with_suffix(".lock"))))

    def _locks(self) -> list[Path]:
        real = self._real()
        try:
            atomic_files.make_folder(real.parent)
            in_place = writable.way(real) == "in place"
        except OSError as e:
            raise self._not_writable(real, e) from e
        locks = self.lock_paths()
        if not in_place or os.name != "posix":
            return locks
        # In a folder where there can be no lock, the file itself is one: so it is for all who have it mounted.
        return [lock for lock in locks if lock.exists() or os.access(lock.parent, os.W_OK)] + [real]

    async def on_disk[T](self, work: Callable[[], T]) -> T:
        """`work`, which blocks on the disk, on a thread and in bounded time. Raises IssuerError where none answers."""
        try:
            return await daemon_threads.run(f"{self.path} is locked", work, DISK_PATIENCE)
        except TimeoutError as e:
            raise IssuerError(
                "login_busy", f"{self.path} can't be written at the moment: {e.strerror}; try again."
            ) from e

    def draft(self, after: str | None = None) -> Draft:
        """Open the file that will take the new tokens, before the old ones are spent. Only under the lock. Raises LoginError.

        With the refresh token that is about to be spent as `after`, what a killed program leaves of it is known again.
        """
        real, after = self._real(), after or secrets.token_hex()
        places = self._draft_paths(after)
        try:
            how = writable.way(real)
            # Drafts of killed programs: no running program has one while we hold the lock.
            for left in self._drafts():
                left.unlink(missing_ok=True)
            if how == "rename":
                try:
                    self._drafting = places[0]
                    return Draft(create(places[0]), places[0], real)
                except OSError as e:
                    if e.errno not in writable.NO_RENAME:
                        raise
                    os.close(writable.open_for_writing(real))
        except OSError as e:
            raise self._not_writable(real, e) from e
        for place in places:
            with contextlib.suppress(OSError):
                atomic_files.make_folder(place.parent)
                self._drafting = place
                return DraftInPlace(create(place), place, real)
        return DraftInPlace(-1, None, real)

    def overwrite(self, document: Mapping[str, Any]) -> None:
        """Overwrite the file if there is no room for a draft: only if the login in it is useless by now. Blocks on the disk, in
        bounded time. Raises OSError."""
        data = as_text(document).encode()
        daemon_threads.call(f"{self.path} is written", lambda: overwrite(self._real(), data), DISK_PATIENCE)

    def recover(self, spent: str) -> bool:
        """Commit the draft of a killed program that was granted tokens for the refresh token `spent`; True if there was one.

        Only under the lock. Raises LoginError.
        """
        return any(self._recover(path, spent) for path in self._draft_paths(spent))

    def _recover(self, path: Path, spent: str | None = None) -> bool:
        document = self._whole(path, spent)
        if document is None:
            return False
        real = self._real()
        try:
            kind = Draft if writable.way(real) == "rename" and path.parent == real.parent else DraftInPlace
            kind.left(path, real, document).put()
        except OSError as e:
            raise self._not_writable(real, e) from e
        return True

    def was_cut_short(self, spent: str) -> bool:
        """Is there a draft for what comes after the refresh token `spent`, and nothing whole in it? Blocks on the disk."""

        def look() -> bool:
            return any(path.exists() and self._whole(path, spent) is None for path in self._draft_paths(spent))

        try:
            return daemon_threads.call(f"{self.path} is looked for", look, bounded_files.PATIENCE)
        except OSError:
            return False

    def _left_behind(self) -> dict[str, Any] | None:
        """The draft of a program that was killed while it overwrote the file, which is torn now."""

        def look() -> dict[str, Any] | None:
            left = (path for path in self._drafts() if path != self._drafting)
            return next(filter(None, map(self._whole, left)), None)

        try:
            return daemon_threads.call(f"{self.path} is looked for", look, bounded_files.PATIENCE)
        except OSError:
            return None

    def _mend_torn(self) -> None:
        """Commit that draft."""
        self.is_torn = False
        real = self._real()
        try:
            json_text.decode(bounded_files.read(real))
        except OSError:
            return
        except json_text.NotJson:
            for path in self._drafts():
                if self._recover(path):
                    return

    def _whole(self, path: Path, spent: str | None = None) -> dict[str, Any] | None:
        """The document in a draft, if it is a login, and another than that with the refresh token `spent`."""
        try:
            document: dict[str, Any] = json_text.decode(bounded_files.read(path))
            login = read(document, self.name)
        except (OSError, json_text.NotJson, LoginError):
            return None
        return None if spent is not None and login.refresh_token == spent else document

    def _drafts(self) -> Iterator[Path]:
        """All drafts of this file."""
        for place in self._draft_paths(""):
            prefix = place.stem[:-DIGEST]
            with contextlib.suppress(OSError):
                names = [name for name in os.listdir(place.parent) if name.startswith(prefix) and name.endswith(".new")]
                yield from map(place.with_name, names)

    def _draft_paths(self, after: str) -> list[Path]:
        """Names of our own, not the CLI's `.auth-XXXXXX`; only those who have the token can derive them."""
        real = self._real()
        digest = hashlib.sha256(after.encode()).hexdigest()[:DIGEST]
        paths = [real.with_name(f".{real.name}.{digest}.new")]
        if self.spare:
            paths.append(
                self.spare
                / f".{hashlib.sha256(str(real).encode('utf-8', 'surrogateescape')).hexdigest()[:16]}.{digest}.new"
            )
        return paths

    def _real(self) -> Path:
        return self.path.resolve()

    def _not_writable(self, real: Path, e: OSError) -> NotWritable:
        return NotWritable(Path(e.filename) if e.filename else real.parent, e)
