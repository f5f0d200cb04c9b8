"""The answer on its way down: as it comes, whole, repaired, ended properly whatever the backend does."""

import asyncio
import json
import sys
from typing import Any

import httpx2
import pytest

from standin import Standin

from .harness import PATIENCE, QUESTION, Proxy, Told, ask, events, new_client


async def test_events_are_handed_on_as_they_come(client: httpx2.AsyncClient, standin: Standin) -> None:
    standin.hold()
    async with asyncio.timeout(PATIENCE), client.stream("POST", "/v1/responses", json=QUESTION) as response:
        pieces = response.aiter_text()
        first = await anext(pieces)
        # The backend has sent one event and stands still: it is here already.
        assert events(first)[0]["type"] == "response.created"
        standin.release()
        rest = "".join([piece async for piece in pieces])

    assert events(first + rest)[-1]["type"] == "response.completed"


WAYS = "no-content-type content-encoding-gzip content-encoding-br content-encoding-zstd split split:1 split:7 crlf comments terminal-done incomplete full-output no-event-lines done-marker huge-frame:3000000"


async def test_whatever_the_form_the_last_event_has_its_output(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for failure in WAYS.split():
        with subtests.test(failure=failure):
            standin.requests.clear()
            standin.answer(text="Grüße — 后端")
            standin.fail(failure)
            response = await client.post("/v1/responses", json=QUESTION)

            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert "content-encoding" not in response.headers
            last = next(
                e for e in reversed(events(response.text)) if e["type"] in ("response.completed", "response.incomplete")
            )
            texts = [
                part["text"]
                for item in last["response"]["output"]
                if item["type"] == "message"
                for part in item["content"]
            ]
            assert texts == ["Grüße — 后端"]


async def test_what_is_no_event_of_openais_is_for_the_official_client_alone(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    official = {"originator": "codex_exec", "user-agent": "codex_exec/0.169.0 (Linux)"}
    for headers, is_there in (({}, False), (official, True)):
        standin.fail("comments")
        body = (await client.post("/v1/responses", json=QUESTION, headers=headers)).text
        assert any(line.startswith(":") for line in body.splitlines())
        assert any(not event["type"].startswith("response.") for event in events(body)) is is_there


async def test_only_the_last_event_is_changed(client: httpx2.AsyncClient, standin: Standin) -> None:
    standin.fail("full-output", times=None)
    untouched = (await client.post("/v1/responses", json=QUESTION)).text
    standin.recover()
    repaired = (await client.post("/v1/responses", json=QUESTION)).text

    assert [e["type"] for e in events(untouched)] == [e["type"] for e in events(repaired)]
    last, same = events(repaired)[-1]["response"], events(untouched)[-1]["response"]
    assert set(last) == set(same)
    assert {**last, "output": 0, "usage": 0, "id": 0, "created_at": 0} == {
        **same,
        "output": 0,
        "usage": 0,
        "id": 0,
        "created_at": 0,
    }


async def test_no_cookie_comes_down(client: httpx2.AsyncClient, standin: Standin) -> None:
    response = await client.post("/v1/responses", json=QUESTION)

    assert "set-cookie" not in response.headers
    assert response.headers["x-request-id"]
    assert "x-codex-primary-used-percent" in response.headers


CHAT = {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "hi"}], "stream": True}
BREAKS = ("cut-clean", "cut-close", "reset", "reset-mid-line")


def is_loud(told: Told, code: str = "stream_broken") -> None:
    """The client can't take it for whole, whatever it reads: an error flat and nested, a failed response, or HTTP."""
    *_, error, failed = events(told.text)
    assert (error["type"], error["code"], error["error"]["code"]) == ("error", code, code)
    assert error["message"] == error["error"]["message"] == failed["response"]["error"]["message"]
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"]["code"] == code
    assert not told.is_whole and "response.completed" not in told.text


async def test_a_stream_that_breaks_is_loud(proxy: Proxy, standin: Standin, subtests: pytest.Subtests) -> None:
    for failure in BREAKS:
        with subtests.test(failure=failure):
            async with new_client(proxy) as client:
                standin.fail(failure)
                is_loud(await ask(client, "/v1/responses", QUESTION))
                standin.fail(failure)
                told = await ask(client, "/v1/chat/completions", CHAT)
                assert events(told.text)[-1]["error"]["code"] == "stream_broken"
                assert not told.is_whole and "[DONE]" not in told.text


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends the end of a connection with its last bytes")
async def test_the_official_client_is_told_by_a_body_that_ends(client: httpx2.AsyncClient, standin: Standin) -> None:
    official = {"originator": "codex_exec", "user-agent": "codex_exec/0.171.0 (Linux)"}
    for failure in (*BREAKS, "failed-late"):
        standin.fail(failure)
        body = (await client.post("/v1/responses", json={**QUESTION, "stream": True}, headers=official)).text
        assert events(body)[-1]["type"] == "response.failed"


