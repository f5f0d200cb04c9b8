"""Translate the backend's refusals for the client: OpenAI's shape, status and message kept, explained where that helps.

docs/backend.md, 7. Everything here is decided from status, headers and body; nothing is asked or sent.
"""

import json
import math
import re
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from ..errors import ProxyError
from ..message import encodings
from ..output import redact
from . import usage_windows

# The forms in which a model is refused (docs/backend.md, 7.2).
MODEL_REFUSED = re.compile(
    r"model is not supported when using Codex|requires a newer version of Codex|Model not found", re.I
)

# Failures inside a 200 stream → the status a client that wanted no stream gets (docs/backend.md, 7.4).
STREAM_STATUS = {
    "rate_limit_exceeded": 429, "insufficient_quota": 429, "usage_limit_reached": 429, "usage_not_included": 403,
    "server_is_overloaded": 503, "slow_down": 503, "context_length_exceeded": 400, "invalid_prompt": 400,
    "cyber_policy": 400, "bio_policy": 400, "misalignment_policy_violation": 400,
}  # fmt: skip

# Limits: the size of a refusal's body that is read, in bytes; of its texts that are shown, and of a body that is not JSON, in
# characters.
LONG, TOLD, SHORT = encodings.ERROR_BODY, 4096, 300

HOST = re.compile(r"[a-z0-9.-]{1,80}")

# What may stand between here and the backend, and answer in its place.
BETWEEN = "It may come from something in between, such as the sign-in page of a hotel or company network."

RETRY_NOT = {"x-should-retry": "false"}

# Those that the same request would meet again; the SDKs would send it three times. (They don't retry a 400 or 403.)
LASTING = ("insufficient_quota", "usage_limit_reached", "usage_not_included", "response_incomplete")


def parse(body: bytes) -> dict[str, Any]:
    """The error in a body: code, message and whatever else there is; empty if the body is not a JSON error (docs/backend.md, 7.1)."""
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


