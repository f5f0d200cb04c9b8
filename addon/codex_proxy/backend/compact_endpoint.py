"""What the backend says where it has no responses/compact, as it has not for everybody (docs/backend.md, 1.1)."""

import re

from ..errors import ProxyError
from . import refusals

# What is said of a path that is not there.
NO_PATH = re.compile(r"Not Found$|Invalid URL\b", re.I)


def is_gone(status: int, body: bytes) -> bool:
    """Is the path not there, and not a model or an item that the request names (docs/backend.md, 4, 7.2)?"""
    error = refusals.parse(body) if status == 404 else {}
    return status == 404 and bool(not error or NO_PATH.match(str(error.get("message"))))


def unavailable(why: str) -> ProxyError:
    """Neither the endpoint nor a turn in its place compacts; `why` is the backend's word."""
    said = (
        f"The backend can't compact for this login: {why.rstrip('.')}. Let the client shorten the conversation itself."
    )
    return ProxyError("compact_unavailable", said, headers=refusals.RETRY_NOT)
