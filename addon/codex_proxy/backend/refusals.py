"""What the backend's refusals become for the client: OpenAI's shape, status and message kept, explained where that helps.

docs/backend.md, 7. Everything here is decided from status, headers and body; nothing is asked or sent.
"""

import json
import math
import re
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import ProxyError
from ..message import encodings
from ..output import redact
from . import usage_windows as usage

MODEL_REFUSED = re.compile(
    r"model is not supported when using Codex|requires a newer version of Codex|Model not found", re.I
)

QUOTA_CODES = ("usage_limit_reached", "usage_not_included", "rate_limit_exceeded")

# Failures inside a 200 stream → the status a client that wanted no stream gets (docs/backend.md, 7.4).
STREAM_STATUS = {
    "rate_limit_exceeded": 429, "insufficient_quota": 429, "usage_limit_reached": 429, "usage_not_included": 403,
    "server_is_overloaded": 503, "slow_down": 503, "context_length_exceeded": 400, "invalid_prompt": 400,
    "cyber_policy": 400, "bio_policy": 400, "misalignment_policy_violation": 400,
}  # fmt: skip

# A refusal's body longer than this is not read, in bytes; of its texts so much is told, and so much of one that is no JSON, in
# characters.
LONG, TOLD, SHORT = encodings.ERROR_BODY, 4096, 300

HOST = re.compile(r"[a-z0-9.-]{1,80}")

# What may stand between here and the backend, and answer in its place.
BETWEEN = "It may come from something in between, as the sign-in page of a hotel's or a company's network."

RETRY_NOT = {"x-should-retry": "false"}

# Of those, what the same request would end in again; the SDKs would send it three times. (A 400 and a 403 they don't repeat.)
LASTING = ("insufficient_quota", "usage_limit_reached", "usage_not_included", "response_incomplete")


