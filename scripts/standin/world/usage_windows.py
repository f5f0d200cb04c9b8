"""Rate-limit windows: headers of an answer, and `GET /wham/usage` (docs/backend.md, 1.4, 6)."""

from typing import Any

from ..wire.replies import Headers

MINUTES = {"primary": 300, "secondary": 10_080}
USED = {"primary": 12.5, "secondary": 34}
LEFT = {"primary": 9000, "secondary": 300_000}


def _window(name: str, used: float, now: float, left: float) -> Headers:
    return [
        (f"x-codex-{name}-used-percent", str(used)),
        (f"x-codex-{name}-window-minutes", str(MINUTES[name])),
        (f"x-codex-{name}-reset-at", str(int(now + left))),
        (f"x-codex-{name}-reset-after-seconds", str(int(left))),
    ]


def usual(plan: str, now: float) -> Headers:
    """On a good answer."""
    return [
        ("x-codex-plan-type", plan),
        *(header for name in MINUTES for header in _window(name, USED[name], now, LEFT[name])),
        ("x-codex-primary-over-secondary-limit-percent", "0"),
        ("x-codex-credits-has-credits", "False"),
        ("x-codex-credits-unlimited", "False"),
        ("x-codex-credits-balance", ""),
    ]


def exhausted(window: str, plan: str, now: float, left: float) -> Headers:
    """On a 429: that window is used up."""
    other = next(name for name in MINUTES if name != window)
    return [
        ("x-codex-plan-type", plan),
        ("x-codex-active-limit", "premium"),
        ("x-codex-rate-limit-reached-type", "rate_limit_reached"),
        *_window(window, 100, now, left),
        *_window(other, USED[other], now, LEFT[other]),
    ]


def event(plan: str, now: float) -> dict[str, Any]:
    """`codex.rate_limits`, which a WebSocket has beside the headers of its upgrade (docs/backend.md, 5)."""
    windows = {
        name: {"used_percent": USED[name], "window_minutes": MINUTES[name], "reset_at": int(now + LEFT[name])}
        for name in MINUTES
    }
    limits = {"allowed": True, "limit_reached": False, **windows}
    return {"type": "codex.rate_limits", "plan_type": plan, "rate_limits": limits, "credits": None}


def status(plan: str, account: str, email: str, now: float) -> dict[str, Any]:
    """`GET /wham/usage`."""
    windows = {
        f"{name}_window": {
            "used_percent": int(USED[name]),
            "limit_window_seconds": MINUTES[name] * 60,
            "reset_after_seconds": LEFT[name],
            "reset_at": int(now) + LEFT[name],
        }
        for name in MINUTES
    }
    return {
        "account_id": account,
        "email": email,
        "plan_type": plan,
        "rate_limit": {"allowed": True, "limit_reached": False, **windows},
        "code_review_rate_limit": None,
        "additional_rate_limits": [],
        "credits": {"has_credits": False, "unlimited": False, "overage_limit_reached": False, "balance": "0"},
        "spend_control": {"reached": False, "individual_limit": None},
        "rate_limit_reached_type": None,
        "rate_limit_reset_credits": {"available_count": 0},
    }
