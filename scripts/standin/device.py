"""Device login (docs/backend.md, 8.6): the program requests a code, the user enters it, the program polls."""

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from .oauth import challenge_of
from .state import State
from .wire.connection import Request
from .wire.replies import HTML_TYPE, Reply, api_error, detail, ok
from .world.devices import Device
from .world.tokens import CLIENT_ID

PENDING = "Device authorization is unknown. Please try again."
DENIED = "The authorization was declined."
PAGE = (
    "<!DOCTYPE html><title>Stand-in: device login</title><form method=post>"
    "<label>Code <input name=user_code></label> <button>Let it in</button></form>"
)


def _fields(request: Request) -> dict[str, Any]:
    try:
        fields = json.loads(request.body)
    except ValueError:
        fields = None
    if request.media_type != "application/json" or not isinstance(fields, dict):
        raise detail("Unsupported content type")
    return fields


def usercode(state: State, request: Request) -> Reply:
    if not state.device_login:
        raise detail("Not Found", 404)
    if _fields(request).get("client_id") != CLIENT_ID:
        raise api_error("Unknown client", status=401, code="invalid_client")
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    code = "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(2))
    device = Device(f"deviceauth_{secrets.token_hex(12)}", code)
    state.devices[device.id] = device
    # The interval is a string.
    return ok({"device_auth_id": device.id, "user_code": code, "interval": str(state.device_interval)})


def poll(state: State, request: Request) -> Reply:
    fields = _fields(request)
    device = state.devices.get(str(fields.get("device_auth_id")))
    if device and device.denied:
        raise api_error(DENIED, status=401, code="authorization_declined")
    if device is None or not device.approved or fields.get("user_code") != device.user_code:
        raise api_error(PENDING, status=403, code="deviceauth_authorization_unknown")
    del state.devices[device.id]
    verifier = secrets.token_urlsafe(64)
    redirect = f"{state.issuer}/deviceauth/callback"
    code = state.oauth.grant(state.oauth.person, challenge_of(verifier), redirect)
    return ok({"authorization_code": code, "code_challenge": challenge_of(verifier), "code_verifier": verifier})


def page(state: State, request: Request) -> Reply:
    return Reply(200, [HTML_TYPE], PAGE.encode())


def approve(state: State, request: Request) -> Reply:
    typed = parse_qs(request.body.decode("latin-1")).get("user_code", [""])[0]
    if not state.approve_device(typed.strip().upper()):
        return Reply(400, [HTML_TYPE], b"<p>No device waits with this code.</p>", "unknown user code")
    return Reply(200, [HTML_TYPE], b"<p>The device is let in.</p>")


ROUTES: dict[str, dict[str, Callable[[State, Request], Reply]]] = {
    "/api/accounts/deviceauth/usercode": {"POST": usercode},
    "/api/accounts/deviceauth/token": {"POST": poll},
    "/codex/device": {"GET": page, "POST": approve},
}
