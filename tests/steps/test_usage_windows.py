"""What is left, as told by answers one after the other."""

import json
import time
from pathlib import Path

import pytest
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.backend import usage_windows
from codex_proxy.steps.login import Login
from codex_proxy.steps.usage_windows import UsageWindows, login_line
from codex_proxy.walk.exchange import Exchange


def test_two_windows_without_a_length_are_two(tmp_path: Path) -> None:
    exchange = Exchange()
    with taddons.context(Options(), login := Login()) as context:
        windows = UsageWindows(login)
        context.configure(login, codex_auth_file=str(tmp_path / "auth.json"))
        for used in ("3", "4"):
            told = {"x-codex-primary-used-percent": used, "x-codex-secondary-used-percent": f"1{used}"}
            windows.take(exchange, usage_windows.windows(told))
        assert [one.used_percent for one in windows.page()] == [4, 14]
        event = (
            b'{"type":"codex.rate_limits","rate_limits":{"primary":{"used_percent":5},"secondary":{"used_percent":15}}}'
        )
        windows.take(exchange, usage_windows.windows_in(event))
        assert [(one.window, one.used_percent) for one in windows.page()] == [("usage", 5), ("usage", 15)]


@pytest.mark.parametrize(
    ("ends_in", "refresh", "said"),
    [
        (7200, "r", "token ok, 2 h 0 min left."),
        (-10, "r", "token expired, will be renewed with the next request."),
        (None, "r", "token ok."),
    ],
)
def test_only_of_a_token_that_lives_the_time_left_is_told(
    ends_in: float | None, refresh: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "auth.json"
    ends = {} if ends_in is None else {"expires_at": time.time() + ends_in}
    path.write_text(json.dumps({"access_token": "made-up", "refresh_token": refresh, **ends}))
    with taddons.context(Options(), login := Login()) as context:
        context.configure(login, codex_auth_file=str(path))
        assert login_line(login.store) == (True, f"Login from {path}: {said}")
