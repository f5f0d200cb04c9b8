"""Pages of origins that may call, in a real browser; everything else is refused as before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.async_api import Page

from standin import Standin

from .harness import PATIENCE, Proxy, Start, new_client

MINE = "http://localhost:5173"

# What a page does with the proxy: as the openai SDK asks, with a stream read piece by piece.
ASK = """async ([url, key]) => {
  const answer = await fetch(url + "/v1/responses", {
    method: "POST",
    headers: {"authorization": "Bearer " + key, "content-type": "application/json", "x-stainless-lang": "js"},
    body: JSON.stringify({model: "gpt-6-sol", input: "hi", stream: true}),
  });
  const pieces = [], reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const {value, done} = await reader.read();
    if (done) break;
    pieces.push(value);
    if (pieces.length === 1) await window.arrived?.();
  }
  return {status: answer.status, id: answer.headers.get("x-request-id"), text: pieces.join("")};
}"""


async def site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A page with nothing on it, from an origin of its own."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\nconnection: close\r\n\r\n<p>Hi</p>"
    )
    await writer.drain()
    writer.close()


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    async with await asyncio.start_server(site, "127.0.0.1", 0) as server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}"


async def test_a_page_of_a_named_origin_asks_and_reads_the_stream(
    page: Page, origin: str, start: Start, standin: Standin, login_file: Path
) -> None:
    """With a client key, which a preflight can't carry; errors can be read as well."""
    proxy = await start(
        codex_upstream=standin.upstream, codex_auth_file=login_file, codex_client_key="env:KEY", env={"KEY": "open sesame"},
        codex_allow_origins=["https://elsewhere.example", origin],
    )  # fmt: skip
    # The stream goes on once the page has its first piece.
    standin.hold()
    await page.expose_function("arrived", standin.release)
    await page.goto(origin)
    async with asyncio.timeout(PATIENCE):
        told: dict[str, Any] = await page.evaluate(ASK, [proxy.url, "open sesame"])
    assert told["status"] == 200 and told["id"].startswith("req_") and "response.completed" in told["text"]

    wrong: dict[str, Any] = await page.evaluate(ASK, [proxy.url, "wrong"])
    assert wrong["status"] == 401 and "wrong_client_key" in wrong["text"]
    assert len(standin.requests) == 1


async def test_a_page_of_another_origin_gets_nothing(
    page: Page, origin: str, start: Start, standin: Standin, login_file: Path
) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_allow_origins=MINE)
    await page.goto(origin)
    failed: str = await page.evaluate(f"async (a) => {{ try {{ await ({ASK})(a); return ''; }} catch (e) {{ return String(e); }} }}", [proxy.url, "k"])  # fmt: skip

    assert "Failed to fetch" in failed
    assert standin.requests == []


@pytest.fixture
async def mine(start: Start, standin: Standin, login_file: Path) -> Proxy:
    return await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_allow_origins=MINE)


ANSWERS: list[tuple[str, str, bytes, str, int]] = [
    ("a stream", "/responses", b'{"model": "gpt-6-sol", "input": "hi", "stream": true}', "", 200),
    ("an answer", "/responses", b'{"model": "gpt-6-sol", "input": "hi"}', "", 200),
    ("a refusal of the proxy", "/responses", b"not json", "", 400),
    ("an unknown path", "/nowhere", b"{}", "", 404),
    ("a refusal of the backend", "/responses", b'{"model": "gpt-6-sol", "input": "hi"}', "usage-limit", 429),
    ("no answer", "/responses", b'{"model": "gpt-6-sol", "input": "hi"}', "close-before-answer", 502),
]  # fmt: skip


async def test_whatever_the_answer_the_page_can_read_it(
    mine: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    for name, path, body, failure, status in ANSWERS:
        with subtests.test(name):
            if failure:
                standin.fail(failure, times=2)
            async with new_client(mine) as client:
                answer = await client.post(path, content=body, headers={"origin": MINE})
            standin.recover()
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == MINE
            assert (
                "Origin" in answer.headers["vary"] and "retry-after" in answer.headers["access-control-expose-headers"]
            )
            assert "access-control-allow-credentials" not in answer.headers


async def test_a_preflight_is_answered_here(mine: Proxy, standin: Standin) -> None:
    asked = {
        "origin": MINE, "access-control-request-method": "POST", "access-control-request-headers": "authorization,x-stainless-os",
        "access-control-request-private-network": "true",
    }  # fmt: skip
    async with httpx2.AsyncClient(base_url=mine.url, trust_env=False, timeout=PATIENCE) as client:
        answer = await client.options("/v1/responses", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {name.removeprefix("access-control-"): value for name, value in answer.headers.items() if name.startswith("access-control-allow")} == {
        "allow-origin": MINE, "allow-methods": "GET, POST", "allow-headers": "authorization,x-stainless-os", "allow-private-network": "true",
    }  # fmt: skip
    assert standin.requests == []


async def test_a_preflight_is_nothing_to_capture(start: Start, tmp_path: Path) -> None:
    proxy = await start(codex_dry_run="true", codex_capture=tmp_path / "captured", codex_allow_origins=MINE)
    async with new_client(proxy) as client:
        asked = {"origin": MINE, "access-control-request-method": "POST"}
        assert (await client.options("/v1/responses", headers=asked)).status_code == 204
        body = {"model": "gpt-6-sol", "input": "hi"}
        assert (await client.post("/v1/responses", json=body, headers={"origin": MINE})).status_code == 200
    await proxy.stop()
    assert "1 requests captured" in proxy.log


async def test_everything_else_is_refused_as_before(mine: Proxy, standin: Standin, subtests: pytest.Subtests) -> None:
    refused: list[tuple[dict[str, str], str]] = [
        ({"origin": "http://localhost:5174"}, "origin_refused"), ({"origin": "null"}, "origin_refused"),
        ({"origin": MINE + ".evil.example"}, "origin_refused"), ({"origin": f"{MINE}, https://evil.example"}, "origin_refused"),
        ({"origin": MINE, "host": "evil.example"}, "host_refused"),
    ]  # fmt: skip
    for headers, code in refused:
        for method in ("POST", "OPTIONS"):
            with subtests.test(headers=headers, method=method):
                async with new_client(mine) as client:
                    asked = {**headers, "access-control-request-method": "POST"}
                    answer = await client.request(method, "/responses", headers=asked, content=b"{}")
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
                assert ("access-control-allow-origin" in answer.headers) == (code == "host_refused")
    async with new_client(mine) as client:
        answer = await client.post("/responses", json={"model": "gpt-6-sol", "input": "hi"})
    assert answer.status_code == 200 and "access-control-allow-origin" not in answer.headers
    assert len(standin.requests) == 1
