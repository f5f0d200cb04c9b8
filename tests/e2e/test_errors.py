"""What a client reads when a request can't be done: OpenAI's shape, our own code, what to do now."""

import asyncio
import re
import time
from typing import Any

import httpx2
import pytest

from standin import Standin

from .harness import QUESTION, Proxy, Start, new_client

# failure → status, code, what the message has to say
REFUSALS: list[tuple[str, int, str, str]] = [
    ("rate-limit", 429, "rate_limit_exceeded", r"try again in"),
    ("usage-not-included", 429, "usage_not_included", r"plan"),
    ("quota-404", 429, "usage_limit_reached", r"limit"),
    ("deactivated", 402, "deactivated_workspace", r"workspace.*codex login"),
    ("cloudflare", 403, "cloudflare_challenge", r"Cloudflare.*another network"),
    ("cloudflare-503", 503, "cloudflare_challenge", r"Cloudflare"),
    ("html-502", 502, "backend_error", r"status 502 and a web page"),
    ("json-500", 500, "", r"."),
    ("empty-503", 503, "backend_error", r"status 503 and nothing more"),
    ("unauthorized-region", 401, "", r"not authorized in this region"),
    ("model-refused", 404, "model_not_found", r"not supported when using Codex.*Similar models.*gpt-6"),
    ("close-before-answer", 502, "backend_closed", r"closed the connection"),
    ("reset-before-answer", 502, "backend_closed", r"closed the connection"),
    ("garbage", 502, "backend_garbled", r"not HTTP"),
]


async def test_a_refusal_is_told_readably(proxy: Proxy, standin: Standin, subtests: pytest.Subtests) -> None:
    for failure, status, code, says in REFUSALS:
        for stream in [True, False]:
            with subtests.test(failure=failure, stream=stream):
                # On a fresh connection: one on a kept one is repeated, and not noticed.
                async with new_client(proxy) as client:
                    standin.fail(failure)
                    response = await client.post("/v1/responses", json={**QUESTION, "stream": stream})

                    assert response.status_code == status, response.text
                    assert response.headers["content-type"] == "application/json"
                    error = response.json()["error"]
                    assert {"message", "type", "param", "code"} <= set(error)
                    assert re.search(says, error["message"], re.S), error
                    assert code in ("", error["code"])
                    # One refusal each: the next request is served.
                    assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200


async def test_a_usage_limit_names_its_window_and_when_it_resets(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for window, name in [("primary", "5-hour"), ("secondary", "weekly")]:
        with subtests.test(window=window):
            standin.requests.clear()
            standin.fail(f"usage-limit:5400:{window}")
            response = await client.post("/v1/responses", json=QUESTION)

            assert response.status_code == 429
            error = response.json()["error"]
            assert f"The {name} limit" in error["message"]
            local = time.strftime("%H:%M", time.localtime(error["resets_at"]))
            assert local in error["message"]
            assert re.search(r"\(\d+ minutes from now\)", error["message"])
            assert 5000 < int(response.headers["retry-after"]) <= 5400
            assert response.headers["x-should-retry"] == "false"
            # By these the Codex CLI says its own sentence.
            assert error["type"] == "usage_limit_reached"
            assert error["plan_type"]


REQUESTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("not JSON", {"content": b"nope"}, 400, "invalid_json"),
    ("cut JSON", {"content": b'{"model": "x"'}, 400, "invalid_json"),
    ("not UTF-8", {"content": b'{"input": "\xff", "model": "x"}'}, 400, "invalid_json"),
    ("no object", {"content": b"[]"}, 400, "not_an_object"),
    ("empty", {"content": b""}, 400, "empty_body"),
    ("unknown coding", {"content": b"x", "headers": {"content-encoding": "compress"}}, 415, "unsupported_encoding"),
    ("not what it says", {"content": b"x", "headers": {"content-encoding": "gzip"}}, 400, "bad_encoding"),
    (
        "stored conversation",
        {"json": {**QUESTION, "previous_response_id": "resp_1"}},
        400,
        "previous_response_not_found",
    ),
]