@dataclass(frozen=True)
class Refusal:
    """`error` is what `parse` found in the body, without tokens and with its long texts cut; the rest as `explain` got it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: Mapping[str, Any]
    now: float
    remedy: str

    @property
    def kind(self) -> str | None:
        return str(self.error.get("type") or "") or None

    @property
    def code(self) -> str | None:
        return str(self.error.get("code") or "") or None

    @property
    def message(self) -> str:
        return str(self.error.get("message") or "") or f"The backend refused the request with status {self.status}."

    @property
    def extra(self) -> dict[str, Any]:
        return {k: v for k, v in self.error.items() if k not in ("message", "type", "code")}

    def names(self, limit: str) -> bool:
        """Whether it names this limit, in whatever place."""
        return self.status in (404, 429) and limit in " ".join((self.kind or "", self.code or "", self.message))


def explain(
    status: int, headers: Mapping[str, str], body: bytes, now: float | None = None, *, remedy: str = ""
) -> ProxyError:
    """The error a client gets for a refusal of the backend; `remedy` is a sentence that says how to log in again."""
    error = redact.values(_cut(parse(body) if len(body) < LONG else {}))
    refusal = Refusal(status, headers, body, error, time.time() if now is None else now, remedy)
    return next(rule.becomes(refusal) for rule in RULES if rule.applies(refusal))


def no_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, place: str = "", upgrade: bool = False
) -> ProxyError | None:
    """The error for an unusable answer with a good status: an empty body, a redirect, a page, text; None for
    JSON that is not an error. `place` is the host of a redirect; `upgrade`: whether another protocol was requested."""
    if status == 304:
        said = "no body, as if the request had been conditional."
    elif 300 <= status < 400:
        said = "a redirect" + (f" to {place}" if place else "") + ", which is not followed. " + BETWEEN
    elif upgrade:
        said = "no WebSocket."
    elif is_page(headers, body):
        said = f"a web page. {BETWEEN}"
    elif not body.strip():
        said = "an empty body."
    else:
        try:
            document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = f"text that is not JSON: {redact.short(body[:2000].decode('utf-8', 'replace').strip(), SHORT)}"
        else:
            is_error = not {"object", "output", "models", "data"} & set(document) and len(body) <= LONG and parse(body)
            return explain(502, headers, body) if is_error else None
    return ProxyError("backend_error", f"The backend answered with status {status} and {said}")


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<"


def redirect_host(location: str) -> str:
    """The host of a redirect, if it is one that may be shown."""
    try:
        host = urllib.parse.urlsplit(location[:2000]).hostname or ""
    except ValueError:
        return ""
    return host if HOST.fullmatch(host) and redact.redact(host) == host else ""


def is_challenge(status: int, headers: Mapping[str, str]) -> bool:
    """Is it Cloudflare that answers, and not the backend (docs/backend.md, 2.2)?"""
    page = "text/html" in headers.get("content-type", "")
    return status in (403, 503) and (page or headers.get("cf-mitigated") == "challenge")


def is_region(message: str) -> bool:
    """A 401 that a new token does not solve (docs/backend.md, 7.2)."""
    return "not authorized in this region" in message


def asks_for_newer(message: str) -> bool:
    """Is a model refused for the version that the client says it has (docs/backend.md, 3.1)?"""
    return "requires a newer version" in message


def refuses_encrypted(status: int, body: bytes) -> bool:
    """Does the backend refuse encrypted reasoning that is not of this account (docs/backend.md, 4)?"""
    return status == 400 and b"encrypted" in body and parse(body).get("code") == "invalid_encrypted_content"


def in_stream(error: Mapping[str, Any], now: float | None = None) -> ProxyError:
    """The error for a failure that came inside a 200 stream, for a client that did not ask for a stream."""
    code = str(error.get("code") or error.get("type") or "") or "response_failed"
    message = str(error.get("message") or "The backend reported a failure without an explanation.")
    status = STREAM_STATUS.get(code, 502)
    headers = _retry_after(message) if status == 429 else {}
    if code in LASTING:
        left = usage_windows.limit_message(error, {}, time.time() if now is None else now)[1]
        headers = {**headers, **RETRY_NOT, **({} if left is None else {"retry-after": str(left)})}
    extra = {k: v for k, v in error.items() if k not in ("message", "type", "code", "param", "sequence_number")}
    return ProxyError(code, message, status=status, of_backend=True, headers=headers, extra=extra)


def _cloudflare(refusal: Refusal) -> ProxyError:
    ray = f" (cf-ray {refusal.headers['cf-ray']})" if "cf-ray" in refusal.headers else ""
    return ProxyError(
        "cloudflare_challenge",
        f"Cloudflare, in front of the backend, stopped the request{ray}; the login is not the cause. It happens on"
        " addresses of data centres and VPNs: try from another network, or in some minutes.",
        status=refusal.status, headers=RETRY_NOT,
    )  # fmt: skip


def _no_json(refusal: Refusal) -> ProxyError:
    if is_page(refusal.headers, refusal.body):
        said = "a web page instead of an answer"
    elif text := redact.short(refusal.body[: 4 * SHORT].decode("utf-8", "replace").strip(), SHORT):
        said = text
    else:
        said = "nothing more"
    message = f"The backend answered with status {refusal.status} and {said}."
    return ProxyError("backend_error", message, status=refusal.status)


def _usage_limit(refusal: Refusal) -> ProxyError:
    # Type, plan_type and resets_at stay: by them the Codex CLI says its own sentence (docs/backend.md, 13).
    message, left = usage_windows.limit_message(refusal.error, refusal.headers, refusal.now)
    said = str(refusal.error.get("message") or "").rstrip(".")
    retry = RETRY_NOT if left is None else {**RETRY_NOT, "retry-after": str(left)}
    return ProxyError(
        "usage_limit_reached", f"{message} (The backend says: {said}.)" if said else message,
        kind="usage_limit_reached", headers=retry, extra=refusal.extra,
    )  # fmt: skip


def _usage_not_included(refusal: Refusal) -> ProxyError:
    return ProxyError(
        "usage_not_included",
        f"{refusal.message} This ChatGPT plan does not include Codex; Plus and higher plans do.",
        status=429, kind="usage_not_included", headers=RETRY_NOT, extra=refusal.extra,
    )  # fmt: skip


def _rate_limit(refusal: Refusal) -> ProxyError:
    wait = _retry_after(refusal.message)
    return ProxyError("rate_limit_exceeded", refusal.message, kind=refusal.kind, headers=wait, extra=refusal.extra)


def _deactivated(refusal: Refusal) -> ProxyError:
    message = (
        f"The workspace of this login is deactivated ({refusal.message}): its subscription has ended. Choose an active workspace:"
        f" log in again. {refusal.remedy}"
    ).rstrip()
    return ProxyError(
        refusal.code or "deactivated_workspace", message, status=refusal.status, of_backend=True, headers=RETRY_NOT, extra=refusal.extra
    )  # fmt: skip


def _wrong_region(refusal: Refusal) -> ProxyError:
    code = refusal.code or "wrong_region"
    return ProxyError(code, refusal.message, status=401, of_backend=True, headers=RETRY_NOT, extra=refusal.extra)


def _login_refused(refusal: Refusal) -> ProxyError:
    message = f"The backend does not accept this login, not even with a fresh token: {refusal.message} Log in again. {refusal.remedy}"
    return ProxyError(
        refusal.code or "login_refused", message.rstrip(), status=401, of_backend=True, headers=RETRY_NOT, extra=refusal.extra
    )  # fmt: skip


def _in_its_words(refusal: Refusal, code: str | None = None) -> ProxyError:
    """`code` is for a refusal that comes with none."""
    return ProxyError(
        refusal.code or code, refusal.message, status=refusal.status, of_backend=True, kind=refusal.kind, extra=refusal.extra
    )  # fmt: skip


class Rule(NamedTuple):
    applies: Callable[[Refusal], object]
    becomes: Callable[[Refusal], ProxyError]


# First match wins.
RULES = (
    Rule(lambda r: is_challenge(r.status, r.headers), _cloudflare),
    Rule(lambda r: not r.error, _no_json),
    Rule(lambda r: r.names("usage_limit_reached"), _usage_limit),
    Rule(lambda r: r.names("usage_not_included"), _usage_not_included),
    Rule(lambda r: r.names("rate_limit_exceeded"), _rate_limit),
    Rule(lambda r: r.status == 402 or r.code == "deactivated_workspace", _deactivated),
    Rule(lambda r: r.status == 401 and is_region(r.message), _wrong_region),
    Rule(lambda r: r.status == 401, _login_refused),
    Rule(lambda r: MODEL_REFUSED.search(r.message), lambda r: _in_its_words(r, "model_not_found")),
    Rule(lambda r: True, _in_its_words),
)


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
