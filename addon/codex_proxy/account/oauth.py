"""OAuth calls: exchange a code, refresh, revoke; and what the server's refusals mean (docs/backend.md, 8.3 to 8.5)."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from .. import clock, json_text
from ..errors import IssuerError, LoginError
from ..message.field_values import is_plain
from ..net import http_client, policy
from ..net.policy import Limits
from ..output.redact import redact
from .forms import text
from .issuer import CLIENT_ID, REVOKE_PATH, TOKEN_PATH
from .login import Grant, claims, read

logger = logging.getLogger(__name__)

# The beginning of every message about an unfinished login.
UNFINISHED = "The login can't be finished"

# Codes that mean the refresh token is useless (docs/backend.md, 8.4).
SPENT = {
    "refresh_token_reused": "its refresh token has been used already, by another program on the same file or by one that was"
    " stopped while it renewed the login, and the new one was not saved",
    "refresh_token_expired": "its refresh token has expired",
    "refresh_token_invalidated": "it was revoked elsewhere (log-out, new password)",
    "invalid_grant": "its refresh token is no longer accepted",
}


# How an issuer failed to give a complete answer, by the limit that was reached.
WITHOUT_ANSWER = {
    "total": "did not answer in time",
    "idle": "did not answer in time",
    "size": "sent an answer that could not be used",
}


class Unfinished(LoginError):
    """A login that was not finished. Only the user who logs in sees it, never a request."""

    def __init__(self, message: str) -> None:
        super().__init__("login_unfinished", message)


async def refresh(
    issuer: str, refresh_token: str, *, proactive: bool, originator: str, user_agent: str, client_id: str = CLIENT_ID
) -> Grant:
    """Spend `refresh_token` for new tokens. Raises LoginError if it is spent for good, else IssuerError."""
    body = {"client_id": client_id, "grant_type": "refresh_token"}
    if proactive:
        # The CLI names its reason when it renews early; what it says after a 401 is not known, so nothing is said.
        body["refresh_reason"] = "proactive_expiry"
    body["refresh_token"] = refresh_token
    headers = {"originator": originator, "user-agent": user_agent}
    answer = await post_json(issuer, TOKEN_PATH, body, headers, "The token can't be renewed", policy.TOKENS)
    return granted(answer, issuer)


async def exchange(issuer: str, code: str, *, redirect_uri: str, verifier: str, user_agent: str) -> Grant:
    """Tokens for the code that a login came back with. Raises LoginError, IssuerError."""
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": CLIENT_ID,
        "code_verifier": verifier,
    }
    # A form, without the CLI's headers (docs/backend.md, 8.3); the authorization identifies the client.
    headers = {"content-type": "application/x-www-form-urlencoded", "user-agent": user_agent}
    answer = await _post(issuer, TOKEN_PATH, urlencode(fields).encode(), headers, UNFINISHED)
    return exchanged(answer, issuer)


async def revoke(
    issuer: str,
    token: str,
    *,
    originator: str,
    user_agent: str,
    hint: str = "refresh_token",
    client_id: str = CLIENT_ID,
) -> None:
    """Revoke a token; `hint` is `access_token` for one of those. Raises IssuerError if it may not have worked."""
    body = {"token": token, "token_type_hint": hint}
    if hint == "refresh_token":
        body["client_id"] = client_id
    headers = {"originator": originator, "user-agent": user_agent}
    problem = "The login can't be ended at the server"
    answer = await post_json(issuer, REVOKE_PATH, body, headers, problem, policy.REVOCATION)
    if not 200 <= answer.status < 300:
        raise IssuerError("issuer_unavailable", f"{problem}: {issuer} says: {refusal_text(answer)}.")


async def post_json(
    issuer: str,
    path: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    problem: str,
    limits: Limits = policy.TOKENS,
) -> http_client.Answer:
    """Ask the server; `problem` begins the message when it can't be reached. Raises IssuerError."""
    kind = {"content-type": "application/json"}
    return await _post(issuer, path, msgspec.json.encode(body), kind | dict(headers), problem, limits)


async def _post(
    issuer: str, path: str, body: bytes, headers: Mapping[str, str], problem: str, limits: Limits = policy.TOKENS
) -> http_client.Answer:
    raw = [(name.encode(), value.encode()) for name, value in {"accept": "application/json", **headers}.items()]
    try:
        return await http_client.send("POST", issuer.rstrip("/") + path, raw, body, limits)
    except http_client.Failed as e:
        raise unreachable(e, issuer, problem) from e


def unreachable(error: http_client.Failed, issuer: str, problem: str) -> IssuerError:
    """Why no answer came: it took too long, was too much, or there was none."""
    what = WITHOUT_ANSWER.get(error.gave_up, "can't be reached")
    code = "issuer_unavailable" if error.gave_up in WITHOUT_ANSWER else "issuer_unreachable"
    then = clock.doubt(str(error)) or "Try again."
    return IssuerError(code, f"{problem}: {issuer} {what} ({redact(str(error))}). {then}")


