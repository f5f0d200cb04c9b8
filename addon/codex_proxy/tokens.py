"""The token in use: whether it is fresh, one renewal at a time, the file looked at again before the server is asked."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from .errors import IssuerError, LoginError, ProxyError
from .login import LOGIN_COMMAND, Grant, Login, read, renewed
from .login_file import Draft, LoginFile, Signature

logger = logging.getLogger(__name__)

# Renew this long before the end, as the CLI does (contract 9), so that no request starts with a dying token; seconds.
LEEWAY = 300.0

# The file is looked at no more often than this, in seconds.
LOOK_EVERY = 1.0

# After a failure that may pass, ask the server again no sooner than this, in seconds.
PAUSE = 10.0

# Another program may have spent our refresh token and not yet written what it got (contract 15.4): how often and how long
# to look before giving the login up, in seconds.
SECOND_LOOKS, BETWEEN_LOOKS = 8, 0.25


class Refresh(Protocol):
    def __call__(self, refresh_token: str, *, proactive: bool) -> Awaitable[Grant]: ...


def fingerprint(token: str) -> str:
    """Tells one token from another and nothing of either."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


class TokenStore:
    """`fresh` and `replaced` are for requests; nobody else reads or writes the login."""

    def __init__(self, file: LoginFile, refresh: Refresh, now: Callable[[], float] = time.time) -> None:
        self.file = file
        self.refresh = refresh
        self.now = now
        self._login: Login | None = None
        self._document: dict[str, Any] = {}
        self._signature: Signature = None
        self._looked_at = float("-inf")
        self._renewal: asyncio.Task[Login] | None = None
        # The refresh token that the server won't take any more, and what it said; asked no more until the file changes.
        self._dead: tuple[str, LoginError] | None = None
        self._pause: tuple[float, IssuerError] | None = None
        # What could not be written: kept here, tried again with each look at the file.
        self._unwritten: dict[str, Any] | None = None

    async def fresh(self) -> Login:
        """A login whose token is good for five minutes more. Raises LoginError, IssuerError."""
        login = await self.current()
        if login.seconds_left(self.now()) >= LEEWAY:
            return login
        return await self._renewed(None)

    async def replaced(self, rejected: str) -> Login:
        """Another token than the one with the fingerprint `rejected`, which the backend refused.

        Raises LoginError, IssuerError.
        """
        login = await self.current(look=True)
        if fingerprint(login.access_token) != rejected:
            return login
        return await self._renewed(rejected)

    async def current(self, look: bool = False) -> Login:
        """The login as it is in the file, looked at once a second. Raises LoginError."""
        now = time.monotonic()
        if self._login is None or look or now - self._looked_at >= LOOK_EVERY:
            await asyncio.to_thread(self._look)
            self._looked_at = now
        assert self._login is not None
        return self._login

    def look_now(self) -> Login:
        """The login as it is in the file; blocks on the disk, so for the start and a person's command. Raises LoginError."""
        self._look()
        assert self._login is not None
        return self._login

    def refused(self, login: Login) -> LoginError | None:
        """What the server said of this login's refresh token, if it will not take it any more."""
        return self._dead[1] if self._dead and self._dead[0] == login.refresh_token else None

    def _look(self) -> None:
        """Take over what changed in the file; blocks on the disk. Raises LoginError."""
        signature = self.file.signature()
        if self._unwritten is not None:
            if signature == self._signature:
                self._write_again(self._unwritten)
                return
            logger.warning(
                f"{self.file.name} was changed by another program; the token that could not be written is dropped."
            )
            self._unwritten = None
        if self._login is not None and signature == self._signature:
            return
        try:
            document = self.file.load()
            login = read(document, self.file.name)
        except LoginError as e:
            if e.code != "login_unreadable" or self._login is None:
                self._login = None
                raise
            # Half-written or unreadable for a moment: what is in memory is still good.
            logger.warning(f"{e.message} Going on with the login in memory.")
            return
        self._login, self._document, self._signature = login, document, signature

    async def _renewed(self, rejected: str | None) -> Login:
        """Join the renewal that is under way, or start it; one caller's end does not end it for the others."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(rejected))
        return await asyncio.shield(self._renewal)

    async def _renew(self, rejected: str | None) -> Login:
        try:
            async with self.file.locked():
                return await self._renew_locked(rejected)
        except IssuerError as e:
            self._pause = (time.monotonic() + PAUSE, e) if self._pause is None else self._pause
            login = self._login
            if rejected is None and login and login.seconds_left(self.now()) > 0:
                logger.warning(f"{e.message} The token in use is good for {login.seconds_left(self.now()):.0f} s more.")
                return login
            raise

    async def _renew_locked(self, rejected: str | None) -> Login:
        login = await self.current(look=True)
        if self._usable(login, rejected):
            return login
        self._check_worth_asking(login)
        assert login.refresh_token
        draft = await asyncio.to_thread(self.file.draft)
        try:
            grant = await self.refresh(login.refresh_token, proactive=rejected is None)
        except LoginError as e:
            await asyncio.to_thread(draft.drop)
            return await self._second_look(login, rejected, e)
        except BaseException:
            await asyncio.to_thread(draft.drop)
            raise
        self._pause = None
        return await asyncio.to_thread(self._keep, draft, grant)

    def _usable(self, login: Login, rejected: str | None) -> bool:
        if rejected is not None:
            return fingerprint(login.access_token) != rejected
        return login.seconds_left(self.now()) >= LEEWAY

    def _check_worth_asking(self, login: Login) -> None:
        if not login.refresh_token:
            raise LoginError(
                "login_expired",
                f"The token of {self.file.name} is not accepted any more and has no refresh token with it. Run: {LOGIN_COMMAND}",
            )
        # An error that is raised again and again would hold the frames of every time.
        if dead := self.refused(login):
            raise dead.with_traceback(None)
        if self._pause and time.monotonic() < self._pause[0]:
            raise self._pause[1].with_traceback(None)
        self._pause = None

    async def _second_look(self, login: Login, rejected: str | None, refused: LoginError) -> Login:
        """After the server would not have our refresh token: another program may just be writing what it got."""
        for _ in range(SECOND_LOOKS):
            current = await self.current(look=True)
            if current.refresh_token != login.refresh_token and self._usable(current, rejected):
                return current
            await asyncio.sleep(BETWEEN_LOOKS)
        assert login.refresh_token
        self._dead = (login.refresh_token, refused)
        raise refused

    def _keep(self, draft: Draft, grant: Grant) -> Login:
        """Write the granted tokens, then use them; blocks on the disk. A full disk must not lose them."""
        document = renewed(self._document, grant, self.now())
        self._document = document
        self._login = read(document, self.file.name)
        self._commit(draft, document)
        return self._login

    def _commit(self, draft: Draft, document: Mapping[str, Any]) -> None:
        try:
            draft.commit(document)
        except OSError as e:
            draft.drop()
            self._unwritten = dict(document)
            logger.error(
                f"The renewed token could not be written to {self.file.name} ({e.strerror}): it is in memory only, and lost when"
                " the proxy stops. Make room; it is tried again with every request."
            )
        else:
            self._unwritten = None
        self._signature = self.file.signature()

    def _write_again(self, document: Mapping[str, Any]) -> None:
        try:
            self._commit(self.file.draft(), document)
        except ProxyError as e:
            logger.error(e.message)
