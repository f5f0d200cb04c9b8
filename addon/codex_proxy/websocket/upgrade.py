"""The WebSocket upgrade: which requests are one, and which of their headers go up (RFC 6455, section 4; docs/backend.md, 11)."""

import base64
import binascii
from collections.abc import Mapping

from ..errors import ProxyError

# The value the backend wants; with that of older clients, `responses=experimental`, it closes with 1011.
BETA = "responses_websockets=2026-02-06"

# The only version there is, and the only extension that mitmproxy knows.
VERSION = "13"
DEFLATE = "permessage-deflate"


def is_asked(method: str, headers: Mapping[str, str]) -> bool:
    """Does a request ask for a WebSocket?"""
    return method == "GET" and "websocket" in words(headers.get("upgrade", ""))


def check(headers: Mapping[str, str]) -> None:
    """Raises ProxyError for what mitmproxy would not take for a WebSocket, and pass on unseen."""
    if headers.get("sec-websocket-version", "").strip() != VERSION:
        raise ProxyError(
            "bad_upgrade",
            f"The WebSocket has to have version {VERSION} (RFC 6455).",
            status=426,
            headers={"Sec-WebSocket-Version": VERSION, "Upgrade": "websocket"},
        )
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        raise ProxyError(
            "bad_upgrade", "The WebSocket's Sec-WebSocket-Key is not valid (RFC 6455, section 4.1).", status=400
        )


def upward(client: Mapping[str, str], codex: bool) -> dict[str, str]:
    """The headers of the upgrade as they go up. `client`: names in lower case; `codex`: it is the official Codex."""
    own = client.get("openai-beta", "")
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": VERSION,
        "Sec-WebSocket-Key": client.get("sec-websocket-key", "").strip(),
        "OpenAI-Beta": own if codex and own.startswith("responses_websockets=") else BETA,
    }
    offers = [
        offer.strip()
        for offer in client.get("sec-websocket-extensions", "").split(",")
        if offer.partition(";")[0].strip().lower() == DEFLATE
    ]
    if offers:
        headers["Sec-WebSocket-Extensions"] = ", ".join(offers)
    return headers


def words(header: str) -> list[str]:
    return [word.strip().lower() for word in header.split(",")]
