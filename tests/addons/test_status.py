"""What is left, as told by answers one after the other."""

from pathlib import Path

from mitmproxy.test import taddons, tflow

from codex_proxy.account import usage
from codex_proxy.addons.put_token import PutToken
from codex_proxy.addons.status import Status


def test_two_windows_without_a_length_are_two(tmp_path: Path) -> None:
    status, put_token, flow = Status(), PutToken(), tflow.tflow()
    flow.metadata["codex"] = {}
    with taddons.context(put_token, loadcore=False) as context:
        context.configure(put_token, codex_auth_file=str(tmp_path / "auth.json"))
        for used in ("3", "4"):
            told = {"x-codex-primary-used-percent": used, "x-codex-secondary-used-percent": f"1{used}"}
            status.take(flow, usage.windows(told))
        assert [one["used_percent"] for one in status.page()] == [4, 14]
        event = (
            b'{"type":"codex.rate_limits","rate_limits":{"primary":{"used_percent":5},"secondary":{"used_percent":15}}}'
        )
        status.take(flow, usage.windows_in(event))
        assert [(one["window"], one["used_percent"]) for one in status.page()] == [("usage", 5), ("usage", 15)]
