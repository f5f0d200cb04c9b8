import gzip
from typing import Any

import msgspec
import pytest
from mitmproxy import flow as mitmproxy_flow
from mitmproxy import http

from codex_proxy.chat.dialect import ChatTranslation
from codex_proxy.chat.request import Chat
from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.steps.answer import Answer, failure_of, is_events
from codex_proxy.steps.event_stream import EventStream
from codex_proxy.steps.login import Login
from codex_proxy.steps.memory import Memory
from codex_proxy.steps.models import Models
from codex_proxy.walk.exchange import Exchange

from .events import BEGUN, CREATED, DELTA, FAILED, TURN, item
from .flows import asked, configure

EVENTS = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}


@pytest.fixture
def answer(login: Login) -> Answer:
    configure(models := Models(login), codex_client_version="0.169.0")
    return Answer(Memory(), models, login)


def sent(route: str = "/responses", **known: Any) -> tuple[http.HTTPFlow, Exchange]:
    """A request that went up."""
    known = {"sent_at": 1.0, "sent_model": "gpt-6-sol", **known}
    return asked("POST", "/v1" + route, route=routes.CATALOGUE if route == "/models" else routes.ROUTES[route], **known)


async def answered(
    step: Answer, flow: http.HTTPFlow, exchange: Exchange, status: int, body: bytes, headers: dict[str, str]
) -> bytes:
    """What the client gets of an answer."""
    flow.response = http.Response.make(status)
    flow.response.headers = http.Headers([(name.encode(), value.encode()) for name, value in headers.items()])
    step.responseheaders(flow, exchange)
    if callable(flow.response.stream):
        given = [*flow.response.stream(body), *flow.response.stream(b"")]
        assert all(isinstance(piece, bytes) for piece in given)
        await step.response(flow, exchange)
        return b"".join(given)
    flow.response.raw_content = body
    await step.response(flow, exchange)
    return flow.response.raw_content or b""


def code_of(body: bytes) -> Any:
    return msgspec.json.decode(body)["error"]["code"]


@pytest.mark.parametrize(
    ("status", "kind", "route", "events"),
    [
        (200, "text/event-stream", "/responses", True),
        (200, "text/event-stream; charset=utf-8", "/chat/completions", True),
        (200, "", "/responses", False),
        (200, "application/json", "/responses", False),
        (200, "text/event-stream", "/responses/compact", False),
        (400, "text/event-stream", "/responses", False),
        (201, "", "/responses", False),
    ],
)
def test_a_turns_answer_is_events_where_it_says_so(status: int, kind: str, route: str, events: bool) -> None:
    _, exchange = sent(route)
    assert is_events(http.Response.make(status, b"", {"content-type": kind} if kind else {}), exchange) is events


@pytest.mark.parametrize("body, last", [(TURN, b"response.completed"), (CREATED + FAILED, b"response.failed"), (BEGUN + DELTA, b"stream_broken"), (b"", b"stream_broken")])  # fmt: skip
@pytest.mark.parametrize("headers", [EVENTS, {**EVENTS, "content-encoding": "gzip"}], ids=["plain", "gzip"])
async def test_a_stream_goes_through_to_its_end(
    answer: Answer, headers: dict[str, str], body: bytes, last: bytes
) -> None:
    flow, exchange = sent(stream=True)
    out = await answered(
        answer, flow, exchange, 200, gzip.compress(body) if "content-encoding" in headers else body, headers
    )
    assert flow.response and last in out.split(b"\n\n")[-2]
    assert out == flow.response.raw_content and "content-encoding" not in flow.response.headers
    assert flow.response.headers["content-type"].startswith("text/event-stream")
    assert flow.response.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize(
    ("body", "headers", "status", "problem"),
    [
        (TURN, EVENTS, 200, None),
        (TURN, {}, 200, None),
        (gzip.compress(TURN, mtime=0), {**EVENTS, "content-encoding": "gzip"}, 200, None),
        (CREATED + FAILED, EVENTS, 502, "server_error"),
        (CREATED + DELTA, EVENTS, 502, "stream_broken"),
        (TURN, {**EVENTS, "content-encoding": "rot13"}, 502, "unsupported_encoding"),
        (b"\x1f\x8bno gzip", {**EVENTS, "content-encoding": "gzip"}, 502, "unsupported_encoding"),
    ],
)
async def test_a_client_without_a_stream_gets_the_response_object(
    answer: Answer, body: bytes, headers: dict[str, str], status: int, problem: str | None
) -> None:
    flow, exchange = sent(stream=False)
    if problem:
        with pytest.raises(ProxyError) as refused:
            await answered(answer, flow, exchange, 200, body, headers)
        assert (refused.value.status, refused.value.code) == (status, problem)
        return
    told = msgspec.json.decode(await answered(answer, flow, exchange, 200, body, headers))
    assert told["id"] == "resp_1" and told["output"] == [item("Hello")]
    assert flow.response and flow.response.headers["content-type"] == "application/json"
    assert exchange.tokens and exchange.tokens.output == 2


