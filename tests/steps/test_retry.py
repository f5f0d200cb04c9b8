"""What is sent once more, and what is not: in front of the stand-in, which is asked over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mitmproxy import connection, http
from mitmproxy import flow as mitmproxy_flow

from codex_proxy.account.tokens import fingerprint
from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.steps.compaction import Compaction
from codex_proxy.steps.login import Login
from codex_proxy.steps.patching import Patching
from codex_proxy.steps.retry import Retry, may_retry, was_stale
from codex_proxy.steps.timeouts import Timeouts
from codex_proxy.walk.exchange import Exchange
from standin import Standin

from .flows import asked, configure, configured, finished

pytestmark = pytest.mark.usefixtures("context")

BODY: dict[str, Any] = {
    "model": "gpt-6-sol",
    "instructions": "",
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    "store": False,
    "stream": True,
}
SEALED = {"type": "reasoning", "summary": [], "encrypted_content": "of another account"}
EXPIRED = b'{"error":{"code":"token_expired","message":"The token has expired."}}'
REGION = b'{"error":{"message":"Your workspace is not authorized in this region."}}'
ENCRYPTED = b'{"error":{"code":"invalid_encrypted_content","message":"encrypted content could not be verified"}}'
CLOSED = "server closed connection"


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin() as server:
        yield server


@pytest.fixture
def login(standin: Standin, tmp_path: Path) -> Login:
    (tmp_path / "auth.json").write_bytes(msgspec.json.encode(standin.login()))
    configured(codex_issuer=standin.issuer)
    configure(made := Login(), codex_auth_file=str(tmp_path / "auth.json"), codex_upstream=standin.upstream)
    return made


@pytest.fixture
def retry(login: Login) -> Retry:
    return Retry(login, Patching(), Timeouts(), Compaction(Patching()))


async def sent(login: Login, body: Any = BODY, **known: Any) -> tuple[http.HTTPFlow, Exchange]:
    """A request that went up with the login's token."""
    tokens = await login.store.fresh()
    known = {"sent_at": 1.0, "token": fingerprint(tokens.access_token), "token_was_sent": True, **known}
    known.setdefault("route", routes.ROUTES["/responses"])
    flow, exchange = asked("POST", "/backend-api/codex/responses", body, **known)
    headers = {"originator": "codex_cli_rs", "user-agent": "codex_cli_rs/0.169.0", "content-type": "application/json"}
    flow.request.headers = http.Headers([(k.encode(), v.encode()) for k, v in headers.items()])
    return flow, exchange


@pytest.mark.parametrize(
    ("status", "body", "known", "renewals", "asked_again"),
    [
        (401, EXPIRED, {}, 1, 1),
        (401, EXPIRED, {"token_was_sent": False}, 0, 0),
        (401, EXPIRED, {"retried": True}, 0, 0),
        (401, EXPIRED, {"refused": "proxy_failed"}, 0, 0),
        (401, EXPIRED, {"gave_up": "idle"}, 0, 0),
        (401, EXPIRED, {"sent_at": None}, 0, 0),
        (401, REGION, {}, 0, 0),
        (403, EXPIRED, {}, 0, 0),
        (400, EXPIRED, {}, 0, 0),
        (200, b"", {}, 0, 0),
    ],
)
async def test_after_a_refused_token_it_is_sent_once_more(
    standin: Standin,
    login: Login,
    retry: Retry,
    status: int,
    body: bytes,
    known: dict[str, Any],
    renewals: int,
    asked_again: int,
) -> None:
    flow, exchange = await sent(login, **known)
    flow.response = http.Response.make(status, body)
    await finished(retry.response(flow, exchange))
    assert (len(standin.refresh_calls), len(standin.requests)) == (renewals, asked_again)
    assert flow.response.status_code == (200 if asked_again else status)
    if asked_again:
        assert b"response.completed" in (flow.response.raw_content or b"") and exchange.retried
        assert retry.response(flow, exchange) is None


@pytest.mark.parametrize("coding", ["", "zstd"])
@pytest.mark.parametrize(
    ("items", "refusal", "asked_again"),
    [
        ([SEALED, *BODY["input"]], ENCRYPTED, 1),
        (BODY["input"], ENCRYPTED, 0),
        ([SEALED, *BODY["input"]], b'{"error":{"code":"other","message":"encrypted"}}', 0),
    ],
)
async def test_reasoning_of_another_account_is_left_out(
    standin: Standin, login: Login, retry: Retry, items: list[Any], refusal: bytes, asked_again: int, coding: str
) -> None:
    flow, exchange = await sent(login, {**BODY, "input": items})
    if coding:
        flow.request.headers["content-encoding"] = coding
        flow.request.content = msgspec.json.encode({**BODY, "input": items})
    flow.response = http.Response.make(400, refusal)
    assert await finished(retry.response(flow, exchange))
    assert [seen.refusal for seen in standin.requests] == [None] * asked_again
    assert flow.response.status_code == (200 if asked_again else 400)
    assert b"of another account" not in (flow.request.content or b"") or not asked_again


