"""The current access token: is it fresh; one refresh at a time; reread the file before asking the server."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from .. import clock, daemon_threads
from ..errors import IssuerError, LoginError, ProxyError
from ..net import few_files
from . import provenance
from .draft import Draft
from .kept_login import KeptLogin
from .login import Grant, Login
from .login_file import LoginFile

logger = logging.getLogger(__name__)

# Renew this long before the end, so that no request starts with a dying token; a minute before the CLI on the same file
# would (docs/backend.md, 9), which takes no lock while it renews: so it finds a fresh one. In seconds.
LEEWAY = 360.0

# A token that was just granted is not renewed sooner than this, however short its life is by this machine's clock, which
# may be wrong: renewing with each request would not help. In seconds.
BETWEEN_RENEWALS = 60.0

# The file is looked at no more often than this, in seconds.
LOOK_EVERY = 1.0

# After a failure that may pass, ask the server again no sooner than this, in seconds.
PAUSE = 10.0

# Another program may have spent our refresh token and not yet written what it got (docs/backend.md, 9): how often and how long
# to look before giving the login up, in seconds.
SECOND_LOOKS, BETWEEN_LOOKS = 8, 0.25

# How long to wait for the lock while the token in use is still good, in seconds.
SHORT_PATIENCE = 1.0

# How long a request waits for the renewal of a token that is still good, in seconds.
MOMENT = 2.0


class Refresh(Protocol):
    def __call__(self, refresh_token: str, *, proactive: bool, client_id: str) -> Awaitable[Grant]: ...


def fingerprint(token: str) -> str:
    """Opaque fingerprint of a token."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


def account_fingerprint(login: Login) -> str:
    """Opaque fingerprint of the account; of the token if no account is named."""
    return fingerprint(login.account_id or login.access_token)


class Refused(Exception):
    """The server refused the refresh token of `login`."""

    def __init__(self, login: Login, error: LoginError) -> None:
        super().__init__()
        self.login, self.error = login, error


