"""Remaining usage as windows, from the backend's usage document (docs/backend.md, 1.4) or from a running proxy."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from .. import json_text
from ..backend.usage_windows import Credits, Window, length_name
from ..net import upstream

# Why no more requests are answered, in the CLI's words (docs/backend.md, 1.4, 7.3).
REACHED = {
    "rate_limit_reached": "the usage limit is reached",
    "workspace_owner_credits_depleted": "the workspace is out of credits",
    "workspace_member_credits_depleted": "the workspace is out of credits; its owner can add some",
    "workspace_owner_usage_limit_reached": "the workspace has reached its spending limit",
    "workspace_member_usage_limit_reached": "this member's spending limit in the workspace is reached",
}


@dataclass(frozen=True)
class Report:
    """`reached` says why the limits that all models share stop requests at the moment; empty while they do not. `still` names what is
    answered none the less: models, or limits, with quota of their own."""

    windows: tuple[Window, ...] = ()
    plan: str | None = None
    credits: Credits | None = None
    resets_left: int = 0
    reached: str = ""
    still: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        return {
            "windows": [
                {
                    "window": one.name,
                    "limit": one.limit or None,
                    "used_percent": one.used,
                    "minutes": one.minutes,
                    "resets_at": None if one.resets_at is None else datetime.fromtimestamp(one.resets_at, UTC).isoformat(),
                }
                for one in self.windows
            ],
            "plan": self.plan,
            "credits": self.credits and msgspec.to_builtins(self.credits),
            "resets_left": self.resets_left,
            "limit_reached": bool(self.reached),
            "still_answered": list(self.still),
        }  # fmt: skip


def usage_url(base: str) -> str:
    """Where the CLI asks for the usage, for a base address of the backend (docs/backend.md, 1.2). Raises ValueError."""
    target = upstream.parse(base)
    segments = target.path.split("/")
    if "backend-api" in segments:
        kept = segments[: segments.index("backend-api") + 1]
        path = "/".join([*kept, "wham", "usage"])
    else:
        path = target.path.removesuffix("/api/codex") + "/api/codex/usage"
    return target._replace(path=path).url


def read(body: bytes, now: float) -> Report:
    """What a usage document says; what is not as expected in it is left out."""
    try:
        document = _object(json_text.decode(body))
    except json_text.NotJson:
        return Report()
    shared = _object(document.get("rate_limit"))
    windows = [*_windows(shared, "", now), *_windows(document.get("code_review_rate_limit"), "code review", now)]
    families = document.get("additional_rate_limits")
    left = []
    for family in map(_object, families if isinstance(families, list) else []):
        name = _text(family.get("limit_name")) or _text(family.get("metered_feature")) or "another limit"
        own = [*_windows(family.get("rate_limit"), name, now)]
        windows += own
        if _is_left(_object(family.get("rate_limit")), own):
            # (docs/backend.md, 1.4)
            left.append(_text(family.get("normal_model_slug")) or f"the models of {name}")
    credits = _credits(document.get("credits"))
    resets = _number(_object(document.get("rate_limit_reset_credits")).get("available_count"))
    reached = _reached(document, shared, windows, credits)
    return Report(
        windows=tuple(windows),
        plan=_text(document.get("plan_type")),
        credits=credits,
        resets_left=int(resets or 0),
        reached=reached,
        still=tuple(left) if reached else (),
    )


def _reached(
    document: Mapping[str, Any], shared: Mapping[str, Any], windows: list[Window], credits: Credits | None
) -> str:
    kind = _text(_object(document.get("rate_limit_reached_type")).get("type"))
    if kind:
        return REACHED.get(kind) or kind.replace("_", " ")
    if _object(document.get("spend_control")).get("reached") is True:
        return "the spending limit is reached"
    if shared.get("allowed") is False:
        return used_up(windows) or "no more requests are answered at the moment"
    if goes_on(credits):
        return ""
    if shared.get("limit_reached") is True:
        return used_up(windows) or REACHED["rate_limit_reached"]
    return "" if shared.get("limit_reached") is False else used_up(windows)


def _is_left(limit: Mapping[str, Any], own: list[Window]) -> bool:
    """Whether a limit beside the shared ones says that it has quota left."""
    if limit.get("allowed") is False or limit.get("limit_reached") is True:
        return False
    return limit.get("limit_reached") is False or (bool(own) and all(one.used < 100 for one in own))


def goes_on(credits: Credits | None) -> bool:
    """Whether a full window stops requests; with credits it does not."""
    return credits is not None and (credits.has or credits.unlimited)


def used_up(windows: list[Window]) -> str:
    """A full window that all models share, in words; empty if there is none."""
    full = next((one for one in windows if one.used >= 100 and not one.limit), None)
    return f"the {full.name} limit is reached" if full else ""


def _windows(limit: Any, name: str, now: float) -> Iterator[Window]:
    for slot in ("primary_window", "secondary_window"):
        window = _object(_object(limit).get(slot))
        used, seconds = _number(window.get("used_percent")), _number(window.get("limit_window_seconds"))
        resets_at, left = _number(window.get("reset_at")), _number(window.get("reset_after_seconds"))
        if used is None:
            continue
        if resets_at is None and left is not None:
            resets_at = now + left
        yield Window(used, round(seconds / 60) if seconds else None, resets_at, name)


def _credits(value: Any) -> Credits | None:
    if not isinstance(value, dict):
        return None
    balance = value.get("balance")
    return Credits(value.get("has_credits") is True, value.get("unlimited") is True, "" if balance is None else str(balance))  # fmt: skip


def seen_by_proxy(page: Any, backend: str, seconds_left: float | None) -> Report | None:
    """What `GET /` of a running proxy tells of the usage; None if it is of another login or backend, or tells nothing.

    `seconds_left` is how long the token of the login in question lasts: the page says nothing else of whose it is.
    """
    page = _object(page)
    login = _object(page.get("login"))
    if page.get("name") != "codex proxy" or page.get("backend") != backend or "error" in login:
        return None
    theirs = _number(login.get("expires_in_seconds"))
    # The two were not looked at in the same moment; and two tokens without an expiry can't be told apart.
    if theirs is None or seconds_left is None or abs(theirs - max(0, seconds_left)) > 5:
        return None
    listed = page.get("usage")
    windows = [window for window in map(_seen, listed if isinstance(listed, list) else []) if window]
    held = _object(page.get("credits"))
    credits = _credits({**held, "has_credits": held.get("has")}) if held else None
    reached = "" if goes_on(credits) else used_up(windows)
    full = {one.limit for one in windows if one.used >= 100}
    left = dict.fromkeys(f"the models of {one.limit}" for one in windows if one.limit and one.limit not in full)
    return Report(tuple(windows), None, credits, 0, reached, tuple(left) if reached else ()) if windows else None


def _seen(entry: Any) -> Window | None:
    entry = _object(entry)
    used, minutes = _number(entry.get("used_percent")), _number(entry.get("minutes"))
    if used is None:
        return None
    length = length_name(int(minutes)) if minutes else "usage"
    limit = (_text(entry.get("window")) or "").removesuffix(length).strip()
    try:
        resets_at = datetime.fromisoformat(str(entry.get("resets_at"))).timestamp()
    except ValueError:
        resets_at = None
    return Window(used, int(minutes) if minutes else None, resets_at, limit)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) < 1e11 else None
