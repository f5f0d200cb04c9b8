import base64

import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.steps.route import Route

from .flows import asked, configured

pytestmark = pytest.mark.usefixtures("context")

BASE = "/backend-api/codex"


@pytest.mark.parametrize(
    ("method", "path", "name", "goes_to"),
    [
        ("POST", "/v1/responses", "responses", f"{BASE}/responses"),
        ("POST", "/responses", "responses", f"{BASE}/responses"),
        ("POST", "/v1/responses/?key=x", "responses", f"{BASE}/responses"),
        ("POST", f"{BASE}/responses", "responses", f"{BASE}/responses"),
        ("POST", "/v1/responses/compact", "compact", f"{BASE}/responses/compact"),
        ("POST", "/v1/chat/completions", "chat", f"{BASE}/responses"),
        ("GET", "/v1/models?client_version=1.0&key=x", "catalogue", f"{BASE}/models?client_version=1.0"),
        ("GET", "/v1/models", "models", "/v1/models"),
        ("GET", "/v1/models/gpt-6-sol", "model", "/v1/models/gpt-6-sol"),
        ("GET", "/", "about", "/"),
        ("GET", "/healthz", "health", "/healthz"),
    ],
)
def test_a_path_of_a_client_is_one_of_the_backend(method: str, path: str, name: str, goes_to: str) -> None:
    flow, exchange = asked(method, path)
    Route().requestheaders(flow, exchange)
    assert (exchange.route.name, flow.request.path) == (name, goes_to)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "unknown_path"),
        ("POST", "/v1/v1/responses", 404, "unknown_path"),
        ("GET", "/v1/responses/resp_1", 404, "unknown_path"),
        ("GET", "/v1/responses", 405, "wrong_method"),
        ("POST", "/v1/models", 405, "wrong_method"),
        ("DELETE", "/", 405, "wrong_method"),
    ],
)
def test_any_other_path_is_refused_and_leads_nowhere(method: str, path: str, status: int, code: str) -> None:
    flow, exchange = asked(method, path)
    with pytest.raises(ProxyError) as refused:
        Route().requestheaders(flow, exchange)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert flow.request.path == path and not exchange.route.goes_up


UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64.b64encode(b"16 bytes of it: ").decode(),
}


@pytest.mark.parametrize(
    ("changed", "options", "refused"),
    [
        ({}, {}, None),
        ({"upgrade": "WebSocket"}, {}, None),
        ({"upgrade": "h2c"}, {}, (405, "wrong_method")),
        ({"sec-websocket-version": "8"}, {}, (426, "bad_upgrade")),
        ({"sec-websocket-key": "short"}, {}, (400, "bad_upgrade")),
        ({}, {"codex_dry_run": True}, (426, "use_http")),
        ({}, {"codex_capture": "captures"}, (426, "use_http")),
    ],
)
def test_a_websocket_is_let_through_where_messages_can_be_seen(
    changed: dict[str, str], options: dict[str, object], refused: tuple[int, str] | None
) -> None:
    flow, exchange = asked("GET", "/v1/responses", headers=[*{**UPGRADE, **changed}.items()])
    configured(**options)
    if refused is None:
        Route().requestheaders(flow, exchange)
        assert (exchange.route.name, flow.request.path) == ("socket", f"{BASE}/responses")
        return
    with pytest.raises(ProxyError) as told:
        Route().requestheaders(flow, exchange)
    assert (told.value.status, told.value.code) == refused and not exchange.route.goes_up
