"""Read a login in the forms that files and other tools use, and write the same document with renewed tokens."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec

from .. import json_text
from ..errors import LoginError
from ..message.field_values import is_plain
from . import credentials, forms, provenance
from .forms import text as _text
from .provenance import Provenance

AUTH_CLAIM = "https://api.openai.com/auth"

# Without a readable end of life a token counts as good for this long after the last refresh (docs/backend.md, 9), in seconds.
BLIND_LIFE = 8 * 86400.0


@dataclass(frozen=True)
class Login:
    """Tokens and what their claims say. `expires_at` is in unix seconds; None if unknown."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    account_id: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    fedramp: bool = False
    residency: str | None = None
    provenance: Provenance = provenance.UNSAID

    def seconds_left(self, now: float) -> float:
        return float("inf") if self.expires_at is None else self.expires_at - now


@dataclass(frozen=True)
class Grant:
    """What the token endpoint answered; what it left out is None, and the old value stays (docs/backend.md, 8.4)."""

    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    expires_in: float | None = None
    date: str = ""
    """When, by the server's clock: its `Date`."""


def claims(token: str | None) -> dict[str, Any]:
    """The claims of a JWT, not verified, as no client can verify them (docs/backend.md, 8.8); empty if it is not a JWT."""
    if not token:
        return {}
    try:
        found = jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_aud": False})
    except (
        jwt.PyJWTError,
        ValueError,
        RecursionError,
        MemoryError,
    ):  # of odd bytes PyJWT raises what the decoder raised
        return {}
    return {} if json_text.is_deeper(found, json_text.DEEPEST) else found


def read(document: Any, where: str, remedy: str = "") -> Login:
    """The login in a decoded file. `where` names it in errors, `remedy` says how to repair it. Raises LoginError."""
    if not isinstance(document, dict):
        raise LoginError("login_unreadable", f"{sentence(where)} does not hold a login. {remedy}".rstrip())
    if tokens := credentials.tokens(document):
        return _checked(_from_tokens(tokens, document), where, remedy)
    kind = credentials.kind(document)
    if kind == "personal access token" and (token := _text(document["personal_access_token"])):
        return _checked(Login(token, account_id=_text(document.get("account_id"))), where, remedy)
    known = credentials.KINDS[kind]
    if kind == "sign in":
        # A new login in that file would cost the other program its own.
        remedy = "Log in with scripts/login --auth-file FILE, and set codex_auth_file to that file."
    about = f" {known.about}" if known.about else ""
    raise LoginError("login_missing", f"{sentence(where)} holds {known.name}.{about} {remedy}".rstrip())


def _checked(login: Login, where: str, remedy: str) -> Login:
    """The login, if each part of it can go where it has to. Raises LoginError."""
    for name, value in (
        ("access token", login.access_token),
        ("refresh token", login.refresh_token),
        ("account id", login.account_id),
        ("compute residency", login.residency),
    ):
        if value is not None and not is_plain(value):
            raise LoginError(
                "login_unreadable",
                f"The {name} in {where} contains characters that no header can carry (a line break, a control character or a letter beyond"
                f" ASCII), so it is damaged or was not copied completely. {remedy}".rstrip(),
            )
    return login


def sentence(place: str) -> str:
    """A place as a sentence begins with it; a path stays as it is."""
    return f"T{place[1:]}" if place.startswith("the ") else place


def _from_tokens(tokens: Mapping[str, Any], document: Mapping[str, Any]) -> Login:
    access = _text(tokens["access_token"]) or ""
    of_access, of_id = claims(access), claims(_text(tokens.get("id_token")))
    mine, other = _auth(of_access), _auth(of_id)
    account = (
        _text(tokens.get("account_id"))
        or _text(other.get("chatgpt_account_id"))
        or _text(mine.get("chatgpt_account_id"))
        or _text(of_access.get("chatgpt_account_id"))
        or _organization(other)
        or _organization(mine)
    )
    residency = _text(mine.get("chatgpt_compute_residency"))
    return Login(
        access_token=access,
        refresh_token=_text(tokens.get("refresh_token")),
        account_id=account,
        expires_at=_end(access, of_access, tokens, document),
        fedramp=bool(other.get("chatgpt_account_is_fedramp") or mine.get("chatgpt_account_is_fedramp")),
        residency=residency if residency != "no_constraint" else None,
        provenance=provenance.of(document),
    )


