from typing import Any

import msgspec
import pytest
import zstandard
from mitmproxy import http

from codex_proxy.front import routes
from codex_proxy.steps.compaction import Compaction
from codex_proxy.steps.patching import Patching
from codex_proxy.walk.exchange import Exchange

from .flows import asked, configure, configured, finished

pytestmark = pytest.mark.usefixtures("context")

COMPACT, RESPONSES = routes.ROUTES["/responses/compact"], routes.ROUTES["/responses"]
BODY: dict[str, Any] = {"model": "gpt-6-sol", "input": [{"type": "message", "role": "user", "content": "x"}]}
GONE = b'{"detail":"Not Found"}'


def step(patch: str = "full") -> Compaction:
    configured(codex_upstream="https://localhost/backend-api/codex")
    configure(patching := Patching(), codex_patch=patch)
    return Compaction(patching)


def sent(route: routes.Route = COMPACT, coding: str = "") -> tuple[http.HTTPFlow, Exchange]:
    flow, exchange = asked("POST", "/backend-api/codex/responses/compact", BODY, route=route, stream=True)
    if coding:
        flow.request.headers["content-encoding"] = coding
        flow.request.raw_content = zstandard.compress(msgspec.json.encode(BODY))
    return flow, exchange


@pytest.mark.parametrize("coding", ["", "zstd"])
async def test_a_request_becomes_a_turn_once_the_endpoint_is_gone(coding: str) -> None:
    compaction = step()
    flow, exchange = sent(coding=coding)
    await finished(compaction.request(flow, exchange))
    assert (flow.request.path, exchange.route) == ("/backend-api/codex/responses/compact", COMPACT)

    assert compaction.is_answer_to(exchange, 404, GONE) and compaction.is_gone
    await finished(compaction.request(flow, exchange))
    assert (flow.request.path, exchange.route) == ("/backend-api/codex/responses", routes.COMPACT_BY_TURN)
    assert flow.request.headers["accept"] == "text/event-stream" and "content-encoding" not in flow.request.headers
    body = msgspec.json.decode(flow.request.raw_content or b"")
    assert body["input"][-1] == {"type": "compaction_trigger"} and body["stream"] is True
    assert not exchange.stream and exchange.translation and [change.field for change in exchange.changes] == ["input"]
    # Which is done once.
    assert not compaction.is_answer_to(exchange, 404, GONE)


@pytest.mark.parametrize(("patch", "route"), [("store", COMPACT), ("full", RESPONSES)])
async def test_nothing_else_is_made_a_turn(patch: str, route: routes.Route) -> None:
    compaction = step(patch)
    compaction.is_gone = True
    flow, exchange = sent(route)
    await finished(compaction.request(flow, exchange))
    assert exchange.route is route and not compaction.is_answer_to(exchange, 404, GONE)


@pytest.mark.parametrize(
    ("option", "forgotten"), [("codex_upstream", True), ("codex_auth_file", True), ("codex_patch", False)]
)
def test_another_backend_or_login_is_asked_anew(option: str, forgotten: bool) -> None:
    compaction = step()
    compaction.is_gone = True
    compaction.configure({option})
    assert compaction.is_gone is not forgotten
