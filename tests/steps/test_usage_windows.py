"""What is left, as told by answers one after the other."""

from pathlib import Path

from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.backend import usage_windows
from codex_proxy.steps.login import Login
from codex_proxy.steps.usage_windows import UsageWindows
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
