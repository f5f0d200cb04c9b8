"""The OAuth server: renewing a token, and what its refusals mean (contract 8.4, 15.4)."""

import json
from typing import Any

import httpx2
import msgspec

from . import outbound
from .errors import IssuerError, LoginError
from .login import LOGIN_COMMAND, Grant
from .redact import redact

# The public client id of the Codex login (contract section 8); it is no secret.
CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
TOKEN_PATH = "/oauth/token"

# How long the server may take over a refresh, in seconds.
PATIENCE = 30.0

# Codes after which the refresh token is of no use any more (contract 8.4).
SPENT = {
    "refresh_token_reused": "its refresh token has been used already, probably by another program on the same file",
    "refresh_token_expired": "its refresh token has expired",
    "refresh_token_invalidated": "it was ended elsewhere (log-out, new password)",
    "invalid_grant": "its refresh token is not accepted any more",
}


async def refresh(issuer: str, refresh_token: str, *, proactive: bool, originator: str, user_agent: str) -> Grant:
    """Spend `refresh_token` for new tokens. Raises LoginError if it is spent for good, else IssuerError."""
    body = {"client_id": CLIENT_ID, "grant_type": "refresh_token"}
    if proactive:
        # The CLI names its reason when it renews early; what it says after a 401 is not known, so nothing is said.
        body["refresh_reason"] = "proactive_expiry"
    body["refresh_token"] = refresh_token
    headers = {
        "content-type": "application/json",
        "accept": "application/json",
        "originator": originator,
        "user-agent": user_agent,
    }
    url = issuer.rstrip("/") + TOKEN_PATH
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    try:
        answer = await outbound.send("POST", url, raw, msgspec.json.encode(body), PATIENCE)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as e:
        problem = redact(str(e)) or type(e).__name__
        raise IssuerError(
            502, "issuer_unreachable", f"The token can't be renewed: {issuer} can't be reached ({problem}). Try again."
        ) from e
    return granted(answer, issuer)


def granted(answer: outbound.Answer, issuer: str) -> Grant:
    """What an answer of the token endpoint grants. Raises LoginError, IssuerError."""
    document = _document(answer.body)
    if answer.status == 200 and isinstance(document.get("access_token"), str):
        expires_in = document.get("expires_in")
        return Grant(
            document["access_token"],
            document.get("refresh_token"),
            document.get("id_token"),
            float(expires_in) if isinstance(expires_in, int | float) else None,
        )
    refuse(answer, document, issuer)
    raise AssertionError("unreachable")


def refuse(answer: outbound.Answer, document: dict[str, Any], issuer: str) -> None:
    """Raise what a refusal means for the login: gone for good, or to be tried again."""
    code, message = _code(document), redact(_message(document))
    page = "html" in answer.header("content-type") or bool(answer.header("cf-mitigated"))
    if page or answer.status >= 500 or answer.status == 429:
        what = "a Cloudflare page" if page else f"status {answer.status}"
        raise IssuerError(
            503,
            "issuer_unavailable",
            f"The token can't be renewed just now: {issuer} answers with {what}. The login is kept; try again in a minute.",
        )
    if code == "unsupported_country_region_territory":
        raise IssuerError(
            503,
            "issuer_refuses_country",
            f"The token can't be renewed from here: {issuer} does not serve this country or region. The login is kept.",
        )
    empty = "'refresh_token': empty string" in message
    if code in SPENT or answer.status == 401 or empty:
        why = SPENT.get(code) or ("it has no refresh token" if empty else message or "the server does not say why")
        raise LoginError(code or "login_refused", f"The login can't be renewed: {why}. Log in again: {LOGIN_COMMAND}")
    said = message or f"status {answer.status} without a token in it"
    raise IssuerError(503, "issuer_unavailable", f"The token can't be renewed just now: {issuer} says: {said}.")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _code(document: dict[str, Any]) -> str:
    """Looked for in `error.code`, `error`, `code`, in this order, in lower case (contract 8.4)."""
    error = document.get("error")
    found = error.get("code") if isinstance(error, dict) else error
    return str(found or document.get("code") or "").lower()


def _message(document: dict[str, Any]) -> str:
    error = document.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    return str(nested or document.get("error_description") or document.get("message") or "")[:300]