@pytest.mark.parametrize(
    ("opened", "message", "route", "answered", "again"),
    [
        (1.0, CLOSED, "/responses", False, True),
        (3.0, CLOSED, "/responses", False, False),
        (None, CLOSED, "/responses", False, False),
        (1.0, "connection refused", "/responses", False, False),
        (1.0, CLOSED, "/responses", True, False),
        (1.0, CLOSED, "socket", False, False),
    ],
)
async def test_after_a_kept_connection_was_closed_it_is_sent_on_a_fresh_one(
    standin: Standin,
    login: Login,
    retry: Retry,
    opened: float | None,
    message: str,
    route: str,
    answered: bool,
    again: bool,
) -> None:
    flow, exchange = await sent(login, route=routes.SOCKET if route == "socket" else routes.ROUTES[route])
    flow.server_conn.timestamp_start, flow.request.timestamp_start = opened, 2.0
    flow.error = mitmproxy_flow.Error(message)
    flow.response = http.Response.make(200) if answered else None
    assert bool(was_stale(flow)) is (message == CLOSED and opened == 1.0)
    await finished(retry.error(flow, exchange))
    assert len(standin.requests) == int(again)
    assert not again or (flow.response and flow.response.status_code == 200)


GONE = b'{"detail":"Not Found"}'


@pytest.mark.parametrize(
    ("status", "body", "failures", "paths", "ends"),
    [
        (404, GONE, [], ["responses"], 200),
        # What is sent again may be refused for another reason; each is answered once.
        (401, EXPIRED, ["no-compact"], ["compact", "responses"], 200),
        (404, GONE, ["sealed"], ["responses", "responses"], 200),
        (404, GONE, ["unauthorized"], ["responses", "responses"], 200),
        (401, EXPIRED, ["no-compact", "unauthorized"], ["compact", "responses"], 401),
        (404, GONE, ["not-found"], ["responses"], 404),
        (404, GONE, ["usage-limit"], ["responses"], 429),
    ],
)
async def test_a_compaction_whose_endpoint_is_gone_is_asked_by_a_turn(
    standin: Standin,
    login: Login,
    retry: Retry,
    status: int,
    body: bytes,
    failures: list[str],
    paths: list[str],
    ends: int,
) -> None:
    items = [SEALED, *BODY["input"]] if "sealed" in failures else BODY["input"]
    compact = {"model": "gpt-6-sol", "input": items, "parallel_tool_calls": True}
    flow, exchange = await sent(login, compact, route=routes.ROUTES["/responses/compact"])
    flow.request.path = "/backend-api/codex/responses/compact"
    flow.response = http.Response.make(status, body)
    standin.fail(*(failure for failure in failures if failure != "sealed"))
    await finished(retry.response(flow, exchange))
    assert [seen.path.rpartition("/")[2] for seen in standin.requests] == paths
    assert flow.response.status_code == ends and retry.compaction.is_gone
    assert ends != 200 or b'"compaction"' in (flow.response.raw_content or b"")


async def test_an_upgrade_is_to_be_asked_for_again_by_its_client(standin: Standin, login: Login, retry: Retry) -> None:
    flow, exchange = await sent(login, route=routes.SOCKET)
    flow.response = http.Response.make(401, EXPIRED)
    with pytest.raises(ProxyError) as told:
        await finished(retry.response(flow, exchange))
    assert (told.value.code, told.value.headers["retry-after"]) == ("token_replaced", "0")
    assert len(standin.refresh_calls) == 1 and standin.requests == []


@pytest.mark.parametrize(
    ("failure", "code"), [("reset-before-answer", "backend_closed"), ("slow-start:60", "client_gone")]
)
async def test_a_second_try_that_fails_is_told_of(
    standin: Standin, login: Login, retry: Retry, failure: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_proxy.steps.retry.LOOK_EVERY", 0.02)
    flow, exchange = await sent(login)
    flow.response = http.Response.make(401, EXPIRED)
    standin.fail(failure)
    if code == "client_gone":
        flow.client_conn.state = connection.ConnectionState.CLOSED
    with pytest.raises(ProxyError) as told:
        await finished(retry.response(flow, exchange))
    assert told.value.code == code


@pytest.mark.parametrize(
    ("known", "may"),
    [
        ({"sent_at": 1.0}, True),
        ({}, False),
        ({"sent_at": 1.0, "refused": "x"}, False),
        ({"sent_at": 1.0, "retried": True}, False),
        ({"sent_at": 1.0, "gave_up": "idle"}, False),
        ({"sent_at": 0.0}, True),
    ],
)
def test_once_and_only_what_went_up_is_sent_again(known: dict[str, Any], may: bool) -> None:
    assert may_retry(Exchange(**known)) is may