async def test_sdks_do_not_ask_again_for_a_paid_turn(client: httpx2.AsyncClient, standin: Standin) -> None:
    paid = [*BREAKS, "failed-late"]
    for failure in (*paid, "error-event-flat"):
        for path, body in (("/v1/responses", QUESTION), ("/v1/chat/completions", CHAT)):
            standin.fail(failure)
            refused = await client.post(path, json={**body, "stream": False})
            assert (refused.status_code, "x-should-retry" in refused.headers) == (502, failure in paid), failure


async def test_after_a_broken_stream_the_next_request_is_answered(client: httpx2.AsyncClient, standin: Standin) -> None:
    for _ in range(40):
        standin.fail("cut-close")
        broken = await ask(client, "/v1/responses", QUESTION)
        # At once, and of the same pool: a connection that is about to end must not look like one that can be used again.
        after = await ask(client, "/v1/responses", QUESTION)
        assert (broken.is_whole, after.status, after.is_whole) == (False, 200, True)


async def test_who_asked_for_no_stream_gets_an_http_error(
    proxy: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    for failure in BREAKS:
        with subtests.test(failure=failure):
            # Each on a connection of its own, as the one before has ended with its stream.
            async with new_client(proxy) as client:
                standin.fail(failure)
                response = await client.post("/v1/responses", json={**QUESTION, "stream": False})

                assert response.status_code == 502
                assert response.headers["content-type"] == "application/json"
                assert response.json()["error"]["message"]


async def test_who_asked_for_no_stream_gets_one_object(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    asked: dict[str, Any]
    for asked in ({}, {"stream": False}, {"stream": None}):
        with subtests.test(asked=asked):
            standin.requests.clear()
            standin.answer(text="Grüße — 后端")
            response = await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": "hi", **asked})

            assert response.status_code == 200
            assert response.headers["content-type"] == "application/json"
            assert int(response.headers["content-length"]) == len(response.content)
            answer = response.json()
            assert answer["object"] == "response"
            assert answer["status"] == "completed"
            assert answer["output"][-1]["content"][0]["text"] == "Grüße — 后端"
            assert answer["usage"]["total_tokens"]


async def test_an_incomplete_answer_is_one_all_the_same(client: httpx2.AsyncClient, standin: Standin) -> None:
    standin.fail("incomplete")
    response = await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": "hi"})

    assert response.status_code == 200
    assert response.json()["status"] == "incomplete"
    assert response.json()["output"]


FAILED = [
    ("failed:rate_limit_exceeded", 429, "rate_limit_exceeded"),
    ("failed:server_is_overloaded", 503, "server_is_overloaded"),
    ("failed:context_length_exceeded", 400, "context_length_exceeded"),
    ("failed:cyber_policy", 400, "cyber_policy"),
    ("failed:insufficient_quota", 429, "insufficient_quota"),
    ("overload-in-stream", 503, "server_is_overloaded"),
    ("error-event-flat", None, None),
    ("error-event-nested", None, None),
]


async def test_a_failure_inside_the_stream_becomes_an_http_error(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for failure, status, code in FAILED:
        with subtests.test(failure=failure):
            standin.requests.clear()
            standin.fail(failure)
            response = await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": "hi"})

            assert response.status_code >= 400
            assert status in (None, response.status_code)
            error = response.json()["error"]
            assert error["message"]
            assert code in (None, error["code"])


async def test_a_failure_inside_the_stream_is_loud(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for failure, _, code in FAILED:
        with subtests.test(failure=failure):
            standin.requests.clear()
            standin.fail(failure)
            told = await ask(client, "/v1/responses", QUESTION)
            is_loud(told, code or events(told.text)[-1]["response"]["error"]["code"])


async def test_a_client_that_hangs_up_ends_the_backends_work(proxy: Proxy, standin: Standin) -> None:
    standin.hold()
    async with (
        httpx2.AsyncClient(base_url=proxy.url, trust_env=False) as client,
        client.stream("POST", "/responses", json=QUESTION) as r,
    ):
        await anext(r.aiter_text())

    await standin.wait_for_client_gone(PATIENCE)
    await proxy.logged(r"no answer|Client disconnected")


async def test_a_waiting_client_that_hangs_up_ends_the_backends_work(proxy: Proxy, standin: Standin) -> None:
    standin.hold()
    body = json.dumps({**QUESTION, "stream": False}).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    writer.write(b"POST /responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    writer.close()

    await standin.wait_for_client_gone(PATIENCE)


async def test_twenty_at_once_get_each_their_own_answer(client: httpx2.AsyncClient, standin: Standin) -> None:
    asked = [{"model": "gpt-6-sol", "input": f"number {n} of twenty", "stream": bool(n % 2)} for n in range(20)]
    answers = await asyncio.gather(*(client.post("/v1/responses", json=body) for body in asked))

    for n, answer in enumerate(answers):
        assert answer.status_code == 200
        assert f"number {n} of twenty" in answer.text
