"""Usage windows from an answer's headers, named by their length, never by their slot (docs/backend.md, 6)."""

import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

# `x-codex-primary-used-percent`, `x-codex-bengalfox-secondary-used-percent`.
FAMILY = re.compile(r"x-(.+?)-(primary|secondary)-used-percent")

# Events of a WebSocket that may tell of windows; the decoded type decides.
TELLS = re.compile(rb'"codex\.rate_limits"|"headers"')


class Window(NamedTuple):
    """`used` in percent, `minutes` its length, `resets_at` in unix seconds; `limit` names a family with windows of its own.

    `slot` is said only of one without a length, which nothing else tells from another.
    """

    used: float
    minutes: int | None
    resets_at: float | None
    limit: str = ""
    slot: str = ""

    @property
    def name(self) -> str:
        length = length_name(self.minutes) if self.minutes else "usage"
        return f"{self.limit} {length}" if self.limit else length

    @property
    def key(self) -> str:
        return f"{self.name} {self.slot}"


class Credits(msgspec.Struct, frozen=True):
    """What may be used up past the windows; `balance` as the backend words it."""

    has: bool
    unlimited: bool
    balance: str

    def __str__(self) -> str:
        return "unlimited" if self.unlimited else (self.balance or "some") if self.has else "none"


def length_name(minutes: int) -> str:
    """300 → "5-hour", 10080 → "weekly"."""
    if minutes == 7 * 1440:
        return "weekly"
    for unit, size in (("day", 1440), ("hour", 60)):
        if minutes % size == 0:
            return "daily" if minutes == 1440 else f"{minutes // size}-{unit}"
    return f"{minutes}-minute"


def windows(headers: Mapping[str, str]) -> list[Window]:
    """The windows the headers tell of, of every family of limits; `headers` are found in any case of letters."""
    found = []
    for name in headers:
        family = FAMILY.fullmatch(name.lower())
        used = _number(headers[name]) if family else None
        if family is None or used is None:
            continue
        base = name[: -len("used-percent")]
        minutes, resets_at = _number(headers.get(base + "window-minutes")), _number(headers.get(base + "reset-at"))
        # The official client takes this for no data.
        if used or minutes or resets_at:
            slot = "" if minutes else family[2]
            found.append(Window(used, int(minutes) if minutes else None, resets_at, _limit(family[1], headers), slot))
    return found


def credits(headers: Mapping[str, str]) -> Credits | None:
    """The credits the headers tell of; None if they tell nothing."""
    has, unlimited = (headers.get(f"x-codex-credits-{name}") for name in ("has-credits", "unlimited"))
    if has is None and unlimited is None:
        return None
    balance = headers.get("x-codex-credits-balance", "").strip()
    return Credits(_yes(has), _yes(unlimited), balance[:40])


def _yes(value: str | None) -> bool:
    return (value or "").strip().lower() in ("true", "1")


class _Event(msgspec.Struct):
    type: Any = None
    rate_limits: Any = None
    limit_name: Any = None
    metered_limit_name: Any = None
    headers: Any = None


def windows_in(event: bytes) -> list[Window]:
    """The windows that an event of a WebSocket tells of: `codex.rate_limits`, or an error with headers (docs/backend.md, 5, 11)."""
    if not TELLS.search(event):
        return []
    try:
        told = msgspec.json.decode(event, type=_Event)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []
    if told.type == "error" and isinstance(told.headers, dict):
        return windows({name.lower(): value for name, value in told.headers.items()})
    if told.type != "codex.rate_limits" or not isinstance(told.rate_limits, dict):
        return []
    limit = str(told.limit_name or told.metered_limit_name or "")
    found = []
    for slot in ("primary", "secondary"):
        if (
            isinstance(one := told.rate_limits.get(slot), dict)
            and (used := _number(one.get("used_percent"))) is not None
        ):
            minutes, resets_at = _number(one.get("window_minutes")), _number(one.get("reset_at"))
            if used or minutes or resets_at:
                family = "" if limit == "codex" else limit.removeprefix("codex_")
                found.append(
                    Window(used, int(minutes) if minutes else None, resets_at, family, "" if minutes else slot)
                )
    return found


def _limit(family: str, headers: Mapping[str, str]) -> str:
    """What the backend calls a family of limits; empty for the one that all models share."""
    return "" if family == "codex" else headers.get(f"x-{family}-limit-name") or family.removeprefix("codex-")


def limit_message(error: Mapping[str, Any], headers: Mapping[str, str], now: float) -> tuple[str, int | None]:
    """What to tell of a usage limit, and in how many seconds it ends (None: not known)."""
    resets_at = _number(error.get("resets_at"))
    if resets_at is None and (seconds := _number(error.get("resets_in_seconds"))) is not None:
        resets_at = now + seconds
    window = _used_up(windows(headers), resets_at)
    if resets_at is None and window:
        resets_at = window.resets_at
    plan = f" of the plan {error['plan_type']}" if error.get("plan_type") else ""
    text = f"The {window.name if window else 'usage'} limit{plan} is reached"
    if resets_at is None:
        return text + "; when it resets is not known.", None
    left = max(0, int(resets_at - now))
    return f"{text}. It resets {local_time(resets_at, now)} ({span(left)} from now).", left


def _used_up(found: list[Window], resets_at: float | None) -> Window | None:
    """The window that is used up: the one with that reset time, else the fullest."""
    with_time = [
        w for w in found if resets_at is not None and w.resets_at is not None and abs(w.resets_at - resets_at) < 120
    ]
    full = [w for w in found if w.used >= 100]
    candidates = with_time or full or found
    return max(candidates, key=lambda w: w.used) if candidates else None


def local_time(instant: float, now: float) -> str:
    """Local time, with the day where it is not today's."""
    local, today = time.localtime(instant), time.localtime(now)
    same_day = (local.tm_year, local.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("at %H:%M" if same_day else "on %a %d %b at %H:%M", local)


def span(seconds: int) -> str:
    """ "37 minutes", "3 h 20 min", "2 days 4 h", "10 days"; whole minutes, rounded up."""
    minutes = -(-seconds // 60)
    if minutes < 120:
        return "1 minute" if minutes == 1 else f"{minutes} minutes"
    if minutes < 2880:
        return f"{minutes // 60} h {minutes % 60} min"
    days, hours = minutes // 1440, minutes % 1440 // 60
    return f"{days} days {hours} h" if hours else f"{days} days"


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # No time and no share; NaN is neither.
    return number if abs(number) < 1e11 else None