def _end(
    access: str, of_access: Mapping[str, Any], tokens: Mapping[str, Any], document: Mapping[str, Any]
) -> float | None:
    """When the access token ends: its own claim, else what the file says, else a guess from the last refresh."""
    for said in (of_access.get("exp"), tokens.get("expires_at")):
        if (end := _instant(said)) is not None:
            return end
    if access.startswith("at-"):
        return None
    refreshed = _instant(document.get("last_refresh"))
    return None if refreshed is None else refreshed + BLIND_LIFE


def renewed(document: Mapping[str, Any], grant: Grant, now: float) -> dict[str, Any]:
    """The same document with the granted tokens, in its own form; unknown keys and the order of all keys stay."""
    result = dict(document)
    form = forms.of(document) or (forms.OFFICIAL if forms.OFFICIAL.held(document) is not None else forms.FLAT)
    official = form is forms.OFFICIAL
    tokens = dict(form.held(document) or {}) if form.key else result
    for name in ("id_token", "access_token", "refresh_token"):
        value, theirs = getattr(grant, name), form.names.get(name, "")
        # The forms of other tools have no id token, and get none.
        if value and theirs and (official or name != "id_token" or theirs in tokens):
            tokens[theirs] = value
    end = form.names["expires_at"]
    if end in tokens and grant.access_token:
        tokens[end] = _like(tokens[end], _granted_end(grant, now))
    if form.key:
        result[form.key] = tokens
    if official:
        result["last_refresh"] = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    return result


def _granted_end(grant: Grant, now: float) -> float:
    end = _instant(claims(grant.access_token).get("exp"))
    # docs/backend.md, 8.3: clients take an hour where nothing is said.
    return now + (grant.expires_in or 3600.0) if end is None else end


def _auth(of_token: Mapping[str, Any]) -> Mapping[str, Any]:
    found = of_token.get(AUTH_CLAIM)
    return found if isinstance(found, dict) else {}


def _organization(of_auth: Mapping[str, Any]) -> str | None:
    found = of_auth.get("organizations")
    first = found[0] if isinstance(found, list) and found else None
    return _text(first.get("id")) if isinstance(first, dict) else None


def _instant(value: Any) -> float | None:
    """Unix seconds from seconds, milliseconds or an RFC 3339 text; None for what is not a valid time."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, str) and not value.isdigit():
            seconds = datetime.fromisoformat(value).timestamp()
        else:
            seconds = float(value)
            seconds = seconds / 1000 if seconds > 1e11 else seconds
        datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return seconds


def _like(old: Any, end: float) -> Any:
    """`end` (unix seconds) in the unit and type of the value it replaces; that value where there can be no such end."""
    try:
        in_words = datetime.fromtimestamp(end, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return old
    if isinstance(old, str) and not old.isdigit():
        return in_words
    in_unit = int(end * 1000) if (_number(old) or 0) > 1e11 else int(end)
    return str(in_unit) if isinstance(old, str) else in_unit


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


class LoginState(msgspec.Struct, omit_defaults=True):
    """The state of a login that anyone may see; it does not identify its owner."""

    state: str
    """`ok`, what becomes of an expired one, or the code of what is wrong with it."""
    expires_in_seconds: int | msgspec.UnsetType | None = msgspec.UNSET
    """None: not known."""
    error: str | msgspec.UnsetType = msgspec.UNSET
    warning: str | msgspec.UnsetType = msgspec.UNSET


def describe(login: Login, now: float | None = None) -> LoginState:
    """The state of a login that can be read, `now` in unix seconds."""
    left = login.seconds_left(time.time() if now is None else now)
    if left > 0:
        state = "ok"
    else:
        state = "expired, will be renewed with the next request" if login.refresh_token else "expired"
    return LoginState(state, None if left == float("inf") else max(0, int(left)))
