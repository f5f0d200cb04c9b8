"""Logins, the tokens made for them at run time, and the state of each (docs/backend.md, 8.8, 9)."""

import base64
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import jwt

from ..wire.replies import Refused, auth_error, detail

CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
AUTH = "https://api.openai.com/auth"
PROFILE = "https://api.openai.com/profile"
SCOPE = "openid profile email offline_access"
TEN_DAYS = 864_000
ONE_HOUR = 3600

UNPARSABLE = "Could not parse your authentication token. Please try signing in again."
EXPIRED = "Provided authentication token is expired. Please try signing in again."
INVALIDATED = "Your authentication token has been invalidated. Please try signing in again."

type RefreshState = Literal["live", "used", "revoked"]


@dataclass(frozen=True)
class Login:
    """A made-up user."""

    email: str
    plan: str
    account_id: str
    fedramp: bool = False
    residency: str | None = None
    user_id: str = field(default_factory=lambda: f"user-{secrets.token_hex(12)}")
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Tokens:
    """Every token this server has made, by its text."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.key = secrets.token_bytes(32)
        self.access: dict[str, tuple[Login, float]] = {}
        self.refresh: dict[str, Login] = {}
        self.states: dict[str, RefreshState] = {}
        self.invalidated: set[str] = set()

    def issue(self, login: Login, expires_in: float = TEN_DAYS) -> dict[str, str]:
        """An id, an access and a refresh token, all new."""
        expires = int(self.now() + expires_in)
        access = self._sign(self._access_claims(login) | {"exp": expires})
        identity = self._sign(self._id_claims(login) | {"exp": int(self.now()) + ONE_HOUR})
        refresh = f"rt_{secrets.token_urlsafe(48)}"
        self.access[access] = (login, expires)
        self.refresh[refresh] = login
        self.states[refresh] = "live"
        return {"id_token": identity, "access_token": access, "refresh_token": refresh}

    def auth_json(self, login: Login, expires_in: float = TEN_DAYS) -> dict[str, Any]:
        """A login in the form of the CLI's auth.json (docs/backend.md, 9)."""
        stamp = datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="microseconds")
        return {
            "auth_mode": "chatgpt",
            "OPENAI_API_KEY": None,
            "tokens": self.issue(login, expires_in) | {"account_id": login.account_id},
            "last_refresh": stamp.replace("+00:00", "Z"),
        }

    def bearer(self, authorization: str | None) -> Login:
        """Whose bearer it is; Refused as the auth layer does it (docs/backend.md, 7.2)."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        if token in self.invalidated:
            raise auth_error(INVALIDATED, "token_invalidated", "invalid_request_error")
        if token not in self.access:
            raise detail(UNPARSABLE, 401)
        login, expires = self.access[token]
        if expires <= self.now():
            raise auth_error(EXPIRED, "token_expired")
        return login

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, "HS256", headers={"kid": "standin"})

    def _common(self, login: Login) -> dict[str, Any]:
        return {
            "iss": "https://auth.openai.com",
            "sub": f"auth0|{login.user_id}",
            "iat": int(self.now()),
            "jti": str(uuid.uuid4()),
        }

    def _access_claims(self, login: Login) -> dict[str, Any]:
        residency = login.residency or "no_constraint"
        return self._common(login) | {
            "aud": ["https://api.openai.com/v1"],
            "client_id": CLIENT_ID,
            "scp": SCOPE.split(),
            "session_id": login.session_id,
            AUTH: _auth_claims(login) | {"chatgpt_compute_residency": residency, "chatgpt_data_residency": residency},
            PROFILE: {"email": login.email, "email_verified": True},
        }

    def _id_claims(self, login: Login) -> dict[str, Any]:
        organization = {"id": "org-standin", "is_default": True, "role": "owner", "title": "Personal"}
        return self._common(login) | {
            "aud": [CLIENT_ID],
            "sid": login.session_id,
            "email": login.email,
            "email_verified": True,
            AUTH: _auth_claims(login) | {"organizations": [organization], "groups": []},
        }


def _auth_claims(login: Login) -> dict[str, Any]:
    return {
        "chatgpt_account_id": login.account_id,
        "chatgpt_account_is_fedramp": login.fedramp,
        "chatgpt_plan_type": login.plan,
        "chatgpt_user_id": login.user_id,
        "user_id": login.user_id,
    }


def unauthorized() -> Refused:
    """No bearer at all (docs/backend.md, 7.2)."""
    code = base64.b64encode(b'{"error":{"code":"missing_authorization_header"}}').decode()
    why = ("x-openai-authorization-error", "missing_authorization_header")
    return detail("Unauthorized", 401, [why, ("x-error-json", code)])