@pytest.mark.parametrize("stream, wanted", [(True, b"chat.completion.chunk"), (False, b'"chat.completion"')])
async def test_another_dialect_is_answered_in_its_own_words(answer: Answer, stream: bool, wanted: bytes) -> None:
    flow, exchange = sent("/chat/completions", stream=stream, translation=ChatTranslation(Chat()))
    out = await answered(answer, flow, exchange, 200, TURN, EVENTS)
    assert wanted in out and b"Hello" in out and b"response.completed" not in out
    assert out.endswith(b"data: [DONE]\n\n") is stream


@pytest.mark.parametrize(
    ("route", "status", "body", "headers", "told", "code"),
    [
        ("/responses", 400, b'{"detail":"Unsupported parameter: x"}', JSON, 400, None),
        ("/responses", 429, b'{"error":{"type":"usage_limit_reached","message":"x"}}', JSON, 429, "usage_limit_reached"),
        ("/responses", 403, b"<html>", {"content-type": "text/html"}, 403, "cloudflare_challenge"),
        ("/responses", 502, b"<html>", {"content-type": "text/html"}, 502, "backend_error"),
        ("/responses", 503, b"", {}, 503, "backend_error"),
        ("/responses/compact", 404, b'{"detail":"Not Found"}', JSON, 404, "compact_unavailable"),
        ("/responses", 400, b"\x1f\x8bx", {**JSON, "content-encoding": "gzip"}, 400, "backend_error"),
        ("/responses", 400, b'{"detail":"The \'gpt-9\' model is not supported when using Codex with a ChatGPT account."}', JSON, 404, "model_not_found"),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_in_openais_form(
    answer: Answer, route: str, status: int, body: bytes, headers: dict[str, str], told: int, code: str | None
) -> None:
    flow, exchange = sent(route)
    out = await answered(answer, flow, exchange, status, body, {**headers, "x-request-id": "req_1"})
    assert flow.response and (flow.response.status_code, code_of(out)) == (told, code)
    assert exchange.error == (code or str(told))
    assert flow.response.headers["x-request-id"] == "req_1" and "content-encoding" not in flow.response.headers
    assert flow.response.headers["content-length"] == str(len(out))


@pytest.mark.parametrize(
    ("route", "status", "body", "headers", "raised"),
    [
        ("/responses/compact", 200, b'{"output":[]}', JSON, None),
        ("/models", 200, b'{"models":[{"slug":"gpt-6-sol"}]}', JSON, None),
        ("/responses/compact", 200, b"<html>", JSON, "web page"),
        ("/responses/compact", 200, b"", JSON, "an empty body"),
        ("/responses/compact", 200, b"words", JSON, "not JSON"),
        ("/responses", 302, b"", {"location": "https://evil.example/x"}, "redirect to evil.example"),
        ("/responses", 304, b"", {}, "had been conditional"),
    ],
)
async def test_what_is_no_answer_is_none(
    answer: Answer, route: str, status: int, body: bytes, headers: dict[str, str], raised: str | None
) -> None:
    flow, exchange = sent(route)
    if raised is None:
        assert await answered(answer, flow, exchange, status, body, headers) == body
        return
    with pytest.raises(ProxyError, match=raised):
        await answered(answer, flow, exchange, status, body, headers)


async def test_an_empty_catalogue_says_why(answer: Answer) -> None:
    flow, exchange = sent("/models")
    out = await answered(answer, flow, exchange, 200, b'{"models": []}', JSON)
    assert b"client_version" in out and exchange.notes


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("x-request-id", "req_1", True),
        ("x-codex-primary-used-percent", "12", True),
        ("location", "https://a.example", False),
        ("set-cookie", "a=b", False),
        ("strict-transport-security", "max-age=1", False),
        ("access-control-allow-origin", "*", False),
        ("x-envoy-upstream", "1", False),
        ("openai-organization", "org-1", False),
    ],
)
def test_of_the_backends_headers_a_client_gets_what_is_for_it(
    answer: Answer, name: str, value: str, passes: bool
) -> None:
    flow, exchange = sent(stream=True)
    flow.response = http.Response.make(200, b"", {**EVENTS, name: value})
    flow.response.reason = "whatever the backend says"
    answer.responseheaders(flow, exchange)
    assert (name in flow.response.headers) is passes and flow.response.reason == "OK"


