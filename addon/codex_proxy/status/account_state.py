"""The state of the login: whether it can be used, an exit status for each reason it can't, and everything as JSON."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..account import identity, login_source
from ..account.identity import Identity
from ..account.login import Login
from ..account.login_file import LoginFile
from ..errors import IssuerError, LoginError, ProxyError
from . import probe
from .probe import Finding
from .usage_api import Report

# Exit status → word; 2 is for wrong arguments, as everywhere.
STATES = {0: "ok", 1: "no login", 3: "refused", 4: "limit reached", 5: "unreachable", 6: "changed"}

NO_LOGIN = ("login_missing", "login_unreadable")

# Errors that need a change of plan or account; they do not pass by themselves.
REFUSED = ("usage_not_included", "deactivated_workspace")


def exit_status(error: ProxyError | None, report: Report | None) -> int:
    if error is None:
        return 4 if report and report.reached else 0
    if isinstance(error, LoginError):
        return 1 if error.code in NO_LOGIN else 3
    if isinstance(error, IssuerError) or error.code == "cloudflare_challenge":
        return 5
    if error.status in (401, 402, 403) or error.code in REFUSED:
        return 3
    return 4 if error.status == 429 else 5


@dataclass
class AccountState:
    """What is known so far; `error` is why the check stopped."""

    file: LoginFile
    whose: Identity = field(default_factory=lambda: identity.of({}))
    login: Login | None = None
    refreshed_at: float | None = None
    report: Report | None = None
    report_from: str = ""
    findings: list[Finding] = field(default_factory=list)
    error: ProxyError | None = None

    @property
    def exit_status(self) -> int:
        found = exit_status(self.error, self.report)
        return 6 if found == 0 and probe.drifted(self.findings) else found

    def take_document(self, document: Any) -> None:
        """What the file says of the login besides its tokens."""
        self.whose = identity.of(document)
        said = document.get("last_refresh") if isinstance(document, dict) else None
        try:
            self.refreshed_at = datetime.fromisoformat(str(said)).timestamp()
        except ValueError:
            self.refreshed_at = None

    def json(self, full: bool) -> dict[str, Any]:
        """No token, and e-mail and account shortened unless asked for in full."""
        return {
            "state": STATES[self.exit_status],
            "error": self.error and {"code": self.error.code, "message": self.said(self.error.message, full)},
            "login": self._login(full),
            "usage": self.report and {"from": self.report_from, **self.report.json()},
            "probe": [{**each._asdict(), "text": self.said(each.text, full)} for each in self.findings] or None,
        }

    def said(self, text: str, full: bool = False) -> str:
        """A message from elsewhere, without tokens and the login's identity."""
        return login_source.without(text, identity.of({}) if full else self.whose)

    def _login(self, full: bool) -> dict[str, Any]:
        whose, ends = self.whose, self.login.expires_at if self.login else None
        email, account = whose.email, whose.account_id
        return {
            "kind": whose.kind,
            "email": email if full else email and identity.shown_email(email),
            "plan": whose.plan,
            "account_id": account if full else account and identity.shown_account(account),
            "from": login_source.kind(self.file),
            "file": None if login_source.kind(self.file) == "keyring" else str(self.file.path.absolute()),
            "valid_until": instant(ends),
            "expires_in_seconds": None if ends is None else max(0, int(ends - time.time())),
            "is_renewed": bool(self.login and self.login.refresh_token),
            "last_refresh": instant(self.refreshed_at),
        }


def instant(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
