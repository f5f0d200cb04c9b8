import json
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.backend.usage_windows import (
    Credits,
    Window,
    credits,
    length_name,
    limit_message,
    local_time,
    span,
    windows,
    windows_in,
)

from ..properties import examples

# A Tuesday, 12:00 in Oslo.
NOON = 1_795_518_000.0


@pytest.fixture(autouse=True)
def oslo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "minutes, name",
    [
        (300, "5-hour"),
        (10080, "weekly"),
        (1440, "daily"),
        (43200, "30-day"),
        (20160, "14-day"),
        (60, "1-hour"),
        (90, "90-minute"),
        (1, "1-minute"),
    ],
)
def test_a_window_is_named_by_its_length(minutes: int, name: str) -> None:
    assert length_name(minutes) == name
    assert Window(1.0, minutes, None).name == name


def test_a_window_of_a_family_of_its_own_says_so() -> None:
    assert Window(1.0, 300, None, "Spark").name == "Spark 5-hour"


def test_a_window_without_a_length_has_no_name_of_its_own() -> None:
    assert Window(1.0, None, None).name == "usage"


PRIMARY = {
    "x-codex-primary-used-percent": "12.5",
    "x-codex-primary-window-minutes": "300",
    "x-codex-primary-reset-at": "1795518600",
}
SECONDARY = {
    "x-codex-secondary-used-percent": "100",
    "x-codex-secondary-window-minutes": "10080",
    "x-codex-secondary-reset-at": "1795600000",
}


@pytest.mark.parametrize(
    "headers, found",
    [
        ({}, []),
        ({"content-type": "application/json"}, []),
        (PRIMARY, [Window(12.5, 300, 1795518600.0)]),
        (PRIMARY | SECONDARY, [Window(12.5, 300, 1795518600.0), Window(100.0, 10080, 1795600000.0)]),
        ({"x-codex-bengalfox-primary-used-percent": "3"}, [Window(3.0, None, None, "bengalfox", "primary")]),
        ({"x-codex-bengalfox-primary-used-percent": "3", "x-codex-bengalfox-limit-name": "Spark"}, [Window(3.0, None, None, "Spark", "primary")]),
        ({"x-codex-limit-name": "Codex", "x-codex-primary-used-percent": "3"}, [Window(3.0, None, None, "", "primary")]),
        ({"x-other-primary-used-percent": "3"}, [Window(3.0, None, None, "other", "primary")]),
        ({"x-codex-primary-used-percent": "0"}, []),
        ({"x-codex-primary-used-percent": "0", "x-codex-primary-window-minutes": "300"}, [Window(0.0, 300, None)]),
        ({"x-codex-primary-used-percent": "0", "x-codex-primary-reset-at": "1795518600"}, [Window(0.0, None, 1795518600.0, "", "primary")]),
        ({"x-used-percent": "3"}, []),
        ({"x-codex-primary-used-percent": "3", "x-codex-primary-window-minutes": "", "x-codex-primary-reset-at": "soon"}, [Window(3.0, None, None, "", "primary")]),
        ({"x-codex-primary-used-percent": ""}, []),
        ({"x-codex-primary-used-percent": "nan", "x-codex-secondary-used-percent": "inf"}, []),
        ({"x-codex-primary-over-secondary-limit-percent": "3"}, []),
    ],
)  # fmt: skip
def test_windows_are_read_from_the_headers(headers: dict[str, str], found: list[Window]) -> None:
    assert windows(headers) == found


@pytest.mark.parametrize(
    "error, headers, message, left",
    [
        ({}, {}, "The usage limit is reached; when it resets is not known.", None),
        ({"resets_at": NOON + 2220}, {}, "The usage limit is reached. It resets at 12:37 (37 minutes from now).", 2220),
        ({"resets_in_seconds": 2220}, {}, "The usage limit is reached. It resets at 12:37 (37 minutes from now).", 2220),
        ({"resets_at": NOON + 60, "resets_in_seconds": 9}, {}, "The usage limit is reached. It resets at 12:01 (1 minute from now).", 60),
        ({"resets_at": str(NOON + 60)}, {}, "The usage limit is reached. It resets at 12:01 (1 minute from now).", 60),
        ({"plan_type": "plus", "resets_at": NOON + 12000}, {}, "The usage limit of the plan plus is reached. It resets at 15:20 (3 h 20 min from now).", 12000),
        ({"resets_at": NOON + 43200}, {}, "The usage limit is reached. It resets on Wed 25 Nov at 00:00 (12 h 0 min from now).", 43200),
        ({"resets_at": NOON - 60}, {}, "The usage limit is reached. It resets at 11:59 (0 minutes from now).", 0),
        ({}, SECONDARY, "The weekly limit is reached. It resets on Wed 25 Nov at 10:46 (22 h 47 min from now).", 82000),
        ({}, PRIMARY | SECONDARY, "The weekly limit is reached. It resets on Wed 25 Nov at 10:46 (22 h 47 min from now).", 82000),
        ({"resets_at": 1795518600}, PRIMARY | SECONDARY, "The 5-hour limit is reached. It resets at 12:10 (10 minutes from now).", 600),
        ({"resets_at": 1795518700}, PRIMARY | SECONDARY, "The 5-hour limit is reached. It resets at 12:11 (12 minutes from now).", 700),
        ({"resets_at": 1795519000}, PRIMARY | SECONDARY, "The weekly limit is reached. It resets at 12:16 (17 minutes from now).", 1000),
        ({}, PRIMARY, "The 5-hour limit is reached. It resets at 12:10 (10 minutes from now).", 600),
        ({}, {"x-codex-primary-used-percent": "100"}, "The usage limit is reached; when it resets is not known.", None),
        ({"resets_at": "soon", "resets_in_seconds": None}, {}, "The usage limit is reached; when it resets is not known.", None),
        ({"resets_at": 1e30}, {}, "The usage limit is reached; when it resets is not known.", None),
        ({"resets_at": math.nan}, {}, "The usage limit is reached; when it resets is not known.", None),
    ],
)  # fmt: skip
def test_a_limit_is_told_with_its_window_and_the_time_it_ends(
    error: dict[str, Any], headers: dict[str, str], message: str, left: int | None
) -> None:
    assert limit_message(error, headers, NOON) == (message, left)