def parse(body: bytes) -> dict[str, Any]:
    """The error in a body: code, message and whatever else there is; empty if it is none in JSON (docs/backend.md, 7.1)."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    if not isinstance(document, dict):
        return {}
    detail, error = document.get("detail"), document.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(detail, dict):
        return {"message": detail.get("message") or detail.get("code") or "", **detail}
    if detail is not None:
        return {"message": detail if isinstance(detail, str) else json.dumps(detail)}
    if isinstance(error, str):
        return {"message": document.get("error_description") or document.get("message") or error, "code": error}
    return {"message": document["message"]} if isinstance(document.get("message"), str) else {}


def explain(
    status: int, headers: Mapping[str, str], body: bytes, now: float | None = None, *, remedy: str = ""
) -> ProxyError:
    """The error a client gets for a refusal of the backend; `remedy` says how a person logs in again, in a sentence."""
    if is_challenge(status, headers):
        return _cloudflare(status, headers)
    error = redact.values(_cut(parse(body) if len(body) < LONG else {}))
    if not error:
        return _no_json(status, headers, body)
    kind = str(error.get("type") or "")
    code = str(error.get("code") or "") or None
    message = str(error.get("message") or "") or f"The backend refused the request with status {status}."
    extra = {k: v for k, v in error.items() if k not in ("message", "type", "code")}
    said = " ".join((kind, code or "", message))
    quota = next((name for name in QUOTA_CODES if name in said), None) if status in (404, 429) else None
    if quota == "usage_limit_reached":
        return _usage_limit(error, extra, headers, time.time() if now is None else now)
    if quota == "usage_not_included":
        message += " The ChatGPT plan of this login has no Codex in it; Plus and above have."
        return ProxyError(429, "usage_not_included", message, kind="usage_not_included", headers=RETRY_NOT, extra=extra)
    if quota:
        return ProxyError(429, quota, message, kind=kind or None, headers=_retry_after(message), extra=extra)
    if status == 402 or code == "deactivated_workspace":
        message = (
            f"The workspace of this login is deactivated ({message}): its subscription has ended. Choose an active workspace:"
            f" log in again. {remedy}"
        ).rstrip()
        return ProxyError(status, code or "deactivated_workspace", message, headers=RETRY_NOT, extra=extra)
    if status == 401:
        return _unauthorized(code, message, extra, remedy)
    if MODEL_REFUSED.search(message):
        code = code or "model_not_found"
    return ProxyError(status, code, message, kind=kind or None, extra=extra)


def no_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, place: str = "", upgrade: bool = False
) -> ProxyError | None:
    """The error for what is no answer though its status says nothing of an error: nothing, a redirect, a page, words; None for
    JSON that is no error. `place` is the host of a redirect; `upgrade`: another protocol was asked for."""
    if status == 304:
        said = "nothing, as if it had been asked what is new."
    elif 300 <= status < 400:
        said = "a redirect" + (f" to {place}" if place else "") + ", which is not followed. " + BETWEEN
    elif upgrade:
        said = "no WebSocket."
    elif is_page(headers, body):
        said = f"a web page. {BETWEEN}"
    elif not body.strip():
        said = "nothing in it."
    else:
        try:
            document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = f"no JSON: {redact.short(body[:2000].decode('utf-8', 'replace').strip(), SHORT)}"
        else:
            is_error = not {"object", "output", "models", "data"} & set(document) and len(body) <= LONG and parse(body)
            return explain(502, headers, body) if is_error else None
    return ProxyError(502, "backend_error", f"The backend answered with status {status} and {said}")


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<"


def redirect_host(location: str) -> str:
    """The host of a redirect, if it is one that may be shown."""
    try:
        host = urllib.parse.urlsplit(location[:2000]).hostname or ""
    except ValueError:
        return ""
    return host if HOST.fullmatch(host) and redact.redact(host) == host else ""


def no_compact(error: ProxyError) -> ProxyError:
    """For a 404 of responses/compact, which not every account has (docs/backend.md, 1.1)."""
    return ProxyError(
        404, "compact_unavailable",
        f"The backend has no responses/compact for this login ({error.message}). Let the client shorten the conversation itself, or"
        " ask POST /responses with {\"type\": \"compaction_trigger\"} as the last item of the input.",
        headers=RETRY_NOT,
    )  # fmt: skip


def is_challenge(status: int, headers: Mapping[str, str]) -> bool:
    """Is it Cloudflare that answers, and not the backend (docs/backend.md, 2.2)?"""
    page = "text/html" in headers.get("content-type", "")
    return status in (403, 503) and (page or headers.get("cf-mitigated") == "challenge")


def is_region(message: str) -> bool:
    """A 401 that no new token helps against (docs/backend.md, 7.2)."""
    return "not authorized in this region" in message


def refuses_encrypted(status: int, body: bytes) -> bool:
    """Does the backend refuse encrypted reasoning that is not of this account (docs/backend.md, 4)?"""
    return status == 400 and b"encrypted" in body and parse(body).get("code") == "invalid_encrypted_content"


def in_stream(error: Mapping[str, Any], now: float | None = None) -> ProxyError:
    """The error for a failure that came inside a 200 stream, for a client that did not ask for a stream."""
    code = str(error.get("code") or error.get("type") or "") or "response_failed"
    message = str(error.get("message") or "The backend reported a failure without a word.")
    status = STREAM_STATUS.get(code, 502)
    headers = _retry_after(message) if status == 429 else {}
    if code in LASTING:
        left = usage.limit_message(error, {}, time.time() if now is None else now)[1]
        headers = {**headers, **RETRY_NOT, **({} if left is None else {"retry-after": str(left)})}
    extra = {k: v for k, v in error.items() if k not in ("message", "type", "code", "param", "sequence_number")}
    return ProxyError(status, code, message, headers=headers, extra=extra)


def _usage_limit(error: Mapping[str, Any], extra: dict[str, Any], headers: Mapping[str, str], now: float) -> ProxyError:
    # Type, plan_type and resets_at stay: by them the Codex CLI says its own sentence (docs/backend.md, 13).
    message, left = usage.limit_message(error, headers, now)
    said = str(error.get("message") or "").rstrip(".")
    retry = RETRY_NOT if left is None else {**RETRY_NOT, "retry-after": str(left)}
    return ProxyError(
        429, "usage_limit_reached", f"{message} (The backend says: {said}.)" if said else message,
        kind="usage_limit_reached", headers=retry, extra=extra,
    )  # fmt: skip


def _unauthorized(code: str | None, message: str, extra: dict[str, Any], remedy: str) -> ProxyError:
    if is_region(message):
        return ProxyError(401, code or "wrong_region", message, headers=RETRY_NOT, extra=extra)
    message = f"The backend does not accept this login, not even with a fresh token: {message} Log in again. {remedy}"
    message = message.rstrip()
    return ProxyError(401, code or "login_refused", message, headers=RETRY_NOT, extra=extra)


def _cloudflare(status: int, headers: Mapping[str, str]) -> ProxyError:
    ray = f" (cf-ray {headers['cf-ray']})" if "cf-ray" in headers else ""
    return ProxyError(
        status, "cloudflare_challenge",
        f"Cloudflare, in front of the backend, stopped the request{ray}; the login has nothing to do with it. It happens on"
        " addresses of data centres and VPNs: try from another network, or in some minutes.",
        headers=RETRY_NOT,
    )  # fmt: skip


def _no_json(status: int, headers: Mapping[str, str], body: bytes) -> ProxyError:
    if is_page(headers, body):
        said = "a web page instead of an answer"
    elif text := redact.short(body[: 4 * SHORT].decode("utf-8", "replace").strip(), SHORT):
        said = text
    else:
        said = "nothing more"
    return ProxyError(status, "backend_error", f"The backend answered with status {status} and {said}.")


def _cut(value: Any) -> Any:
    """A decoded JSON value with its long texts cut, to be looked through for tokens."""
    match value:
        case str() if len(value) > TOLD:
            return redact.short(value, TOLD)
        case list():
            return [_cut(one) for one in value]
        case dict():
            return {key: _cut(one) for key, one in value.items() if len(key) <= TOLD}
    return value


def _retry_after(message: str) -> dict[str, str]:
    """The wait that a rate limit's text names (docs/backend.md, 7.2), as a header; whole seconds, rounded up."""
    found = re.search(r"try again in (\d+(?:\.\d+)?) ?(ms|s)", message)
    if not found:
        return {}
    wait = float(found[1]) / (1000 if found[2] == "ms" else 1)
    return {"retry-after": str(math.ceil(wait) or 1)}
