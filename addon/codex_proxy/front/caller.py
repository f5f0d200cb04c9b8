"""Opaque caller ID: a keyed hash of the credentials, not reversible."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping

# Made at each start: a name that was saved with a flow reveals nothing.
KEY = secrets.token_bytes(32)

PRESENTED = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


def name(headers: Mapping[str, str]) -> str:
    """16 hex characters for what a caller presents; the same for all who present nothing."""
    shown = "\0".join(headers.get(each, "") for each in PRESENTED)
    return hmac.digest(KEY, shown.encode("utf-8", "surrogateescape"), hashlib.sha256).hex()[:16]
