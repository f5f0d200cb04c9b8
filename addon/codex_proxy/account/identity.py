"""The identity of a login, from its tokens' claims, and how it is shortened for display (docs/backend.md, 8.8, 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import LoginError
from . import credentials
from .credentials import KINDS, Kind
from .forms import text as _text
from .login import AUTH_CLAIM, claims, read

PROFILE_CLAIM = "https://api.openai.com/profile"


@dataclass(frozen=True)
class Identity:
    """`kind` says what the file holds; the rest is None if unknown."""

    email: str | None
    plan: str | None
    account_id: str | None
    kind: Kind

    def __str__(self) -> str:
        """`p…n@example.org (plus, account 1234abcd…)`: enough to know one's own login by."""
        account = self.account_id and f"account {shown_account(self.account_id)}"
        more = ", ".join(filter(None, [self.plan and printable(self.plan), account]))
        return (shown_email(self.email) if self.email else KINDS[self.kind].name) + (f" ({more})" if more else "")


def of(document: Any) -> Identity:
    """Never raises: a document without a login is of the kind "none"."""
    kind = credentials.kind(document)
    if kind != "none" and (tokens := credentials.tokens(document)):
        return _of_tokens(tokens, document, kind)
    if kind == "personal access token":
        return Identity(None, None, _text(document.get("account_id")), kind)
    if kind == "agent identity":
        agent = document["agent_identity"]
        record = agent if isinstance(agent, dict) else claims(_text(agent))
        email, plan, account = (_text(record.get(name)) for name in ("email", "plan_type", "account_id"))
        return Identity(email, plan, account, kind)
    return Identity(None, None, None, kind)


def _of_tokens(tokens: Mapping[str, Any], document: Mapping[str, Any], kind: Kind) -> Identity:
    email = plan = None
    for name in ("id_token", "access_token"):
        found = claims(_text(tokens.get(name)))
        profile, auth = found.get(PROFILE_CLAIM), found.get(AUTH_CLAIM)
        email = (
            email or _text(found.get("email")) or (_text(profile.get("email")) if isinstance(profile, dict) else None)
        )
        plan = plan or (_text(auth.get("chatgpt_plan_type")) if isinstance(auth, dict) else None)
    try:
        account = read(document, "").account_id
    except LoginError:
        account = None
    return Identity(email, plan, account, kind)


def shown_email(email: str) -> str:
    """`p…n@example.org`"""
    name, at, domain = printable(email).rpartition("@")
    if not at:
        name, domain = domain, ""
    short = f"{name[0]}…{name[-1]}" if len(name) > 2 else f"{name[:-1]}…"
    return short + at + domain


def shown_account(account_id: str) -> str:
    """The first eight characters: `1234abcd…`"""
    return printable(account_id)[:8] + "…"


def printable(text: str) -> str:
    """Claims may hold terminal escapes: make them safe to print."""
    return "".join(each if each.isprintable() else "?" for each in text)
