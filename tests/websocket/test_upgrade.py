import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.websocket import upgrade

KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
GOOD = {"upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": KEY}


@pytest.mark.parametrize(
    ("method", "header", "asked"),
    [
        ("GET", "websocket", True),
        ("GET", "WebSocket", True),
        ("GET", "h2c, websocket", True),
        ("GET", "h2c", False),
        ("GET", "", False),
        ("POST", "websocket", False),
    ],
)
def test_what_asks_for_a_websocket(method: str, header: str, asked: bool) -> None:
    assert upgrade.is_asked(method, {"upgrade": header}) is asked


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"sec-websocket-version": "8"}, 426),
        ({"sec-websocket-version": ""}, 426),
        ({"sec-websocket-key": ""}, 400),
        ({"sec-websocket-key": "c2hvcnQ="}, 400),
        ({"sec-websocket-key": "not base64"}, 400),
        ({"sec-websocket-key": "ünï"}, 400),
    ],
)
def test_what_mitmproxy_would_not_take_for_one_is_refused(changed: dict[str, str], status: int) -> None:
    upgrade.check(GOOD)
    with pytest.raises(ProxyError) as refused:
        upgrade.check(GOOD | changed)
    assert (refused.value.status, refused.value.code) == (status, "bad_upgrade")


@pytest.mark.parametrize(
    ("beta", "codex", "sent"),
    [
        ("", False, upgrade.BETA),
        ("responses=experimental", False, upgrade.BETA),
        ("responses=experimental", True, upgrade.BETA),
        ("responses_websockets=2027-01-01", True, "responses_websockets=2027-01-01"),
        ("responses_websockets=2027-01-01", False, upgrade.BETA),
    ],
)
def test_the_beta_is_the_one_the_backend_wants(beta: str, codex: bool, sent: str) -> None:
    assert upgrade.upward({**GOOD, "openai-beta": beta}, codex)["OpenAI-Beta"] == sent


@pytest.mark.parametrize(
    ("offered", "sent"),
    [
        ("", None),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits"),
        ("x-webkit-deflate-frame, permessage-deflate", "permessage-deflate"),
        ("bbf-usp-protocol", None),
    ],
)
def test_only_the_extension_that_mitmproxy_knows_is_offered(offered: str, sent: str | None) -> None:
    headers = upgrade.upward({**GOOD, "sec-websocket-extensions": offered, "sec-websocket-protocol": "x"}, False)
    assert headers.get("Sec-WebSocket-Extensions") == sent
    assert "Sec-WebSocket-Protocol" not in headers
    assert headers["Sec-WebSocket-Key"] == KEY