def refusal_text(answer: http_client.Answer) -> str:
    """What a refusal says in words, without tokens; its status where it says nothing."""
    if is_page(answer):
        return "a Cloudflare page"
    return redact(_message(document_of(answer.body))).strip().rstrip(".") or f"status {answer.status}"


def is_page(answer: http_client.Answer) -> bool:
    """A page for a browser, which the server itself never answers with: something stands before it (docs/backend.md, 8.4)."""
    return "html" in answer.header("content-type") or bool(answer.header("cf-mitigated"))


def exchanged(answer: http_client.Answer, issuer: str) -> Grant:
    """What a code was good for: all three tokens, as the CLI wants them in its file. Raises LoginError, IssuerError."""
    document = document_of(answer.body)
    if answer.status == 200:
        tokens = [_token(document, name) for name in ("access_token", "refresh_token", "id_token")]
        if not all(tokens) or not claims(tokens[2]):
            raise Unfinished(f"{UNFINISHED}: {issuer} did not grant all the tokens that a login needs.")
        return granted(answer, issuer)
    code = code_of(document)
    if is_page(answer) or answer.status >= 500 or answer.status == 429:
        raise IssuerError(
            "issuer_unavailable", f"{UNFINISHED}: {issuer} answers with {refusal_text(answer)}. Try again."
        )
    if code == "unsupported_country_region_territory":
        why = f"{issuer} does not serve this country or region"
        raise IssuerError("issuer_refuses_country", f"{UNFINISHED}: {why}.")
    raise Unfinished(f"{UNFINISHED}: {issuer} says: {refusal_text(answer)}. Try again.")


def granted(answer: http_client.Answer, issuer: str) -> Grant:
    """What an answer of the token endpoint grants. Raises LoginError, IssuerError."""
    document = document_of(answer.body)
    access, refresh, identity = (_token(document, name) for name in ("access_token", "refresh_token", "id_token"))
    # Any of them may be left out (docs/backend.md, 8.4), and a refresh token that came has taken the place of the one that was spent.
    if answer.status == 200 and (access or refresh or identity):
        return Grant(access, refresh, identity, _seconds(document.get("expires_in")), answer.header("date"))
    refuse(answer, document, issuer)
    raise AssertionError("unreachable")


def _token(document: Mapping[str, Any], name: str) -> str | None:
    """A granted token; None for one that no header can carry: the old one is kept."""
    token = text(document.get(name))
    try:
        if token is None or (is_plain(token) and read({"tokens": {"access_token": "any", name: token}}, "the answer")):
            return token
    except LoginError:  # its claims have what no header can carry
        pass
    logger.warning(f"The server granted an {name} that no header can carry; it is not used.")
    return None


def _seconds(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def refuse(answer: http_client.Answer, document: dict[str, Any], issuer: str) -> None:
    """Raise the error for a refusal: the login is lost, or the refresh can be tried again."""
    code, message = code_of(document), redact(_message(document))
    page = is_page(answer)
    if page or answer.status >= 500 or answer.status == 429:
        what = "a Cloudflare page" if page else f"status {answer.status}"
        raise IssuerError(
            "issuer_unavailable",
            f"The token can't be renewed at the moment: {issuer} answers with {what}. The login is kept; try again in a minute.",
        )
    if code == "unsupported_country_region_territory":
        raise IssuerError(
            "issuer_refuses_country",
            f"The token can't be renewed from here: {issuer} does not serve this country or region. The login is kept.",
        )
    empty = "'refresh_token': empty string" in message
    if code in SPENT or answer.status == 401 or empty:
        why = SPENT.get(code) or ("it has no refresh token" if empty else message or "the server does not say why")
        raise LoginError(code or "login_refused", f"The login can't be renewed: {why}.", of_backend=True)
    words = message or f"status {answer.status} without a token in it"
    raise IssuerError("issuer_unavailable", f"The token can't be renewed at the moment: {issuer} says: {words}.")


def document_of(body: bytes) -> dict[str, Any]:
    try:
        document = json_text.decode(body)
    except json_text.NotJson:
        return {}
    return document if isinstance(document, dict) else {}


def code_of(document: dict[str, Any]) -> str:
    """Looked for in `error.code`, `error`, `code`, in this order, in lower case (docs/backend.md, 8.4)."""
    error = document.get("error")
    found = error.get("code") if isinstance(error, dict) else error
    return str(found or document.get("code") or "").lower()


def _message(document: dict[str, Any]) -> str:
    error = document.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    return str(nested or document.get("error_description") or document.get("message") or "")[:300]
