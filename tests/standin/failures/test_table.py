"""Each failure, seen from the other end of a socket."""

import json
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx2
import pytest
import zstandard

from standin import FAILURES
from standin.failures.table import table

from ..kit import Client, events, good, items, running, spoken

CLOSE = "connection: close\r\n"


async def streamed(c: Client, name: str, **changes: Any) -> str:
    c.s.fail(name)
    answer = await c.ask(**changes)
    assert answer.status_code == 200
    assert c.s.requests[-1].refusal == name
    return answer.text


async def raw(c: Client, name: str) -> bytes:
    c.s.fail(name)
    return await c.raw(c.raw_request(more=CLOSE))


# Refusals.

LIMIT = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus"}
REFUSALS: list[tuple[str, int, dict[str, Any] | str]] = [
    ("usage-limit:600", 429, {"error": LIMIT | {"eligible_promo": None, "resets_at": 1600, "resets_in_seconds": 600}}),
    ("rate-limit", 429, {"error": {"message": "Rate limit reached for gpt-6-sol. Please try again in 1.898s.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}}),
    ("usage-not-included", 429, {"error": {"type": "usage_not_included", "message": "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus."}}),
    ("capacity", 429, "Selected model is at capacity. Please try a different model."),
    ("quota-404", 404, "usage_limit_reached"),
    ("deactivated", 402, {"detail": {"code": "deactivated_workspace"}}),
    ("cloudflare", 403, "Just a moment..."),
    ("cloudflare-blocked", 403, "Cloudflare"),
    ("cloudflare-503", 503, "Just a moment..."),
    ("html-502", 502, "<h1>502 Bad Gateway</h1>"),
    ("json-500", 500, "server_error"),
    ("empty-503", 503, ""),
    ("overload-503", 503, {"error": {"code": "server_is_overloaded"}}),
    ("unauthorized", 401, {"error": {"message": "Provided authentication token is expired. Please try signing in again.", "type": None, "code": "token_expired", "param": None}, "status": 401}),
    ("unauthorized-region", 401, "Workspace is not authorized in this region."),
    ("model-refused:gpt-9", 400, {"detail": "The 'gpt-9' model is not supported when using Codex with a ChatGPT account."}),
    ("invalid-encrypted", 400, "invalid_encrypted_content"),
    ("context-length", 400, "context_length_exceeded"),
    ("cyber-policy", 400, "cyber_policy"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "body"), REFUSALS)
async def test_a_refusal_meets_one_request(name: str, status: int, body: dict[str, Any] | str) -> None:
    async with running(now=lambda: 1000.0) as c:
        c.s.fail(name)
        answer = await c.ask()
        assert answer.status_code == status == c.s.requests[0].status
        assert answer.json() == body if isinstance(body, dict) else body in answer.text
        assert (await c.ask()).status_code == 200


async def test_cloudflare_marks_its_challenge() -> None:
    async with running() as c:
        c.s.fail("cloudflare")
        headers = (await c.ask()).headers
        assert headers["cf-mitigated"] == "challenge"
        assert headers["content-type"].startswith("text/html")
        assert headers["server"] == "cloudflare"


WINDOWS = [("usage-limit", "primary", "3600"), ("usage-limit:60:secondary", "secondary", "60")]


@pytest.mark.parametrize(("name", "window", "left"), WINDOWS)
async def test_a_usage_limit_names_its_window(name: str, window: str, left: str) -> None:
    async with running() as c:
        c.s.fail(name)
        headers = (await c.ask()).headers
        assert headers[f"x-codex-{window}-used-percent"] == "100"
        assert headers[f"x-codex-{window}-reset-after-seconds"] == left
        assert headers["x-codex-rate-limit-reached-type"] == "rate_limit_reached"
        assert headers["x-codex-active-limit"] == "premium"


# Unusual streams.


async def test_a_stream_without_a_content_type() -> None:
    async with running() as c:
        c.s.fail("no-content-type")
        answer = await c.ask()
        assert "content-type" not in answer.headers
        assert events(answer.text)[-1]["type"] == "response.completed"


DECODERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", lambda data: zlib.decompress(data, wbits=31)),
    ("br", brotli.decompress),
    ("zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
]


@pytest.mark.parametrize(("encoding", "decode"), DECODERS)
async def test_a_stream_may_be_compressed(encoding: str, decode: Callable[[bytes], bytes]) -> None:
    async with running() as c:
        c.s.fail(f"content-encoding-{encoding}")
        url = f"{c.s.upstream}/responses"
        headers = c.headers | {"accept-encoding": "identity", "content-type": "application/json"}
        body = c.raw_request().partition(b"\r\n\r\n")[2]
        async with c.http.stream("POST", url, content=body, headers=headers) as answer:
            assert answer.headers["content-encoding"] == encoding
            data = b"".join([piece async for piece in answer.aiter_raw()])
        assert events(decode(data).decode())[-1]["type"] == "response.completed"


async def test_a_stream_may_end_with_a_marker() -> None:
    async with running() as c:
        text = await streamed(c, "done-marker")
        assert text.endswith("}\n\ndata: [DONE]\n\n")


LASTS = [
    ("terminal-done", "response.done", "status", "completed"),
    ("incomplete", "response.incomplete", "incomplete_details", {"reason": "max_output_tokens"}),
    ("incomplete:content_filter", "response.incomplete", "incomplete_details", {"reason": "content_filter"}),
]


@pytest.mark.parametrize(("name", "kind", "key", "value"), LASTS)
async def test_the_last_event_may_be_another(name: str, kind: str, key: str, value: object) -> None:
    async with running() as c:
        last = events(await streamed(c, name))[-1]
        assert (last["type"], last["response"][key]) == (kind, value)


async def test_the_output_may_be_full() -> None:
    async with running() as c:
        text = await streamed(c, "full-output")
        assert events(text)[-1]["response"]["output"] == items(text) != []


async def test_lines_may_end_otherwise() -> None:
    async with running() as c:
        text = await streamed(c, "crlf")
        assert "\r\n\r\n" in text
        assert "\n\n" not in text
        assert events(text.replace("\r\n", "\n"))[-1]["type"] == "response.completed"


async def test_comments_may_stand_between() -> None:
    async with running() as c:
        text = await streamed(c, "comments")
        assert text.startswith(": keep-alive\n\nevent: keepalive\n")
        assert "event: codex.new\n" in text


async def test_event_lines_may_be_absent() -> None:
    async with running() as c:
        frames = (await streamed(c, "no-event-lines")).split("\n\n")
        assert all(frame.startswith("data: {") for frame in frames if frame)


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_writes_may_be_tiny(size: int) -> None:
    async with running() as c:
        data = await raw(c, f"split:{size}")
        _, _, body = data.partition(b"\r\n\r\n")
        sizes = set()
        whole = b""
        while body:
            length, _, body = body.partition(b"\r\n")
            sizes.add(int(length, 16))
            whole, body = whole + body[: int(length, 16)], body[int(length, 16) + 2 :]
        assert max(sizes) == size
        assert "完" in spoken(whole.decode())


@pytest.mark.parametrize("include", [[], ["reasoning.encrypted_content"]])
async def test_a_frame_may_be_huge(include: list[str]) -> None:
    async with running() as c:
        text = await streamed(c, "huge-frame:200000", include=include)
        assert max(map(len, text.split("\n\n"))) > 200_000
        sealed = items(text)[0]
        answer = {"role": "assistant", "content": "Hi"}
        assert (await c.ask(input=[sealed, answer] if include else [])).status_code == 200


SLOW = [("slow:0.01", 0.1), ("silence:0.15", 0.15), ("slow-start:0.15", 0.15)]


@pytest.mark.parametrize(("name", "least"), SLOW)
async def test_an_answer_may_take_its_time(name: str, least: float) -> None:
    async with running() as c:
        c.s.fail(name)
        answer = await c.ask()
        assert answer.elapsed.total_seconds() > least
        assert events(answer.text)[-1]["type"] == "response.completed"


# Streams that tell of a failure.

CODES = [
    "context_length_exceeded",
    "insufficient_quota",
    "usage_not_included",
    "cyber_policy",
    "invalid_prompt",
    "bio_policy",
    "misalignment_policy_violation",
    "server_is_overloaded",
    "slow_down",
    "rate_limit_exceeded",
    "server_error",
]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", ["failed", "failed-late"])
async def test_a_response_may_fail(name: str, code: str) -> None:
    async with running() as c:
        found = events(await streamed(c, f"{name}:{code}"))
        assert (found[-1]["type"], found[-1]["response"]["status"]) == ("response.failed", "failed")
        assert found[-1]["response"]["error"]["code"] == code
        assert (len(found) == 3) is (name == "failed")
        assert all(second["sequence_number"] == first["sequence_number"] + 1 for first, second in pairwise(found))


async def test_a_rate_limit_in_the_stream_names_its_time() -> None:
    async with running() as c:
        found = events(await streamed(c, "failed:rate_limit_exceeded"))
        assert "Please try again in 1.898s." in found[-1]["response"]["error"]["message"]


async def test_errors_come_in_two_forms() -> None:
    async with running() as c:
        flat = events(await streamed(c, "error-event-flat"))[-1]
        nested = events(await streamed(c, "error-event-nested"))[-1]
        assert (flat["type"], flat["code"]) == ("error", "server_error")
        assert (nested["type"], nested["error"]["code"]) == ("error", "server_error")
        assert "error" not in flat


async def test_an_overload_may_come_inside_a_stream() -> None:
    async with running() as c:
        found = events(await streamed(c, "overload-in-stream"))
        assert [event["type"] for event in found] == ["response.created", "response.in_progress", "error"]
        assert found[-1]["error"]["code"] == "server_is_overloaded"


# Connections that break.


async def test_a_body_may_end_too_early() -> None:
    async with running() as c:
        text = await streamed(c, "cut-clean")
        assert events(text)[-1]["type"] == "response.output_item.done"


async def test_a_connection_may_be_closed_too_early() -> None:
    async with running() as c:
        data = await raw(c, "cut-close")
        assert b"response.output_item.done" in data
        assert b"response.completed" not in data
        assert not data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("name", ["reset", "reset-mid-line"])
async def test_a_connection_may_be_reset(name: str) -> None:
    async with running() as c:
        c.s.fail(name)
        got = b""
        with pytest.raises(httpx2.ReadError):
            async with c.http.stream("POST", f"{c.s.upstream}/responses", json=good(), headers=c.headers) as answer:
                async for piece in answer.aiter_raw():
                    got += piece
        assert b"response.created" in got
        assert got.endswith(b"\n\n") is (name == "reset")


async def test_a_connection_may_be_closed_before_the_answer() -> None:
    async with running() as c:
        assert await raw(c, "close-before-answer") == b""
        assert c.s.requests[0].status == 0


async def test_a_connection_may_be_reset_before_the_answer() -> None:
    async with running() as c:
        with pytest.raises(ConnectionResetError):
            await raw(c, "reset-before-answer")


async def test_bytes_may_be_no_http() -> None:
    async with running() as c:
        assert b"not HTTP" in await raw(c, "garbage")
        c.s.fail("garbage")
        with pytest.raises(httpx2.RemoteProtocolError):
            await c.ask()


async def test_a_stale_connection_is_met_only_when_used_again() -> None:
    async with running() as c:
        c.s.fail("stale")
        assert (await c.ask()).status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            await c.ask()
        assert (await c.ask()).status_code == 200
        assert [seen.connection for seen in c.s.requests] == [1, 1, 2]


async def test_a_connection_may_be_closed_right_after_an_answer() -> None:
    async with running() as c:
        c.s.fail("close-idle")
        data = await c.raw(c.raw_request())
        assert data.endswith(b"0\r\n\r\n")
        assert b"connection: close" not in data.lower()


# GET /models


async def test_the_list_of_models_may_be_empty() -> None:
    async with running() as c:
        c.s.fail("models-empty")
        assert (await c.ask()).status_code == 200
        assert (await c.models()).json() == {"models": []}
        assert (await c.models()).json() != {"models": []}


async def test_the_list_of_models_may_fail() -> None:
    async with running() as c:
        c.s.fail("models-500")
        assert (await c.models()).status_code == 500


# The upgrade to a WebSocket

UPGRADES = [
    ("no-websocket", 426), ("upgrade-unauthorized", 401), ("upgrade-cloudflare", 403), ("upgrade-usage-limit", 429),
    ("upgrade-500", 500), ("upgrade-reset", None),
]  # fmt: skip


@pytest.mark.parametrize(("failure", "status"), UPGRADES)
async def test_an_upgrade_may_fail(failure: str, status: int | None) -> None:
    asks = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    async with running() as c:
        c.s.fail(failure)
        asking = c.http.get(f"{c.s.upstream}/responses", headers=c.headers | asks)
        if status is None:
            with pytest.raises(httpx2.ReadError):
                await asking
        else:
            assert (await asking).status_code == status
        assert (await c.ask()).status_code == 200


# POST /oauth/token

TOKEN: list[tuple[str, int, str]] = [
    ("refresh-reused", 401, "refresh_token_reused"),
    ("refresh-expired", 401, "refresh_token_expired"),
    ("refresh-invalidated", 401, "refresh_token_invalidated"),
    ("invalid-grant", 400, '{"error":"invalid_grant"'),
    ("refresh-500", 500, '{"error":"temporary-failure"}'),
    ("refresh-cloudflare", 403, "Just a moment..."),
    ("unsupported-country", 403, "unsupported_country_region_territory"),
    ("refresh-garbage", 200, "<html>"),
]


@pytest.mark.parametrize(("name", "status", "text"), TOKEN)
async def test_a_refresh_may_be_refused(name: str, status: int, text: str) -> None:
    async with running() as c:
        c.s.fail(name)
        answer = await c.refresh()
        assert answer.status_code == status
        assert text in answer.text
        assert (await c.refresh()).status_code == 200


@pytest.mark.parametrize(("name", "status"), [("refresh-reset", 200), ("refresh-lost", 401)])
async def test_a_refresh_may_be_reset(name: str, status: int) -> None:
    async with running() as c:
        c.s.fail(name)
        with pytest.raises(httpx2.ReadError):
            await c.refresh()
        assert (await c.refresh()).status_code == status


async def test_a_refresh_may_give_no_new_refresh_token() -> None:
    async with running() as c:
        c.s.fail("refresh-no-refresh-token")
        assert "refresh_token" not in (await c.refresh()).json()
        assert (await c.refresh()).status_code == 200


async def test_a_refresh_may_give_no_id_token() -> None:
    async with running() as c:
        c.s.fail("refresh-no-id-token")
        assert set((await c.refresh()).json()) >= {"access_token", "refresh_token"}
        assert c.s.refresh_calls[0].refusal == "refresh-no-id-token"


async def test_a_refresh_may_be_slow() -> None:
    async with running() as c:
        c.s.fail("refresh-slow:0.1")
        answer = await c.refresh()
        assert answer.elapsed.total_seconds() > 0.1
        assert answer.json()["access_token"]


# Switching.


async def test_failures_come_one_each_in_their_order() -> None:
    async with running() as c:
        c.s.fail("html-502", "deactivated")
        c.s.fail("json-500", times=2)
        assert [(await c.ask()).status_code for _ in range(5)] == [502, 402, 500, 500, 200]


async def test_a_failure_may_stay_until_recovery() -> None:
    async with running() as c:
        c.s.fail("html-502", times=None)
        assert [(await c.ask()).status_code for _ in range(3)] == [502, 502, 502]
        c.s.recover()
        assert (await c.ask()).status_code == 200


async def test_failures_that_stay_take_turns() -> None:
    async with running() as c:
        c.s.fail("html-502", "deactivated", times=None)
        assert [(await c.ask()).status_code for _ in range(4)] == [502, 402, 502, 402]


async def test_a_bad_request_uses_no_failure_up() -> None:
    async with running() as c:
        c.s.fail("html-502")
        assert (await c.ask(store=True)).status_code == 400
        assert (await c.ask()).status_code == 502


UNKNOWN = [("nonsense", "no failure 'nonsense'"), ("crlf:3", "takes no argument"), ("slow:much", "takes a number")]


@pytest.mark.parametrize(("name", "text"), UNKNOWN)
async def test_a_failure_that_is_none_is_told(name: str, text: str) -> None:
    async with running() as c:
        with pytest.raises(ValueError, match=text):
            c.s.fail(name)


async def test_failures_can_be_switched_over_http() -> None:
    async with running() as c:
        switched = await c.http.post(f"{c.s.origin}/_standin/fail", json={"name": "html-502", "times": None})
        assert switched.json() == {"failing": ["html-502"]}
        assert (await c.ask()).status_code == 502
        await c.http.post(f"{c.s.origin}/_standin/recover")
        assert (await c.ask()).status_code == 200
        wrongs: tuple[Any, ...] = ({"name": "nonsense"}, {}, [], {"name": "slow", "times": "3"})
        for wrong in wrongs:
            assert (await c.http.post(f"{c.s.origin}/_standin/fail", json=wrong)).status_code == 400


async def test_requests_are_told_over_http_without_their_secrets() -> None:
    async with running() as c:
        await c.ask(headers={"cookie": "__cf_bm=secret"})
        await c.refresh()
        told = await c.http.get(f"{c.s.origin}/_standin/requests")
        assert told.json()["requests"][0]["json"]["model"] == "gpt-6-sol"
        assert told.json()["oauth"][0]["status"] == 200
        for secret in (*c.login["tokens"].values(), "__cf_bm=secret"):
            assert secret == c.login["tokens"]["account_id"] or secret not in told.text


async def test_there_are_accounts_without_the_unary_compaction() -> None:
    async with running() as c:
        c.s.fail("no-compact")
        body = {"model": "gpt-6-sol", "input": []}
        answer = await c.http.post(f"{c.s.upstream}/responses/compact", json=body, headers=c.headers)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
        assert (await c.ask()).status_code == 200
        c.s.fail("not-found")
        assert (await c.ask()).json() == {"detail": "Not Found"}


def test_every_failure_is_tried_here() -> None:
    source = Path(__file__).read_text()
    for name in FAILURES:
        if name.startswith("content-encoding-"):
            name = name.removeprefix("content-encoding-")
        assert json.dumps(name)[:-1] in source, name


def test_every_failure_has_its_help() -> None:
    assert all(len(failure.help) > 10 for failure in FAILURES.values())
    assert len(table().splitlines()) == len(FAILURES)