@pytest.mark.parametrize("known", [{"refused": "unknown_path"}, {"sent_at": None}])
async def test_an_answer_of_our_own_is_left_as_it_is(answer: Answer, known: dict[str, Any]) -> None:
    flow, exchange = sent(stream=True, **known)
    out = await answered(answer, flow, exchange, 400, b"as it is", {"location": "x"})
    assert out == b"as it is" and flow.response and flow.response.headers["location"] == "x"


@pytest.mark.parametrize(
    ("message", "known", "status", "code"),
    [
        ("Connection refused", {"gave_up": ""}, 502, "backend_unreachable"),
        ("", {"gave_up": "idle", "gave_up_after": 5.0}, 504, "backend_timeout"),
        ("", {"gave_up": "connect", "gave_up_after": 5.0}, 504, "backend_timeout"),
        ("server closed connection", {}, 502, None),
    ],
)
async def test_a_backend_that_gives_no_answer_is_told_of(
    answer: Answer, message: str, known: dict[str, Any], status: int, code: str | None
) -> None:
    flow, exchange = sent(**known)
    flow.error = mitmproxy_flow.Error(message)
    await answer.error(flow, exchange)
    assert flow.response and flow.response.status_code == status == failure_of(flow, exchange, message).status
    assert exchange.refused == code_of(flow.response.raw_content or b"") and code in (None, exchange.refused)


async def test_a_stream_that_breaks_off_ends_with_a_word_and_is_not_remembered(answer: Answer) -> None:
    flow, exchange = sent(stream=True)
    flow.response = http.Response.make(200, b"", EVENTS)
    answer.responseheaders(flow, exchange)
    assert isinstance(flow.response.stream, EventStream)
    flow.response.stream(BEGUN + DELTA)
    flow.error = mitmproxy_flow.Error("peer closed connection")
    await answer.error(flow, exchange)
    assert (flow.response.raw_content or b"").startswith(BEGUN + DELTA + b"event: error")
    assert (exchange.error, exchange.refused) == ("stream_broken", "")


async def test_what_was_asked_is_let_go_of_with_the_answer(answer: Answer) -> None:
    flow, exchange = sent(stream=False, asked=[])
    await answered(answer, flow, exchange, 200, TURN, EVENTS)
    assert exchange.asked is None and flow not in answer.whole
    assert answer.memory.store.conversation("", "resp_1") is not None
