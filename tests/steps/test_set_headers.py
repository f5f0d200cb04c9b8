import pytest

from codex_proxy.front import routes
from codex_proxy.layers import wire
from codex_proxy.output.redact import HIDDEN
from codex_proxy.steps import exchanges
from codex_proxy.steps.set_headers import AGENT, SetHeaders
from codex_proxy.walk.exchange import Exchange

from .flows import asked, configured

pytestmark = pytest.mark.usefixtures("context")

CODEX = [("originator", "codex_cli_rs"), ("user-agent", "codex_cli_rs/0.169.0 (Linux)")]
LITE = ("x-openai-internal-codex-responses-lite", "true")
ROUTES = {**{route.name: route for route in routes.ROUTES.values()}, "catalogue": routes.CATALOGUE, "socket": routes.SOCKET}  # fmt: skip


def sent(*headers: tuple[str, str], route: str = "responses") -> tuple[dict[str, str], Exchange]:
    """The headers with which a client's request goes up, by names in lower case."""
    flow, exchange = asked(headers=headers, route=ROUTES[route])
    exchanges.keep_original_head(flow, exchange)
    SetHeaders().requestheaders(flow, exchange)
    fields = [(name.decode().lower(), value.decode("latin-1")) for name, value in flow.request.headers.fields]
    assert len(dict(fields)) == len(fields), "a header stands there twice"
    return dict(fields), exchange


@pytest.mark.parametrize(
    ("headers", "name", "value"),
    [
        ([("x-stainless-os", "Linux")], "x-stainless-os", None),
        ([("x-api-key", "theirs")], "x-api-key", None),
        ([("cookie", "theirs")], "cookie", None),
        ([("originator", "me")], "originator", "codex_vscode"),
        (CODEX, "originator", "codex_cli_rs"),
        (CODEX, "user-agent", "codex_cli_rs/0.169.0 (Linux)"),
        ([("user-agent", "curl/8")], "accept-encoding", "identity"),
        ([("accept-encoding", "gzip")], "accept-encoding", "identity"),
        ([("accept", "*/*")], "accept", "text/event-stream"),
        ([("session_id", "one"), ("session_id", "two")], "session_id", "one"),
        ([("openai-beta", "assistants=v2")], "openai-beta", "responses=experimental"),
        (CODEX, "openai-beta", None),
        ([LITE], LITE[0], None),
        ([*CODEX, LITE], LITE[0], "true"),
        ([("connection", "close")], "connection", "close"),
        ([("connection", "keep-alive")], "connection", None),
        ([], "host", "127.0.0.1:9"),
    ],
)
def test_what_goes_up_is_ours_and_what_may_pass(headers: list[tuple[str, str]], name: str, value: str | None) -> None:
    configured(codex_originator="codex_vscode")
    assert sent(*headers)[0].get(name) == value


@pytest.mark.parametrize(
    ("route", "accept"),
    [("responses", "text/event-stream"), ("chat", "text/event-stream"), ("compact", "application/json"), ("catalogue", "application/json"), ("socket", None)],
)  # fmt: skip
def test_it_is_said_what_answer_is_wanted(route: str, accept: str | None) -> None:
    assert sent(route=route)[0].get("accept") == accept


@pytest.mark.parametrize("route", ["about", "health", "models", "model"])
def test_of_what_is_answered_here_the_headers_stay(route: str) -> None:
    headers, exchange = sent(("x-stainless-os", "Linux"), route=route)
    assert headers["x-stainless-os"] == "Linux" and exchange.header_changes == []


@pytest.mark.parametrize(
    ("headers", "client", "session", "lite"),
    [
        ([], "", "", False),
        ([("user-agent", "curl/8")], "curl/8", "", False),
        ([("user-agent", "x" * 999)], "x" * AGENT, "", False),
        ([("x-session-id", "a")], "", "a", False),
        ([LITE], "", "", False),
        ([*CODEX, LITE, ("session-id", "b")], "codex_cli_rs/0.169.0 (Linux)", "b", True),
    ],
)
def test_what_the_client_says_of_itself_is_known(
    headers: list[tuple[str, str]], client: str, session: str, lite: bool
) -> None:
    _, exchange = sent(*headers)
    assert (exchange.client, exchange.session, exchange.lite) == (client, session, lite)


def test_the_hidden_headers_stay_and_a_client_can_not_say_them() -> None:
    flow, exchange = asked(headers=[("chatgpt-account-id", "theirs")], route=ROUTES["responses"])
    exchanges.keep_original_head(flow, exchange)
    wire.hide(flow, {"Authorization": "Bearer ours", "ChatGPT-Account-ID": "acc-1"}, lambda: True)
    SetHeaders().requestheaders(flow, exchange)
    assert flow.request.headers["authorization"] == flow.request.headers["chatgpt-account-id"] == HIDDEN
    written = bytes(flow.request.headers)
    assert b"Bearer ours" in written and b"acc-1" in written and b"theirs" not in written
