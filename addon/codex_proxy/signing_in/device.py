"""Device login: a code that is entered on another device, polled for until then (docs/backend.md, 8.6)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ..account import oauth
from ..account.identity import printable
from ..account.issuer import CLIENT_ID, DEVICE_CODE_PATH, DEVICE_PAGE_PATH, DEVICE_POLL_PATH, DEVICE_REDIRECT_PATH
from ..account.oauth import UNFINISHED, Unfinished
from ..errors import IssuerError
from ..net import http_client

# How long a code is valid, in seconds.
LIFE = 900.0

# Where the server names no pause between two questions, and how much longer it gets when it is asked too often, in seconds.
INTERVAL, SLOWER = 5.0, 5.0
SHORTEST = 1.0

# How many temporary failures in a row end the login.
FAILURES = 5

EXPIRED = {"expired_token", "deviceauth_expired"}
DENIED = {"access_denied", "authorization_declined"}

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Device:
    """What the user is shown (`user_code`, `page`), and what we poll with."""

    user_code: str
    page: str
    id: str = field(repr=False)
    interval: float = INTERVAL


@dataclass(frozen=True)
class Approved:
    """A code to exchange, with the verifier that the server made for it."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str


async def begin(issuer: str, *, originator: str, user_agent: str) -> Device:
    """Request a code for the user to enter. Raises LoginError, IssuerError."""
    answer = await _ask(issuer, DEVICE_CODE_PATH, {"client_id": CLIENT_ID}, originator, user_agent)
    return begun(answer, issuer)


def begun(answer: http_client.Answer, issuer: str) -> Device:
    given = oauth.document_of(answer.body)
    if answer.status == 404:
        raise Unfinished(
            f'{issuer} does not offer device login here. Switch on "device code authorization for Codex" in ChatGPT (Settings,'
            " Security), or use scripts/login --paste.",
        )
    user_code, number = given.get("user_code") or given.get("usercode"), given.get("device_auth_id")
    if answer.status != 200 or not isinstance(user_code, str) or not isinstance(number, str):
        raise IssuerError(
            "issuer_unavailable", f"The device login can't start: {issuer} says: {oauth.refusal_text(answer)}."
        )
    page = issuer.rstrip("/") + DEVICE_PAGE_PATH
    return Device(printable(user_code)[:40], page, number, _interval(given.get("interval")))


def _interval(given: Any) -> float:
    """A string of seconds (docs/backend.md, 8.6); nonsense is not worth failing for."""
    try:
        return min(60.0, max(SHORTEST, float(given)))
    except (TypeError, ValueError):
        return INTERVAL


async def approved(
    issuer: str,
    device: Device,
    patience: float = LIFE,
    *,
    originator: str,
    user_agent: str,
    sleep: Sleep = asyncio.sleep,
) -> Approved:
    """Poll until the user has entered the code. Raises LoginError, IssuerError; TimeoutError after `patience` seconds."""
    pause, failures = device.interval, 0
    body = {"device_auth_id": device.id, "user_code": device.user_code}
    deadline = time.monotonic() + patience
    while True:
        # The user needs longer than this anyway.
        await sleep(pause)
        if time.monotonic() >= deadline:
            raise TimeoutError
        try:
            result = polled(await _ask(issuer, DEVICE_POLL_PATH, body, originator, user_agent), issuer)
        except IssuerError:
            failures += 1
            if failures == FAILURES:
                raise
            continue
        failures = 0
        if isinstance(result, Approved):
            return result
        pause += SLOWER if result == "slow_down" else 0.0


def polled(answer: http_client.Answer, issuer: str) -> Approved | str:
    """The code, or why not yet. Raises LoginError if never, IssuerError for a failure that may pass."""
    given = oauth.document_of(answer.body)
    code = oauth.code_of(given)
    if oauth.is_page(answer) or answer.status >= 500:
        raise IssuerError("issuer_unavailable", f"{UNFINISHED}: {issuer} answers with {oauth.refusal_text(answer)}.")
    if answer.status == 200:
        grant, verifier = given.get("authorization_code"), given.get("code_verifier")
        if isinstance(grant, str) and isinstance(verifier, str):
            return Approved(grant, verifier, issuer.rstrip("/") + DEVICE_REDIRECT_PATH)
    elif code in EXPIRED:
        raise Unfinished("The code expired before it was entered. Try again.")
    elif code in DENIED:
        raise Unfinished("The login was denied in the browser.")
    elif code == "slow_down" or answer.status == 429:
        return "slow_down"
    elif answer.status in (403, 404) or code.endswith("authorization_pending"):
        return "pending"
    raise Unfinished(f"{UNFINISHED}: {issuer} says: {oauth.refusal_text(answer)}.")


async def _ask(issuer: str, path: str, body: dict[str, str], originator: str, user_agent: str) -> http_client.Answer:
    # The browser login has the originator in its address; here it is a header.
    headers = {"originator": originator, "user-agent": user_agent}
    return await oauth.post_json(issuer, path, body, headers, UNFINISHED)
