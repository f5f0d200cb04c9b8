"""How a stream tells that its answer failed: forms that every client reads, without tokens (docs/backend.md, 5)."""

import secrets
import time
from typing import Any

import msgspec

from ..errors import ProxyError
from ..output import redact
from ..raw_json import ABSENT, OBJECT, Object, encoded, first, value

# A failure longer than this is not looked through for tokens, which would take seconds: code and message go on, cut; in bytes
# and in characters.
LONG, TOLD = 512 << 10, 4096

# A response object that is longer than this, for what it repeats of the request, is not sent once more; in bytes.
LONG_BEGUN = 64 << 10

encode = msgspec.json.encode


def reported(kind: str, error: msgspec.Raw, response: msgspec.Raw, code: Any, message: Any) -> dict[str, Any]:
    """Code and message of a failure that the backend reports, in its response object, nested or flat; without tokens. Raises
    msgspec.MsgspecError."""
    if kind == "response.failed":
        raw = OBJECT.decode(response).get("error", ABSENT) if first(response) == b"{" else ABSENT
    else:
        raw = error
    told = value(raw) if first(raw) == b"{" else {"code": code, "message": message}
    if memoryview(raw).nbytes > LONG or len(str(told.get("message"))) > LONG:
        told = {name: said[:TOLD] for name in ("code", "message") if isinstance(said := told.get(name), str)}
    clean: dict[str, Any] = redact.values(told)
    return clean


def without_tokens(data: bytes) -> bytes:
    """JSON as it is, or, if there are tokens in it, without them: an error may repeat what was sent up."""
    if redact.redact(said := data.decode()) == said:
        return data
    return encode(redact.values(msgspec.json.decode(data)))


def of_socket(data: bytes, kind: str, error: dict[str, Any]) -> bytes:
    """A failure as it came over a WebSocket, without tokens; a long one with its code and message alone."""
    if len(data) <= LONG:
        return without_tokens(data)
    if kind == "error":
        return encode({"type": kind, "code": None, "message": None, "param": None, **error})
    return encode({"type": kind, "response": {"object": "response", "status": "failed", "output": [], "error": error}})


def event(error: ProxyError, number: int) -> dict[str, Any]:
    """An `error` event. SDKs raise at the nested object alone, typed readers read the flat fields (docs/backend.md, 5)."""
    nested = msgspec.json.decode(error.body())["error"]
    flat = {"code": error.code, "message": error.message, "param": None}
    return {"type": "error", **flat, "sequence_number": number, "error": nested}


def response(begun: bytes, error: ProxyError) -> Object:
    """The response object of `response.failed`; `begun` is that of `response.created`, if it came."""
    fields = {**base(), **(OBJECT.decode(begun) if len(begun) <= LONG_BEGUN else {})}
    return {**fields, "status": encoded("failed"), "error": encoded({"code": error.code, "message": error.message})}


def base() -> Object:
    """A response object for a backend that gave none."""
    fields: dict[str, Any] = {
        "id": f"resp_{secrets.token_hex(12)}", "object": "response", "created_at": int(time.time()), "status": "in_progress", "model": "",
        "output": [], "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "usage": None,
        "tools": [], "tool_choice": "auto", "parallel_tool_calls": True,
    }  # fmt: skip
    return {key: encoded(plain) for key, plain in fields.items()}