def test_the_window_goes_by_its_length_and_not_by_its_slot() -> None:
    swapped = {name.replace("secondary", "primary"): value for name, value in SECONDARY.items()}
    assert limit_message({}, swapped, NOON)[0].startswith("The weekly limit")


@pytest.mark.parametrize(
    "instant, text",
    [
        (NOON, "at 12:00"),
        (NOON + 11 * 3600 + 3599, "at 23:59"),
        (NOON + 12 * 3600, "on Wed 25 Nov at 00:00"),
        (NOON - 13 * 3600, "on Mon 23 Nov at 23:00"),
        (NOON + 365 * 86400, "on Wed 24 Nov at 12:00"),
    ],
)
def test_a_time_is_local_with_its_day_where_it_is_not_today(instant: float, text: str) -> None:
    assert local_time(instant, NOON) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 minutes"),
        (1, "1 minute"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (119 * 60, "119 minutes"),
        (119 * 60 + 1, "2 h 0 min"),
        (12000, "3 h 20 min"),
        (2880 * 60 - 60, "47 h 59 min"),
        (2880 * 60, "2 days"),
        (604800, "7 days"),
        (7 * 86400 + 5 * 3600, "7 days 5 h"),
    ],
)
def test_a_span_is_told_in_whole_minutes_rounded_up(seconds: int, text: str) -> None:
    assert span(seconds) == text


NUMBERS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.booleans(), st.just([]))


@given(
    st.dictionaries(st.sampled_from(["resets_at", "resets_in_seconds", "plan_type"]), NUMBERS),
    st.dictionaries(st.sampled_from([*PRIMARY, *SECONDARY]), st.floats().map(str) | st.text(max_size=5)),
)
@examples(300)
def test_no_numbers_make_the_message_fail(error: dict[str, Any], headers: dict[str, str]) -> None:
    message, left = limit_message(error, headers, NOON)
    assert message.startswith("The ") and message.endswith(".")
    assert left is None or left >= 0


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"x-codex-credits-balance": "5"}, None),
        ({"x-codex-credits-has-credits": "False", "x-codex-credits-unlimited": "False"}, Credits(False, False, "")),
        ({"x-codex-credits-has-credits": "TRUE", "x-codex-credits-balance": "12.50"}, Credits(True, False, "12.50")),
        ({"x-codex-credits-unlimited": "1"}, Credits(False, True, "")),
    ],
)
def test_credits_are_read_off_the_headers(headers: dict[str, str], told: Credits | None) -> None:
    assert credits(headers) == told


def test_windows_come_in_events_of_a_websocket_too() -> None:
    limits = {"primary": {"used_percent": 12.5, "window_minutes": 300, "reset_at": 1000}, "secondary": None}
    event = {"type": "codex.rate_limits", "plan_type": "plus", "rate_limits": limits}
    told = json.dumps(event).encode()
    assert windows_in(told) == [Window(12.5, 300, 1000.0)]
    assert windows_in(json.dumps({**event, "metered_limit_name": "codex_bengalfox"}).encode())[0].limit == "bengalfox"
    headers = {"X-Codex-Primary-Used-Percent": "100", "x-codex-primary-window-minutes": "300"}
    error = {"type": "error", "status": 429, "error": {}, "headers": headers}
    assert windows_in(json.dumps(error).encode()) == [Window(100, 300, None)]


@pytest.mark.parametrize(
    "event",
    [
        b'{"type":"response.output_text.delta","delta":"codex.rate_limits"}',
        b'{"type":"codex.rate_limits"}',
        b'{"type":"codex.rate_limits","rate_limits":{"primary":{"used_percent":"x"}}}',
        b'{"type":"codex.rate_limits","rate_limits":[]}',
        b'{"type":"error","headers":["x"]}',
        b'"codex.rate_limits"',
        b'{"codex.rate_limits": \xff',
    ],
)
def test_other_events_tell_of_no_windows(event: bytes) -> None:
    assert windows_in(event) == []
