import pytest
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow

from codex_proxy.layers import ours

CHATGPT = "https://chatgpt.com/backend-api/codex"


@pytest.mark.parametrize(
    ("mode", "upstream", "is_ours"),
    [
        ("reverse:https://chatgpt.com@127.0.0.1:9090", CHATGPT, True),
        ("reverse:https://chatgpt.com", CHATGPT, True),
        ("reverse:http://chatgpt.com@9090", CHATGPT, True),
        ("reverse:https://chatgpt.com@9090", "http://127.0.0.1:9/x", True),
        ("reverse:http://127.0.0.1:9@9090", "http://127.0.0.1:9/x", True),
        ("reverse:http://127.0.0.1:10@9090", "http://127.0.0.1:9/x", False),
        ("reverse:https://a.example@9090", CHATGPT, False),
        ("reverse:https://chatgpt.com.evil.example@9090", CHATGPT, False),
        ("reverse:tcp://chatgpt.com:443@9090", CHATGPT, False),
        ("reverse:dns://chatgpt.com@9090", CHATGPT, False),
        ("regular@9090", CHATGPT, False),
        ("socks5@9090", CHATGPT, False),
    ],
)
@pytest.mark.parametrize("live", [True, False])
def test_a_flow_is_ours_by_the_listener_it_came_to(
    context: taddons.context, mode: str, upstream: str, is_ours: bool, live: bool
) -> None:
    context.options.codex_upstream = upstream
    flow = tflow.tflow()
    flow.client_conn.proxy_mode = ProxyMode.parse(mode)
    flow.live = live
    assert ours.is_our_client(flow.client_conn) is is_ours
    # One that was loaded from a file is nobody's.
    assert ours.is_ours(flow) is (is_ours and live)


@pytest.mark.parametrize(
    ("upstream", "to"),
    [
        (CHATGPT, ("https", "chatgpt.com", 443, "/backend-api/codex")),
        ("https://a.example:8443/", ("https", "a.example", 8443, "")),
        ("http://localhost:9/x/", ("http", "localhost", 9, "/x")),
    ],
)
def test_the_backend_is_the_options(context: taddons.context, upstream: str, to: tuple[object, ...]) -> None:
    context.options.codex_upstream = upstream
    assert ours.backend() == to


@pytest.mark.parametrize("value", [True, False])
def test_a_dry_run_is_an_option(context: taddons.context, value: bool) -> None:
    context.options.codex_dry_run = value
    assert ours.is_dry_run() is value
