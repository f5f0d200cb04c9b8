"""In-memory copy of the login, kept in step with its file; a granted token is never lost."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import LoginError, ProxyError
from .draft import Draft
from .login import Grant, Login, read, renewed
from .login_file import LoginFile, Signature

logger = logging.getLogger(__name__)

# How long to wait for another thread that has the login, in seconds; it may be writing to a slow disk.
TURN_PATIENCE = 2.0

# How long to wait before what could not be written is tried again, in seconds.
BETWEEN_WRITES = 1.0


class Unwritten(NamedTuple):
    """A document that could not be written, and the refresh token that was spent for it and is still in the file."""

    document: dict[str, Any]
    spent: str


class KeptLogin:
    """Blocks on the disk: call it on threads, where reads and renewals take turns."""

    def __init__(
        self, file: LoginFile, now: Callable[[], float], seen: Callable[[Login], None] = lambda _: None
    ) -> None:
        self.file = file
        self.now = now
        self.seen = seen
        self._login: Login | None = None
        self.unwritten: Unwritten | None = None
        self._document: dict[str, Any] = {}
        self._signature: Signature = None
        self._turn = threading.RLock()
        self._writing: asyncio.Task[None] | None = None
        self._warned = ""

    @property
    def login(self) -> Login | None:
        """The one in use; None before the first look, and after a look that found none."""
        return self._login

    @login.setter
    def login(self, login: Login | None) -> None:
        if login is not None:
            self.seen(login)
        self._login = login

    def look(self) -> Login:
        """The login as it is in the file; the one in memory while that can't be read or written. Raises LoginError."""
        if not self._turn.acquire(timeout=TURN_PATIENCE):
            if login := self.login:
                return login
            raise LoginError(
                "login_unreadable", f"{self.file.name} is still being written, because the disk is slow; try again."
            )
        try:
            return self._look()
        finally:
            self._turn.release()

    def _look(self) -> Login:
        signature = self.file.signature()
        if self.login is not None and signature == self._signature:
            return self.login
        try:
            document = self.file.load()
            login = read(document, self.file.name, self.file.remedy)
        except LoginError as e:
            if e.code == "login_unreadable" and self.login is not None:
                # Half-written or unreadable for a moment: the login in memory is still valid.
                if e.message != self._warned:
                    logger.warning(f"{e.message} Continuing with the login in memory.")
                    self._warned = e.message
                return self.login
            self.login = None
            self._drop_unwritten()
            raise
        self._signature, self._warned = signature, ""
        if self.login and self.unwritten and login.refresh_token == self.unwritten.spent:
            return self.login
        self._drop_unwritten()
        self.login, self._document = login, document
        return login

    def recover(self, login: Login) -> bool:
        """Adopt the tokens that a killed program was granted for `login` but did not save; True if there were any. Raises LoginError."""
        if self.unwritten or not login.refresh_token or not self.file.recover(login.refresh_token):
            return False
        logger.warning(
            f"A program was killed while it renewed {self.file.name}; the token that it was granted is now saved."
        )
        return True

    def draft(self, spent: str) -> Draft:
        """For what comes after `spent`; known again by the refresh token that the file has. Raises LoginError."""
        return self.file.draft(self.unwritten.spent if self.unwritten else spent)

    def keep(self, draft: Draft, spent: str, grant: Grant) -> Login:
        """Write what was granted for `spent`, then use it. Raises LoginError if there was a log-out meanwhile."""
        document = renewed(self._document, grant, self.now())
        # First of all: from here on a killed process loses nothing. Errors are reported by the commit.
        with contextlib.suppress(OSError):
            draft.write(document)
        with self._turn:
            before = self._document
            try:
                login = self.look()
            except LoginError:
                draft.drop()
                raise
            if login.refresh_token != spent:
                logger.warning(
                    f"{self.file.name} received another login while its token was renewed; the new login is used."
                )
                draft.drop()
                return login
            if self._document is not before:
                document = renewed(self._document, grant, self.now())
            self._commit(draft, Unwritten(document, self.unwritten.spent if self.unwritten else spent))
            self.login, self._document = read(document, self.file.name), document
            return self.login

    def write_when_there_is_room(self) -> None:
        """Try in the background to write what could not be written. In the event loop; does not block."""
        if self.unwritten and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_again_and_again())

    def mend_if_torn(self) -> None:
        """Commit in the background the draft that was read instead of a torn file. In the event loop; does not block."""
        if self.file.is_torn and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._mend())

    async def _mend(self) -> None:
        with contextlib.suppress(ProxyError):
            async with self.file.locked():
                logger.warning(f"A program was killed while it wrote {self.file.name}; what it wrote is now in place.")

    async def _write_again_and_again(self) -> None:
        while self.unwritten is not None:
            await asyncio.sleep(BETWEEN_WRITES)
            # The write error was logged before; the next request reports that the login is gone.
            with contextlib.suppress(ProxyError):
                async with self.file.locked():
                    await self.file.on_disk(self._write_again)

    def write_last(self) -> None:
        """At the end of the program: once more what could not be written, by whatever it ends. Blocks on the disk; raises nothing."""
        with contextlib.suppress(ProxyError, OSError):
            self._write_again()
            if self.unwritten:
                # The login in the file is useless: its refresh token has been spent.
                self.file.overwrite(self.unwritten.document)
                self.unwritten = None
        if self.unwritten:
            logger.error(f"The renewed token could not be written to {self.file.name} and is lost. {self.file.remedy}")

    def _write_again(self) -> None:
        with self._turn:
            self.look()
            if self.unwritten is None:
                return
            # A complete draft that could not be moved into place is still there.
            if self.file.recover(self.unwritten.spent):
                self.unwritten, self._signature = None, self.file.signature()
            else:
                self._commit(self.draft(self.unwritten.spent), self.unwritten)
        if self.unwritten is None:
            logger.warning(f"The renewed token is now written to {self.file.name}.")

    def _commit(self, draft: Draft, what: Unwritten) -> None:
        try:
            draft.commit(what.document)
        except OSError as e:
            draft.leave()
            if self.unwritten is None:
                logger.error(
                    f"The renewed token could not be written to {self.file.name} ({e.strerror}): it is in memory only, and"
                    " lost when the program stops. Free some space; writing is retried every second."
                )
            self.unwritten = what
        else:
            self.unwritten = None
            self._signature = self.file.signature()

    def _drop_unwritten(self) -> None:
        if self.unwritten is not None:
            logger.warning(
                f"{self.file.name} was changed by another program; the token that could not be written is dropped."
            )
        self.unwritten = None
