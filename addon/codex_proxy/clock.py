"""Detect a wrong clock on this machine from servers' `Date` headers, and report it as such."""

import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A difference up to this comes from the network or does not matter for tokens, in seconds.
TOLERANCE = 120.0

# What OpenSSL says of a certificate whose time has not come, or is over; mitmproxy and Python pass it on.
OF_TIME = re.compile(r"certificate is not yet valid|certificate has expired", re.I)


def ahead(date: str, now: float) -> float | None:
    """How far this machine's clock is ahead of a server's, by its `Date` (RFC 9110 6.6.1), in seconds; 0 within TOLERANCE, None where
    it names no time."""
    try:
        told = parsedate_to_datetime(date)
        difference = now - (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return difference if abs(difference) > TOLERANCE else 0.0


def describe(ahead: float) -> str:
    """A sentence about a clock that is `ahead` by this many seconds."""
    size = abs(ahead)
    unit, name = next(
        (u, n) for u, n in ((86400, "days"), (3600, "hours"), (60, "minutes")) if size >= 2 * u or u == 60
    )
    return f"This machine's clock is {size / unit:.0f} {name} {'ahead' if ahead > 0 else 'behind'}: set it."


def doubt(message: str, now: float | None = None) -> str:
    """Where a certificate was refused for its time: a sentence that says what this machine takes the time for; else empty."""
    if not OF_TIME.search(message):
        return ""
    at = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    return f"By this machine's clock it is {at:%Y-%m-%d %H:%M} UTC: if that is wrong, set the clock."