async def test_a_request_that_cannot_be_meant_is_refused_here(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for what, request_, status, code in REQUESTS:
        with subtests.test(what=what):
            standin.requests.clear()
            response = await client.post("/v1/responses", **request_)

            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
            assert standin.requests == []


PATHS: list[tuple[str, str, int, str]] = [
    ("GET", "/nope", 404, "unknown_path"),
    ("POST", "/v1/v1/responses", 404, "unknown_path"),
    ("POST", "/v1/embeddings", 404, "unknown_path"),
    ("GET", "/v1/responses", 405, "wrong_method"),
    ("DELETE", "/models", 405, "wrong_method"),
    ("POST", "/healthz", 405, "wrong_method"),
    ("GET", "/v1/chat/completions", 405, "wrong_method"),
]


async def test_a_wrong_path_is_explained(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for method, path, status, code in PATHS:
        with subtests.test(method=method):
            standin.requests.clear()
            response = await client.request(method, path, json=QUESTION if method == "POST" else None)

            assert (response.status_code, response.json()["error"]["code"]) == (status, code)
            if status == 404:
                assert "POST /responses" in response.json()["error"]["message"]
                assert "/v1" in response.json()["error"]["message"]
            assert ("allow" in response.headers) == (status == 405)
            assert standin.requests == []


async def test_each_form_of_a_path_is_served(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for path in ["/responses", "/v1/responses", "/backend-api/codex/responses", "/v1/responses/?api_key=x"]:
        with subtests.test(path=path):
            standin.requests.clear()
            assert (await client.post(path, json=QUESTION)).status_code == 200
            assert (standin.requests[0].path, standin.requests[0].query) == ("/backend-api/codex/responses", "")


async def test_a_list_of_models_for_an_old_client_says_why_it_is_empty(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    response = await client.get("/v1/models?client_version=0.1.0&api_key=x")
    assert standin.requests[0].query == "client_version=0.1.0"
    assert response.json()["models"] == []
    assert "codex_client_version" in response.json()["note"]


async def test_a_body_over_the_limit_is_refused(start: Start, standin: Standin, login_file: Any) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_body_limit="100k")

    async def pieces() -> Any:
        for _ in range(30):
            yield b" " * 10_000

    import gzip

    bodies = [b" " * 200_000, pieces(), gzip.compress(b" " * 200_000)]
    async with httpx2.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        for body in bodies:
            headers = {"content-encoding": "gzip"} if isinstance(body, bytes) and body[:2] == b"\x1f\x8b" else {}
            response = await client.post("/responses", content=body, headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    assert standin.requests == []


async def test_the_proxy_says_what_it_is(proxy: Proxy, client: httpx2.AsyncClient) -> None:
    page = (await client.get("/")).json()

    assert page["base_urls"] == [proxy.url, proxy.url + "/v1"]
    assert "POST /responses" in page["paths"]
    assert page["login"]["state"] == "ok"
    health = await client.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "ok")


async def test_one_log_line_tells_what_happened(proxy: Proxy, client: httpx2.AsyncClient) -> None:
    body = {"model": "gpt-4.1", "input": "hi", "temperature": 1, "stream": True}
    response = await client.post("/v1/responses", json=body)

    line = (await proxy.logged(r"POST /v1/responses .*")).group()
    assert "gpt-4.1 → gpt-6-luna 200" in line
    assert "-temperature" in line
    assert re.search(r"first byte \d+ ms · took \d+ ms", line)
    assert re.search(r"tokens in \d+ \(cached \d+\) out \d+ \(reasoning \d+\)", line)
    assert response.headers["x-request-id"] in line


HEADS = [
    (b"POST /responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 400 ", b"malformed_request"),
    (b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 403 ", b"host_refused"),
]  # fmt: skip


async def test_a_head_that_no_client_sends_is_refused(
    proxy: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    for head, status, code in HEADS:
        with subtests.test(head=head):
            standin.requests.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
            writer.write(head)
            answer = await reader.read()
            writer.close()

            assert status in answer.partition(b"\r\n")[0]
            assert code in answer
            assert standin.requests == []


async def test_a_head_request_gets_no_body_that_would_be_taken_for_the_next_answer(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    writer.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"\r\nAllow: GET\r\n" in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()
