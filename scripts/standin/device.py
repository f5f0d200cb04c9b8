"""Device login (contract 8.6): the program asks for a code, the person types it in, the program polls."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from .oauth import challenge_of
from .wire.connection import Request
from .wire.replies import HTML_TYPE, Reply, api_error, detail, ok
from .world.tokens import CLIENT_ID

if TYPE_CHECKING:
    from .server import Standin

PENDING = "Device authorization is unknown. Please try again."
DENIED = "The authorization was declined."
PAGE = (
    "<!DOCTYPE html><title>Stand-in: device login</title><form method=post>"
    "<label>Code <input name=user_code></label> <button>Let it in</button></form>"
)


@dataclass
class Device:
    """One device that waits for its person."""

    id: str
    user_code: str
    approved: bool = False
    denied: bool = False


def _fields(request: Request) -> dict[str, Any]:
    try:
        fields = json.loads(request.body)
    except ValueError:
        fields = None
    if request.media_type != "application/json" or not isinstance(fields, dict):
        raise detail("Unsupported content type")
    return fields


def usercode(standin: Standin, request: Request) -> Reply:
    if not standin.device_login:
        raise detail("Not Found", 404)
    if _fields(request).get("client_id") != CLIENT_ID:
        raise api_error("Unknown client", status=401, code="invalid_client")
    letters = "BCDFGHJKLMNPQRSTVWXZ"
    code = "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(2))
    device = Device(f"deviceauth_{secrets.token_hex(12)}", code)
    standin.devices[device.id] = device
    # The interval is a string.
    return ok({"device_auth_id": device.id, "user_code": code, "interval": str(standin.device_interval)})


def poll(standin: Standin, request: Request) -> Reply:
    fields = _fields(request)
    device = standin.devices.get(str(fields.get("device_auth_id")))
    if device and device.denied:
        raise api_error(DENIED, status=401, code="authorization_declined")
    if device is None or not device.approved or fields.get("user_code") != device.user_code:
        raise api_error(PENDING, status=403, code="deviceauth_authorization_unknown")
    del standin.devices[device.id]
    verifier = secrets.token_urlsafe(64)
    redirect = f"{standin.issuer}/deviceauth/callback"
    code = standin.oauth.grant(standin.oauth.person, challenge_of(verifier), redirect)
    return ok({"authorization_code": code, "code_challenge": challenge_of(verifier), "code_verifier": verifier})


def page(standin: Standin, request: Request) -> Reply:
    return Reply(200, [HTML_TYPE], PAGE.encode())


def approve(standin: Standin, request: Request) -> Reply:
    typed = parse_qs(request.body.decode("latin-1")).get("user_code", [""])[0]
    if not standin.approve_device(typed.strip().upper()):
        return Reply(400, [HTML_TYPE], b"<p>No device waits with this code.</p>", "unknown user code")
    return Reply(200, [HTML_TYPE], b"<p>The device is let in.</p>")


ROUTES: dict[str, dict[str, Callable[[Standin, Request], Reply]]] = {
    "/api/accounts/deviceauth/usercode": {"POST": usercode},
    "/api/accounts/deviceauth/token": {"POST": poll},
    "/codex/device": {"GET": page, "POST": approve},
}
