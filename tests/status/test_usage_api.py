import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.backend.usage_windows import Credits, Window
from codex_proxy.status.usage_api import read, seen_by_proxy, usage_url
from standin.world import usage_windows

NOW = 1_795_518_000.0
BACKEND = "https://chatgpt.com/backend-api/codex"


@pytest.mark.parametrize(
    "base, url",
    [
        (BACKEND, "https://chatgpt.com/backend-api/wham/usage"),
        (BACKEND + "/", "https://chatgpt.com/backend-api/wham/usage"),
        ("https://chatgpt.com/backend-api", "https://chatgpt.com/backend-api/wham/usage"),
        ("http://127.0.0.1:9191/backend-api/codex", "http://127.0.0.1:9191/backend-api/wham/usage"),
        ("https://gate.example/team/backend-api/codex", "https://gate.example/team/backend-api/wham/usage"),
        ("https://codex.example", "https://codex.example/api/codex/usage"),
        ("https://codex.example/api/codex", "https://codex.example/api/codex/usage"),
        ("https://codex.example:8443/v1", "https://codex.example:8443/v1/api/codex/usage"),
        ("https://codex.example/my-backend-api", "https://codex.example/my-backend-api/api/codex/usage"),
        ("http://[::1]:9/backend-api/codex", "http://[::1]:9/backend-api/wham/usage"),
    ],
)
def test_the_usage_is_asked_for_where_the_cli_does(base: str, url: str) -> None:
    assert usage_url(base) == url


@pytest.mark.parametrize("base", ["", "chatgpt.com", "http://chatgpt.com/backend-api/codex"])
def test_no_address_is_made_of_none(base: str) -> None:
    with pytest.raises(ValueError):
        usage_url(base)


def window(used: Any, seconds: Any = 18000, **more: Any) -> dict[str, Any]:
    return {"used_percent": used, "limit_window_seconds": seconds, **more}


def limit(*windows: Any, **more: Any) -> dict[str, Any]:
    return dict(zip(("primary_window", "secondary_window"), windows, strict=False)) | more


def document(**values: Any) -> bytes:
    return json.dumps(values).encode()


def test_the_document_of_the_backend_is_read() -> None:
    told = read(json.dumps(usage_windows.status("plus", "acc", "p@example.org", NOW)).encode(), NOW)
    assert told.windows == (Window(12, 300, NOW + 9000), Window(34, 10080, NOW + 300_000))
    assert (told.plan, told.credits, told.resets_left, told.reached) == ("plus", Credits(False, False, "0"), 0, "")


@pytest.mark.parametrize(
    "values, windows",
    [
        ({"rate_limit": limit(window(1), None)}, [Window(1, 300, None)]),
        ({"rate_limit": limit(None, window(1, 604800))}, [Window(1, 10080, None)]),
        ({"rate_limit": limit(window(1, reset_at=NOW + 5))}, [Window(1, 300, NOW + 5)]),
        ({"rate_limit": limit(window(1, reset_after_seconds=60))}, [Window(1, 300, NOW + 60)]),
        ({"rate_limit": limit(window(1, 2592000))}, [Window(1, 43200, None)]),
        ({"rate_limit": limit(window(1, None))}, [Window(1, None, None)]),
        ({"rate_limit": limit(window("1"))}, []),
        ({"rate_limit": limit(window(True))}, []),
        ({"rate_limit": limit(window(1, "x", reset_at="soon"))}, [Window(1, None, None)]),
        ({"rate_limit": None}, []),
        ({"rate_limit": [1]}, []),
        ({"code_review_rate_limit": limit(window(1))}, [Window(1, 300, None, "code review")]),
        ({"additional_rate_limits": [{"limit_name": "Spark", "metered_feature": "m", "rate_limit": limit(window(1))}]}, [Window(1, 300, None, "Spark")]),
        ({"additional_rate_limits": [{"metered_feature": "m", "rate_limit": limit(window(1))}]}, [Window(1, 300, None, "m")]),
        ({"additional_rate_limits": [{"rate_limit": limit(window(1))}]}, [Window(1, 300, None, "another limit")]),
        ({"additional_rate_limits": [None, 1, {"limit_name": "x", "rate_limit": None}]}, []),
        ({"additional_rate_limits": {"a": 1}}, []),
    ],
)  # fmt: skip
def test_windows_are_found(values: dict[str, Any], windows: list[Window]) -> None:
    assert list(read(document(**values), NOW).windows) == windows


FULL = window(100)


