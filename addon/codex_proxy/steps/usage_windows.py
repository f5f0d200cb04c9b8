"""Remaining usage, from the rate-limit headers of backend responses, for `codex.status`, `GET /` and the log."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import msgspec
from mitmproxy import command, http

from ..account.login import describe
from ..account.tokens import TokenStore, account_fingerprint
from ..backend import usage_windows
from ..errors import ProxyError
from ..layers import ours
from ..walk.exchange import Exchange
from .login import Login

logger = logging.getLogger(__name__)

# Logged once for each threshold and window, in percent used.
ALERTS = (80, 95)


class WindowRow(msgspec.Struct):
    """A window for `GET /`: percent, minutes, RFC 3339."""

    window: str
    used_percent: float
    minutes: int | None
    resets_at: str | None


class UsageWindows:
    def __init__(self, login: Login) -> None:
        self.login = login
        self._whose = ""
        self._forget()

    def _forget(self) -> None:
        self._windows: dict[str, usage_windows.Window] = {}
        self._credits: usage_windows.Credits | None = None
        self._alerted: dict[str, tuple[int, float | None]] = {}

    def running(self) -> None:
        """Log the state of the login at the start, not only with the first request; the proxy starts without a login as well."""
        if ours.is_dry_run():
            return
        store = self.login.store
        if store.file.waits:
            self._telling = asyncio.get_running_loop().run_in_executor(None, tell_login, store)
        else:
            tell_login(store)

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        assert flow.response
        self.take(exchange, usage_windows.windows(flow.response.headers), usage_windows.credits(flow.response.headers))

    def _follow_login(self) -> str:
        """The account of the login in use, if there is one; usage of another account is forgotten."""
        login = self.login.store.kept.login
        if login is not None and (now := account_fingerprint(login)) != self._whose:
            self._whose = now
            self._forget()
        return self._whose

    def credits(self) -> usage_windows.Credits | None:
        """From the last answer that reported any."""
        self._follow_login()
        return self._credits

    def take(
        self, exchange: Exchange, told: list[usage_windows.Window], credits: usage_windows.Credits | None = None
    ) -> None:
        """Remaining usage from an answer, unless the request used another account than the current one."""
        now = self._follow_login()
        if (exchange.login or now) != now:
            return
        self._credits = credits or self._credits
        for window in told:
            self._windows[window.key] = window
            self._alert(window)

    def _alert(self, window: usage_windows.Window) -> None:
        said, until = self._alerted.get(window.key, (0, None))
        if until is not None and until <= time.time():
            said = 0
        reached = max((percent for percent in ALERTS if window.used >= percent), default=0)
        if reached > said:
            logger.warning(f"{line(window)}.")
        self._alerted[window.key] = max(said, reached), window.resets_at

    def windows(self) -> list[usage_windows.Window]:
        """The windows that are still valid: one that has been reset since is known only with the next answer."""
        self._follow_login()
        now = time.time()
        return [one for one in self._windows.values() if one.resets_at is None or one.resets_at > now]

    def page(self) -> list[WindowRow]:
        """The windows for `GET /`."""
        return [
            WindowRow(
                one.name,
                one.used,
                one.minutes,
                None if one.resets_at is None else datetime.fromtimestamp(one.resets_at, UTC).isoformat(),
            )
            for one in self.windows()
        ]

    @command.command("codex.status")  # type: ignore[untyped-decorator]
    def status(self) -> str:
        """The login, how long its token lasts, and how much of each usage window is used up."""
        if ours.is_dry_run():
            return "Dry run: no login is used, nothing is sent to the backend."
        login = login_line(self.login.store, may_wait=False)[1]
        windows = [f"{line(one)}." for one in self.windows()]
        return "\n".join([login, *(windows or ["Usage windows: known after the backend's next answer."])])


def line(window: usage_windows.Window) -> str:
    """`5-hour window: 12.5 % used, resets at 14:30 (2 h 30 min from now)`."""
    now = time.time()
    text = f"{window.name} window: {window.used:g} % used"
    if window.resets_at is None:
        return text
    left = max(0, int(window.resets_at - now))
    return f"{text}, resets {usage_windows.local_time(window.resets_at, now)} ({usage_windows.span(left)} from now)"


# A program that renews it just now looks the same, and then nothing is lost.
CUT_SHORT = "A program was killed while it renewed this login; if its new token is lost, log in again."


def tell_login(store: TokenStore) -> None:
    usable, told = login_line(store)
    logger.log(logging.INFO if usable else logging.WARNING, told)


def login_line(store: TokenStore, *, may_wait: bool = True) -> tuple[bool, str]:
    """Is there a login to be used, and one line of it, as it is in the file now; blocks on the disk for a moment.

    Without `may_wait` a login that is not in a file is described as last seen.
    """
    try:
        login = store.look_now() if may_wait or not store.file.waits else store.kept.login
        if login is None:
            return False, f"Login from {store.file.name}: read with the next request."
        if dead := store.refused(login):
            return False, dead.message
        told = describe(login, store.time())
        cut_short = store.was_cut_short(login)
    except ProxyError as e:
        return False, e.message
    left = told.expires_in_seconds
    life = f", {usage_windows.span(left)} left" if isinstance(left, int) and left else ""
    line = f"Login from {store.file.name}: token {told.state}{life}."
    if cut_short:
        return False, f"{line} {CUT_SHORT} {store.file.remedy}"
    warning = store.warning(login)
    return warning is None, f"{line} {warning}" if warning else line
