import gzip
import zlib
from typing import Any

import msgspec
import pytest
import zstandard

from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.output.redact import HIDDEN
from codex_proxy.steps import exchanges
from codex_proxy.steps.login import Login
from codex_proxy.steps.memory import Memory
from codex_proxy.steps.models import Models
from codex_proxy.steps.patch_body import PatchBody
from codex_proxy.steps.patching import Patching
from codex_proxy.steps.user_defaults import UserDefaults

from .. import oracle
from .flows import asked, configure

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
FIT = {"model": "gpt-6-sol", "instructions": "", "input": [USER], "store": False, "stream": True}
RESPONSES, CHAT, COMPACT = (routes.ROUTES[path] for path in ("/responses", "/chat/completions", "/responses/compact"))


@pytest.fixture
def step(login: Login) -> PatchBody:
    configure(patching := Patching(), codex_body_limit="100k", codex_model_map=["gpt-4*=gpt-6-luna"])
    configure(defaults := UserDefaults(), codex_instructions="none")
    return PatchBody(patching, Models(login), Memory(), defaults)


@pytest.mark.parametrize(
    ("route", "body", "model", "streams"),
    [
        (RESPONSES, FIT, "gpt-6-sol", True),
        (RESPONSES, {"model": "gpt-6-sol", "input": "Hi"}, "gpt-6-sol", False),
        (RESPONSES, {**FIT, "temperature": 1, "store": True, "top_p": 0.5}, "gpt-6-sol", True),
        (RESPONSES, {**FIT, "model": "gpt-4.1", "stream": False}, "gpt-6-luna", False),
        (RESPONSES, {**FIT, "max_output_tokens": 5, "user": "me", "metadata": {"a": "b"}}, "gpt-6-sol", True),
        (RESPONSES, {**FIT, "input": [{"role": "user", "content": "Hi"}]}, "gpt-6-sol", True),
        (CHAT, {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "Hi"}]}, "gpt-6-sol", False),
        (CHAT, {"model": "gpt-4.1", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}, "gpt-6-luna", True),
    ],
)  # fmt: skip
async def test_what_goes_up_is_what_the_backend_takes(
    step: PatchBody, route: routes.Route, body: dict[str, Any], model: str, streams: bool
) -> None:
    flow, exchange = asked(body=body, route=route)
    await step.request(flow, exchange)
    sent = msgspec.json.decode(flow.request.raw_content or b"")
    assert oracle.refusal(sent) is None
    assert (exchange.model, exchange.sent_model, sent["model"]) == (body["model"], model, model)
    assert exchange.stream is streams and (exchange.translation is not None) is (route is CHAT)
    assert bool(exchange.changes) or sent["model"] == body["model"]


@pytest.mark.parametrize(
    ("coding", "encode", "stays"),
    [
        ("", bytes, True),
        ("gzip", gzip.compress, True),
        ("zstd", zstandard.ZstdCompressor().compress, True),
        ("deflate", zlib.compress, False),
    ],
)
async def test_a_body_with_nothing_to_change_keeps_a_coding_that_the_backend_takes(
    step: PatchBody, coding: str, encode: Any, stays: bool
) -> None:
    plain = msgspec.json.encode({**FIT, "prompt_cache_key": "k", "include": ["reasoning.encrypted_content"]})
    flow, exchange = asked(headers=[("content-encoding", coding)] if coding else [], route=RESPONSES)
    flow.request.raw_content = came = encode(plain)
    exchanges.keep_original_head(flow, exchange)
    await step.request(flow, exchange)
    assert exchange.changes == []
    assert flow.request.raw_content == (came if stays else plain)
    assert flow.request.headers.get("content-encoding", "") == (coding if stays else "")
    assert exchange.original and exchange.original.body == plain.decode()


@pytest.mark.parametrize(
    ("body", "coding", "status", "code"),
    [
        (b"", "", 400, "empty_body"),
        (b"[]", "", 400, "not_an_object"),
        (b'{"model":', "", 400, "invalid_json"),
        (b"{}", "gzip", 400, "bad_encoding"),
        (b"{}", "rot13", 415, "unsupported_encoding"),
        (b"{}", "gzip, gzip, gzip, gzip, gzip, gzip", 415, "unsupported_encoding"),
        (gzip.compress(b"x" * 200_000, mtime=0), "gzip", 413, "body_too_large"),
    ],
)
async def test_a_body_that_can_not_be_read_is_refused(
    step: PatchBody, body: bytes, coding: str, status: int, code: str
) -> None:
    flow, exchange = asked(headers=[("content-encoding", coding)] if coding else [], route=RESPONSES)
    flow.request.raw_content = body
    with pytest.raises(ProxyError) as refused:
        await step.request(flow, exchange)
    assert (refused.value.status, refused.value.code) == (status, code)


@pytest.mark.parametrize(
    ("length", "refused"),
    [(None, False), ("0", False), ("102400", False), ("102401", True), ("9" * 30, True), ("many", False)],
)
def test_a_length_above_the_limit_is_refused_before_the_body_comes(
    step: PatchBody, length: str | None, refused: bool
) -> None:
    flow, exchange = asked(headers=[("content-length", length)] if length else [], route=RESPONSES)
    if length is None:
        flow.request.headers.pop("content-length", None)
    elif "content-length" in flow.request.headers:
        flow.request.headers["content-length"] = length
    if not refused:
        step.requestheaders(flow, exchange)
        return
    with pytest.raises(ProxyError, match="100k"):
        step.requestheaders(flow, exchange)


async def test_a_body_that_grew_too_large_on_its_way_is_refused_once(step: PatchBody) -> None:
    flow, exchange = asked(body=FIT, route=RESPONSES, too_large=True)
    with pytest.raises(ProxyError, match="100k"):
        await step.request(flow, exchange)
    # What is replayed by a person is looked at anew.
    await step.request(flow, exchange)


@pytest.mark.parametrize("route", [routes.CATALOGUE, routes.SOCKET, routes.ROUTES["/models"]])
@pytest.mark.parametrize("body", [b"", b"whatever"])
async def test_what_takes_no_body_goes_up_without_one(step: PatchBody, route: routes.Route, body: bytes) -> None:
    flow, exchange = asked("GET", route=route, headers=[("content-encoding", "identity")])
    flow.request.raw_content = body
    await step.request(flow, exchange)
    assert flow.request.raw_content == b""
    assert not {"content-length", "content-encoding"} & {name.lower() for name in flow.request.headers}


@pytest.mark.parametrize(
    ("affinity", "headers", "key"),
    [(True, "", "derived"), (True, "mine", "mine"), (False, "", None)],
)
async def test_a_conversation_gets_its_cache_key(
    step: PatchBody, affinity: bool, headers: str, key: str | None
) -> None:
    configure(step.patching, codex_affinity=affinity)
    flow, exchange = asked(body=FIT, route=RESPONSES, session=headers, caller="somebody")
    await step.request(flow, exchange)
    sent = msgspec.json.decode(flow.request.raw_content or b"")
    assert exchange.cache_key == sent.get("prompt_cache_key", "")
    assert HIDDEN not in exchange.cache_key
    assert exchange.cache_key == (key or "") if key != "derived" else len(exchange.cache_key) == 36


async def test_store_alone_changes_nothing_else(step: PatchBody) -> None:
    configure(step.patching, codex_patch="store", codex_affinity=False)
    body = {**FIT, "store": True, "temperature": 1}
    flow, exchange = asked(body=body, route=RESPONSES)
    await step.request(flow, exchange)
    assert msgspec.json.decode(flow.request.raw_content or b"") == {**body, "store": False}
