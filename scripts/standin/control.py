"""Control interface of a running stand-in, for people: `/_standin/…`. The real backend has nothing like it."""

import json
from typing import Any

from .state import State
from .wire.connection import Request
from .wire.replies import Reply, detail, ok
from .wire.seen import Seen, safe_headers, without_secrets


def handle(state: State, request: Request) -> Reply:
    match request.method, request.path:
        case "POST", "/_standin/fail":
            return _fail(state, request)
        case "POST", "/_standin/recover":
            state.recover()
            return ok({"failing": []})
        case "GET", "/_standin/requests":
            return ok(
                {"requests": list(map(as_json, state.requests)), "oauth": list(map(as_json, state.refresh_calls))}
            )
    raise detail("Not Found", 404)


def _fail(state: State, request: Request) -> Reply:
    """`{"name": NAME or a list of them, "times": how often each, null for always}`"""
    try:
        wanted = json.loads(request.body)
        names = [wanted["name"]] if isinstance(wanted["name"], str) else list(wanted["name"])
        state.fail(*names, times=wanted.get("times", 1))
    except (ValueError, TypeError, KeyError, AttributeError) as e:
        raise detail(f"Cannot switch that on: {e}") from e
    return ok({"failing": state.failing()})


def as_json(seen: Seen) -> dict[str, Any]:
    """A request without its secrets."""
    return {
        "connection": seen.connection,
        "request": f"{seen.method} {seen.path}" + (f"?{seen.query}" if seen.query else ""),
        "status": seen.status,
        "refusal": seen.refusal,
        "headers": safe_headers(seen.headers),
        "json": without_secrets(seen.json),
    }
