"""The switches of a running stand-in, for people: `/_standin/…`. Nothing of the real backend is like this."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .wire.connection import Request
from .wire.replies import Reply, detail, ok

if TYPE_CHECKING:
    from .server import Standin
    from .wire.seen import Seen

SECRET_HEADERS = ("authorization", "cookie")
SECRET_FIELDS = ("refresh_token", "access_token", "id_token", "token", "code", "code_verifier", "encrypted_content")
HIDDEN = "(left out)"


def handle(standin: Standin, request: Request) -> Reply:
    match request.method, request.path:
        case "POST", "/_standin/fail":
            return _fail(standin, request)
        case "POST", "/_standin/recover":
            standin.recover()
            return ok({"failing": []})
        case "GET", "/_standin/requests":
            return ok({"requests": list(map(told, standin.requests)), "oauth": list(map(told, standin.refresh_calls))})
    raise detail("Not Found", 404)


def _fail(standin: Standin, request: Request) -> Reply:
    """`{"name": NAME or a list of them, "times": how often each, null for always}`"""
    try:
        wanted = json.loads(request.body)
        names = [wanted["name"]] if isinstance(wanted["name"], str) else list(wanted["name"])
        standin.fail(*names, times=wanted.get("times", 1))
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        raise detail(f"Cannot switch that on: {e}") from e
    return ok({"failing": standin.failing()})


def told(seen: Seen) -> dict[str, Any]:
    """A request without its secrets."""
    return {
        "connection": seen.connection,
        "request": f"{seen.method} {seen.path}" + (f"?{seen.query}" if seen.query else ""),
        "status": seen.status,
        "refusal": seen.refusal,
        "headers": safe_headers(seen.headers),
        "json": without_secrets(seen.json),
    }


def safe_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, HIDDEN if name in SECRET_HEADERS else value) for name, value in headers]


def without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {key: HIDDEN if key in SECRET_FIELDS else without_secrets(each) for key, each in value.items()}
        case list():
            return [without_secrets(each) for each in value]
    return value
