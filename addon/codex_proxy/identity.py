"""Whose login a file holds, from its tokens' claims, and how much of that is shown (contract 8.8, 9)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .errors import LoginError
from .login import AUTH_CLAIM, claims, read

PROFILE_CLAIM = "https://api.openai.com/profile"

Kind = Literal["chatgpt", "api key", "personal access token", "agent identity", "none"]

NAMES: dict[Kind, str] = {
    "chatgpt": "a ChatGPT login",
    "api key": "an API key",
    "personal access token": "a personal access token",
    "agent identity": "an agent identity",
    "none": "no login",
}


@dataclass(frozen=True)
class Identity:
    """`kind` says what the file holds; the rest is None where nobody says it."""

    email: str | None
    plan: str | None
    account_id: str | None
    kind: Kind

    def __str__(self) -> str:
        """`p…n@example.org (plus, account 1234abcd…)`: enough to know one's own login by."""
        account = self.account_id and f"account {shown_account(self.account_id)}"
        more = ", ".join(filter(None, [self.plan and printable(self.plan), account]))
        return (shown_email(self.email) if self.email else NAMES[self.kind]) + (f" ({more})" if more else "")


def of(document: Mapping[str, Any]) -> Identity:
    """Never raises: a document without a login is of the kind "none"."""
    tokens = document.get("tokens")
    held = tokens if isinstance(tokens, dict) and tokens.get("access_token") else document
    if held.get("access_token"):
        return _of_tokens(held, document)
    if document.get("personal_access_token"):
        return Identity(None, None, _text(document.get("account_id")), "personal access token")
    if document.get("OPENAI_API_KEY"):
        return Identity(None, None, None, "api key")
    if agent := document.get("agent_identity"):
        record = agent if isinstance(agent, dict) else claims(_text(agent))
        email, plan, account = (_text(record.get(name)) for name in ("email", "plan_type", "account_id"))
        return Identity(email, plan, account, "agent identity")
    return Identity(None, None, None, "none")


def _of_tokens(tokens: Mapping[str, Any], document: Mapping[str, Any]) -> Identity:
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
    return Identity(email, plan, account, "chatgpt")


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
    """A claim may hold anything, and a terminal does what it is told."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
