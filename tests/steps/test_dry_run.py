from typing import Any

import msgspec
import pytest

from codex_proxy.chat.dialect import ChatTranslation
from codex_proxy.chat.request import Chat
from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.steps.dry_run import DryRun
from codex_proxy.steps.memory import Memory

from .flows import asked, configured

pytestmark = pytest.mark.usefixtures("context")

BODY = {"model": "gpt-6-sol", "input": [{"type": "message", "role": "user", "content": "Hi"}]}
RESPONSES, CHAT = routes.ROUTES["/responses"], routes.ROUTES["/chat/completions"]
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(
    ("route", "stream", "kind", "has"),
    [
        (RESPONSES, True, "text/event-stream", b"response.completed"),
        (RESPONSES, False, "application/json", b'"object":"response"'),
        (CHAT, True, "text/event-stream", b"data: [DONE]"),
        (CHAT, False, "application/json", b'"chat.completion"'),
    ],
)
def test_a_turn_gets_a_canned_answer(route: routes.Route, stream: bool, kind: str, has: bytes) -> None:
    configured(codex_dry_run=True)
    flow, exchange = asked(
        body=BODY, route=route, stream=stream, translation=ChatTranslation(Chat()) if route is CHAT else None
    )
    DryRun(Memory()).request(flow, exchange)
    assert flow.response and flow.response.headers["content-type"].startswith(kind)
    assert has in (flow.response.raw_content or b"") and exchange.notes == ["dry run"]
    assert flow.response.headers["x-request-id"].startswith("dry_")


@pytest.mark.parametrize("tools, calls", [([], False), ([TOOL], True)])
def test_a_client_with_tools_gets_a_call_of_one(tools: list[Any], calls: bool) -> None:
    configured(codex_dry_run=True)
    flow, exchange = asked(body={**BODY, "tools": tools}, route=RESPONSES)
    DryRun(Memory()).request(flow, exchange)
    assert flow.response
    answer = msgspec.json.decode(flow.response.raw_content or b"")
    assert ("function_call" in [item["type"] for item in answer["output"]]) is calls


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models?client_version=1", "/v1/models/gpt-6-sol"])
def test_models_are_listed_without_a_backend(path: str) -> None:
    configured(codex_dry_run=True)
    flow, exchange = asked("GET", path, route=routes.find("GET", path))
    DryRun(Memory()).request(flow, exchange)
    assert flow.response and b"gpt-6-sol" in (flow.response.raw_content or b"")


@pytest.mark.parametrize("route", [routes.ROUTES["/responses/compact"], routes.SOCKET])
def test_what_has_no_canned_answer_is_refused(route: routes.Route) -> None:
    configured(codex_dry_run=True)
    flow, exchange = asked(body=BODY, route=route)
    with pytest.raises(ProxyError) as refused:
        DryRun(Memory()).request(flow, exchange)
    assert refused.value.code == "not_in_dry_run"


@pytest.mark.parametrize("route", [RESPONSES, routes.CATALOGUE, routes.ROUTES["/responses/compact"]])
def test_without_the_option_everything_goes_on(route: routes.Route) -> None:
    flow, exchange = asked(body=BODY, route=route)
    DryRun(Memory()).request(flow, exchange)
    assert flow.response is None and exchange.notes == []


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_client_can_follow_upon_a_canned_answer(is_kept: bool) -> None:
    configured(codex_dry_run=True)
    flow, exchange = asked(body=BODY, route=RESPONSES, asked=[] if is_kept else None, caller="one")
    step = DryRun(memory := Memory())
    step.request(flow, exchange)
    assert flow.response
    name = msgspec.json.decode(flow.response.raw_content or b"")["id"]
    assert (memory.store.conversation("one", name) is not None) is is_kept