@pytest.mark.parametrize(
    "values, reached",
    [
        ({"rate_limit": limit(window(99), allowed=True, limit_reached=False)}, ""),
        ({"rate_limit": limit(FULL, allowed=True, limit_reached=False)}, ""),
        ({"rate_limit": limit(FULL, allowed=False, limit_reached=True)}, "the 5-hour limit is reached"),
        ({"rate_limit": limit(FULL, limit_reached=True)}, "the 5-hour limit is reached"),
        ({"rate_limit": limit(FULL)}, "the 5-hour limit is reached"),
        ({"rate_limit": limit(window(5), FULL | {"limit_window_seconds": 604800})}, "the weekly limit is reached"),
        ({"rate_limit": limit(window(5), limit_reached=True)}, "the usage limit is reached"),
        ({"rate_limit": limit(window(5), allowed=False)}, "no more requests are answered at the moment"),
        ({"rate_limit": limit(FULL, limit_reached=True), "credits": {"has_credits": True, "balance": "3"}}, ""),
        ({"rate_limit": limit(FULL, limit_reached=True), "credits": {"unlimited": True}}, ""),
        ({"rate_limit": limit(FULL, allowed=False), "credits": {"has_credits": True}}, "the 5-hour limit is reached"),
        ({"spend_control": {"reached": True}}, "the spending limit is reached"),
        ({"rate_limit_reached_type": {"type": "workspace_owner_credits_depleted"}}, "the workspace is out of credits"),
        ({"rate_limit_reached_type": {"type": "something_new"}}, "something new"),
        ({"additional_rate_limits": [{"limit_name": "Spark", "rate_limit": limit(FULL)}]}, ""),
    ],
)  # fmt: skip
def test_why_nothing_more_is_answered_is_told(values: dict[str, Any], reached: str) -> None:
    assert read(document(**values), NOW).reached == reached


def reserve(*windows: Any, slug: Any = "gpt-reserve", **more: Any) -> dict[str, Any]:
    return {"limit_name": "Reserve", "normal_model_slug": slug, "rate_limit": limit(*windows, **more)}


USED_UP = {"rate_limit": limit(FULL, allowed=False, limit_reached=True)}


@pytest.mark.parametrize(
    "values, still",
    [
        (USED_UP, ()),
        (USED_UP | {"additional_rate_limits": [reserve(window(20))]}, ("gpt-reserve",)),
        (USED_UP | {"additional_rate_limits": [reserve(window(100), limit_reached=False)]}, ("gpt-reserve",)),
        (USED_UP | {"additional_rate_limits": [reserve(window(20), slug=None)]}, ("the models of Reserve",)),
        (USED_UP | {"additional_rate_limits": [reserve(window(20)), reserve(window(5), slug="x")]}, ("gpt-reserve", "x")),
        (USED_UP | {"additional_rate_limits": [reserve(FULL)]}, ()),
        (USED_UP | {"additional_rate_limits": [reserve(window(20), FULL)]}, ()),
        (USED_UP | {"additional_rate_limits": [reserve(window(20), allowed=False)]}, ()),
        (USED_UP | {"additional_rate_limits": [reserve(window(20), limit_reached=True)]}, ()),
        (USED_UP | {"additional_rate_limits": [reserve()]}, ()),
        (USED_UP | {"additional_rate_limits": [{"normal_model_slug": "gpt-reserve", "rate_limit": None}]}, ()),
        ({"rate_limit": limit(window(5)), "additional_rate_limits": [reserve(window(20))]}, ()),
    ],
)  # fmt: skip
def test_what_is_answered_past_the_shared_limits_is_told(values: dict[str, Any], still: tuple[str, ...]) -> None:
    told = read(document(**values), NOW)
    assert told.still == still and told.json()["still_answered"] == list(still)


@pytest.mark.parametrize("shared, own, still", [(100, 20, ("the models of Spark",)), (100, 100, ()), (50, 20, ())])
def test_the_proxy_may_have_seen_such_a_limit(shared: float, own: float, still: tuple[str, ...]) -> None:
    usage = [
        {"window": "weekly", "used_percent": shared, "minutes": 10080},
        {"window": "Spark weekly", "used_percent": own, "minutes": 10080},
    ]
    told = seen_by_proxy(page(usage=usage), BACKEND, 500)
    assert told and told.still == still