class TokenStore:
    """`fresh` and `replaced` are for requests; no other object reads or writes the login."""

    def __init__(
        self,
        file: LoginFile,
        refresh: Refresh,
        now: Callable[[], float] = time.time,
        issuer: Callable[[], str] | None = None,
        seen: Callable[[Login], None] = lambda _: None,
    ) -> None:
        """`seen` is called with each login before it is used."""
        self.file = file
        self.refresh = refresh
        self.now = now
        # The one that `refresh` asks: a token that was granted elsewhere is not for it. None: not to be looked at.
        self.issuer = issuer
        self.kept = KeptLogin(file, self.time, seen)
        # How far this machine's clock is ahead of the servers', in seconds.
        self._ahead = 0.0
        self._looked_at = float("-inf")
        self._renewal: asyncio.Task[Login] | None = None
        self._began_at = 0.0
        # The refresh token that the server refused, and its answer; not asked again until the file changes.
        self._dead: tuple[str, LoginError] | None = None
        # The access token that the backend refused last, by its fingerprint.
        self._rejected = ""
        self._warned = ""
        self._pause: tuple[float, IssuerError] | None = None
        # The token that was granted last, and when.
        self._granted: tuple[str, float] = ("", float("-inf"))

    def time(self) -> float:
        """By the servers' clock, as far as that is known, in unix seconds: by it tokens live and end."""
        return self.now() - self._ahead

    def heard(self, date: str) -> None:
        """A server's `Date`: were this machine's clock wrong, each renewed token would look ended, and be renewed again."""
        ahead = clock.ahead(date, self.now())
        if ahead is None:
            return
        if ahead and abs(ahead - self._ahead) > clock.TOLERANCE:
            logger.warning(f"{clock.describe(ahead)} Until then tokens are judged by the server's clock.")
        self._ahead = ahead

    async def fresh(self) -> Login:
        """A login valid for six more minutes; a shorter-lived one while its renewal is slow. Raises LoginError, IssuerError."""
        login = await self.current()
        if self._usable(login, None):
            return login
        if (dead := self._dead_of(login)) and self.is_alive(login):
            return self._go_on(login, dead)
        if login.seconds_left(self.time()) > 0:
            return await self._renewed_or(login)
        return await self._renewed(None)

    async def replaced(self, rejected: str) -> Login:
        """Another token than the one with the fingerprint `rejected`, which the backend refused.

        Raises LoginError, IssuerError.
        """
        login = await self.current(look=True)
        if fingerprint(login.access_token) != rejected:
            return login
        self._rejected = rejected
        return await self._renewed(rejected)

    def accepted(self, token: str) -> None:
        """The backend accepted the token with this fingerprint."""
        if token == self._rejected:
            self._rejected = ""

    def is_alive(self, login: Login) -> bool:
        """Is its access token good, for as long as it lasts, whatever becomes of the refresh token?"""
        return login.seconds_left(self.time()) > 0 and fingerprint(login.access_token) != self._rejected

    async def current(self, look: bool = False) -> Login:
        """The login as it is in the file, looked at once a second. Raises LoginError."""
        now = time.monotonic()
        if self.kept.login is None or look or now - self._looked_at >= LOOK_EVERY:
            login = await daemon_threads.aside(self.kept.look)
            self.kept.mend_if_torn()
            self._looked_at = now
            return login
        return self.kept.login

    def look_now(self) -> Login:
        """The login as it is in the file; blocks on the disk, so only for the start and commands. Raises LoginError."""
        return self.kept.look()

    def refused(self, login: Login) -> LoginError | None:
        """What the server said of this login's refresh token, if it will not take it any more and no token of it is left."""
        return None if self.is_alive(login) else self._dead_of(login)

    def warning(self, login: Login) -> str | None:
        """Why a currently valid login is going to end."""
        dead = self._dead_of(login)
        return dead.message if dead and self.is_alive(login) else None

    def _dead_of(self, login: Login) -> LoginError | None:
        """Why its refresh token is useless: the server refused it, or it is for another issuer."""
        if self._dead and self._dead[0] == login.refresh_token:
            return self._dead[1]
        if self.issuer and login.refresh_token:
            return provenance.trouble(login.provenance, self.issuer(), self.file.remedy)
        return None

    def was_cut_short(self, login: Login) -> bool:
        """Was a program killed while it renewed this login? Then its new token may be lost. Blocks on the disk."""
        return login.refresh_token is not None and self.file.was_cut_short(login.refresh_token)

    async def _renewed_or(self, living: Login) -> Login:
        """The renewed login if it comes in a moment, counted from the renewal's start; else the living one, and it goes on."""
        if self._renewal is None or self._renewal.done():
            if self._pause and time.monotonic() < self._pause[0]:
                return living
            self._begin(None)
        assert self._renewal
        await asyncio.wait({self._renewal}, timeout=max(0.0, self._began_at + MOMENT - time.monotonic()))
        return self._renewal.result() if self._renewal.done() else living

    def _begin(self, rejected: str | None) -> asyncio.Task[Login]:
        self._renewal, self._began_at = asyncio.create_task(self._renew(rejected)), time.monotonic()
        # There may be no caller left to get the error; the next request gets it.
        self._renewal.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._renewal

    async def _renewed(self, rejected: str | None) -> Login:
        """Join the renewal that is under way, or start it; one caller's end does not end it for the others."""
        while self._renewal is not None and not self._renewal.done():
            login = await asyncio.shield(self._renewal)
            # A renewal begun for another reason may end with the refused token.
            if rejected is None or self._usable(login, rejected):
                return login
        return await asyncio.shield(self._begin(rejected))

    async def _renew(self, rejected: str | None) -> Login:
        lives = rejected is None and self._left() > 0
        try:
            async with self.file.locked(SHORT_PATIENCE if lives else None):
                return await self._renew_locked(rejected)
        except Refused as e:
            refused = e
        except (IssuerError, LoginError) as e:
            # A lack of file descriptors here is not the server's fault.
            of_server = isinstance(e, IssuerError) and e.code != "login_busy" and not few_files.is_cause(e)
            if isinstance(e, IssuerError) and of_server and self._pause is None:
                self._pause = (time.monotonic() + PAUSE, e)
            if self.kept.login and rejected is None and self._left() > 0:
                return self._go_on(self.kept.login, e)
            raise
        return await self._second_look(refused.login, rejected, refused.error)

    def _go_on(self, login: Login, why: ProxyError) -> Login:
        if why.message != self._warned:
            self._warned = why.message
            logger.warning(f"{why.message} The current token is valid for another {self._left():.0f} s.")
        return login

    def _left(self) -> float:
        """How long the token in use is good, in seconds."""
        return self.kept.login.seconds_left(self.time()) if self.kept.login else 0.0

    async def _renew_locked(self, rejected: str | None) -> Login:
        login = await self.current(look=True)
        if self._usable(login, rejected):
            return login
        if await self.file.on_disk(lambda: self.kept.recover(login)):
            login = await self.current(look=True)
            if self._usable(login, rejected):
                return login
        self._check_worth_asking(login)
        before, spent = login, login.refresh_token
        assert spent
        draft = await self.file.on_disk(lambda: self.kept.draft(spent))
        try:
            login = await daemon_threads.to_its_end(self._spend(draft, login, proactive=rejected is None))
        except LoginError as e:
            said = e.message if self.file.remedy in e.message else f"{e.message} {self.file.remedy}"
            raise Refused(login, LoginError(e.code or "login_refused", said, of_backend=True)) from None
        self.kept.write_when_there_is_room()
        # Each token may be left out of a grant (docs/backend.md, 8.4); what was granted is kept, and an unusable one is not given out.
        if login.access_token == before.access_token and (rejected is not None or login.seconds_left(self.time()) <= 0):
            raise IssuerError(
                "issuer_unavailable",
                "The token can't be renewed at the moment: the server gave no new access token. The login is kept; try again in a minute.",
            )
        self._granted = (login.access_token, time.monotonic())
        return login

    def _usable(self, login: Login, rejected: str | None) -> bool:
        if rejected is not None:
            return fingerprint(login.access_token) != rejected
        token, at = self._granted
        just_granted = login.access_token == token and time.monotonic() - at < BETWEEN_RENEWALS
        return just_granted or login.seconds_left(self.time()) >= LEEWAY

    def _check_worth_asking(self, login: Login) -> None:
        if not login.refresh_token:
            raise LoginError(
                "login_expired",
                f"The token of {self.file.name} is no longer accepted, and there is no refresh token. {self.file.remedy}",
            )
        # An error that is raised repeatedly would keep the frames of every raise.
        if dead := self._dead_of(login):
            raise dead.with_traceback(None)
        if self._pause and time.monotonic() < self._pause[0]:
            raise self._pause[1].with_traceback(None)
        self._pause = None

    async def _second_look(self, login: Login, rejected: str | None, refused: LoginError) -> Login:
        """After the server refused our refresh token: another program may be writing the new one at this moment.

        Not under the lock: the CLI needs it for that (docs/backend.md, 9).
        """
        for _ in range(SECOND_LOOKS):
            current = await self.current(look=True)
            if current.refresh_token != login.refresh_token and self._usable(current, rejected):
                return current
            await asyncio.sleep(BETWEEN_LOOKS)
        assert login.refresh_token
        self._dead = (login.refresh_token, refused)
        if rejected is None and self.is_alive(login):
            return self._go_on(login, refused)
        raise refused

    async def _spend(self, draft: Draft, login: Login, *, proactive: bool) -> Login:
        """Ask the server and keep what it grants: nothing is awaited in between. Raises LoginError, IssuerError."""
        assert login.refresh_token
        try:
            grant = await self.refresh(login.refresh_token, proactive=proactive, client_id=login.provenance.client_id)
        except BaseException:
            draft.drop()
            raise
        self._pause = None
        self.heard(grant.date)
        return self.kept.keep(draft, login.refresh_token, grant)