@pytest.mark.parametrize(
    "value, told",
    [
        ({"has_credits": False, "unlimited": False, "balance": "0"}, "none"),
        ({"has_credits": True, "balance": "12.50"}, "12.50"),
        ({"has_credits": True, "balance": None}, "some"),
        ({"has_credits": True, "unlimited": True}, "unlimited"),
        ({"has_credits": True, "balance": 7}, "7"),
        (None, "None"),
        ([], "None"),
    ],
)
def test_credits_are_told(value: Any, told: str) -> None:
    assert str(read(document(credits=value), NOW).credits) == told


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_what_is_no_document_tells_nothing(body: bytes) -> None:
    assert read(body, NOW).windows == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = "plan_type rate_limit code_review_rate_limit additional_rate_limits credits spend_control rate_limit_reached_type rate_limit_reset_credits".split()


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_nothing_in_a_document_makes_it_fail(values: dict[str, Any]) -> None:
    json.dumps(read(json.dumps(values).encode(), NOW).json())


def test_a_report_as_json() -> None:
    values = {"rate_limit": limit(window(12.5, reset_at=NOW)), "plan_type": "pro", "credits": {"has_credits": True, "balance": "5"}}  # fmt: skip
    assert read(document(**values), NOW).json() == {
        "windows": [
            {"window": "5-hour", "limit": None, "used_percent": 12.5, "minutes": 300, "resets_at": "2026-11-24T11:00:00+00:00"}
        ],
        "plan": "pro",
        "credits": {"has": True, "unlimited": False, "balance": "5"},
        "resets_left": 0,
        "limit_reached": False,
        "still_answered": [],
    }  # fmt: skip


# What the running proxy has seen.


def page(**values: Any) -> dict[str, Any]:
    usage = [{"window": "weekly", "used_percent": 34, "minutes": 10080, "resets_at": "2026-11-24T11:00:00+00:00"}]
    base = {"name": "codex proxy", "backend": BACKEND, "login": {"state": "ok", "expires_in_seconds": 500}}
    return base | {"usage": usage} | values


def test_the_proxys_windows_are_taken() -> None:
    told = seen_by_proxy(page(), BACKEND, 502.0)
    assert told and told.windows == (Window(34, 10080, NOW),) and told.credits is None


@pytest.mark.parametrize(
    "entry, found",
    [
        ({"window": "5-hour", "used_percent": 1, "minutes": 300}, Window(1, 300, None)),
        ({"window": "Spark 5-hour", "used_percent": 1, "minutes": 300}, Window(1, 300, None, "Spark")),
        ({"window": "usage", "used_percent": 1, "minutes": None}, Window(1, None, None)),
        ({"window": "Spark usage", "used_percent": 1}, Window(1, None, None, "Spark")),
        ({"used_percent": 1, "resets_at": 5}, Window(1, None, None)),
    ],
)
def test_a_window_of_the_proxy_is_known_again(entry: dict[str, Any], found: Window) -> None:
    told = seen_by_proxy(page(usage=[entry]), BACKEND, 500)
    assert told and told.windows == (found,)


def test_a_full_window_of_the_proxy_is_a_limit() -> None:
    told = seen_by_proxy(page(usage=[{"window": "5-hour", "used_percent": 100, "minutes": 300}]), BACKEND, 500)
    assert told and told.reached == "the 5-hour limit is reached"


@pytest.mark.parametrize(
    "credits, reached",
    [
        ({"has": True, "unlimited": False, "balance": "12"}, ""),
        ({"has": False, "unlimited": True, "balance": ""}, ""),
        ({"has": False, "unlimited": False, "balance": "0"}, "the 5-hour limit is reached"),
        (None, "the 5-hour limit is reached"),
        ("odd", "the 5-hour limit is reached"),
    ],
)
def test_with_credits_it_goes_on_past_a_full_window(credits: Any, reached: str) -> None:
    usage = [{"window": "5-hour", "used_percent": 100, "minutes": 300}]
    told = seen_by_proxy(page(usage=usage, credits=credits), BACKEND, 500)
    assert told and told.reached == reached
    assert told.credits == (Credits(**credits) if isinstance(credits, dict) else None)


@pytest.mark.parametrize(
    "other, left",
    [
        (None, 500),
        ([], 500),
        ({"name": "another program"}, 500),
        (page(backend="https://elsewhere.example"), 500),
        (page(login={"state": "login_missing", "error": "x"}), 500),
        (page(login={"state": "ok", "expires_in_seconds": None}), 500),
        (page(login={"state": "ok", "expires_in_seconds": None}), None),
        (page(), None),
        (page(), 400),
        (page(usage=[]), 500),
        (page(usage=None), 500),
        (page(usage=[{"window": "weekly"}]), 500),
    ],
)
def test_what_is_not_of_this_login_is_not_taken(other: Any, left: float | None) -> None:
    assert seen_by_proxy(other, BACKEND, left) is None
