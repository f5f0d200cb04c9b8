"""Who may call."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest

from standin import Standin

from .harness import QUESTION, Proxy, Start, new_client

BODY = json.dumps(QUESTION).encode()

HOSTS = [
    ("localhost", 200), ("localhost:9090", 200), ("LOCALHOST.", 200), ("a.localhost:1", 200), ("127.0.0.1", 200),
    ("127.8.9.1:80", 200), ("[::1]:9090", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403),
    ("localhost.evil.example", 403), ("10.0.0.1", 403), ("", 403), ("[::2]", 403), ("host.docker.internal", 403),
]  # fmt: skip


async def test_without_a_key_only_names_of_this_machine_will_do(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    for host, status in HOSTS:
        with subtests.test(host=host):
            assert (await client.post("/responses", content=BODY, headers={"host": host})).status_code == status


async def test_a_name_in_the_request_line_counts_as_well(proxy: Proxy, standin: Standin) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    head = b"POST http://evil.example/responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    writer.write(head + BODY)

    assert b" 403 " in await reader.readline()
    writer.close()
    assert standin.requests == []


async def test_a_web_page_is_refused(client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests) -> None:
    for origin in ["https://evil.example", "null", "http://localhost:3000", "chrome-extension://x"]:
        with subtests.test(origin=origin):
            standin.requests.clear()
            for method, path in (("POST", "/responses"), ("GET", "/healthz"), ("OPTIONS", "/responses")):
                response = await client.request(
                    method, path, headers={"origin": origin}, content=BODY if method == "POST" else b""
                )
                assert (response.status_code, response.json()["error"]["code"]) == (403, "origin_refused")
                assert "access-control-allow-origin" not in response.headers
            assert standin.requests == []


async def test_node_sends_fetch_metadata_and_is_no_web_page(client: httpx2.AsyncClient) -> None:
    headers = {"sec-fetch-mode": "cors", "accept-language": "*"}
    assert (await client.post("/responses", content=BODY, headers=headers)).status_code == 200


@pytest.fixture
async def keyed(start: Start, standin: Standin, login_file: Path) -> Proxy:
    """A proxy with a client key, on all interfaces."""
    return await start(
        modes=("reverse:https://chatgpt.com@0.0.0.0:0",),
        env={"PROXY_KEY": "open sesame"},
        codex_client_key="env:PROXY_KEY",
        codex_upstream=standin.upstream,
        codex_auth_file=login_file,
    )


KEYS: list[tuple[dict[str, str], int]] = [
    ({"authorization": "Bearer open sesame"}, 200), ({"x-api-key": "open sesame"}, 200),
    ({"authorization": "bearer open sesame"}, 200), ({"authorization": "Bearer open"}, 401), ({"x-api-key": ""}, 401),
    ({"authorization": "Basic open sesame"}, 401), ({"authorization": "Bearer öpen sesame"}, 401), ({}, 401),
]  # fmt: skip


async def test_with_a_key_everybody_has_to_present_it(
    keyed: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    for headers, status in KEYS:
        with subtests.test(headers=headers):
            standin.requests.clear()
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            async with httpx2.AsyncClient(base_url=keyed.url, trust_env=False) as client:
                response = await client.post(
                    "/responses", content=BODY, headers=[(b"host", b"host.docker.internal"), *raw]
                )
                assert response.status_code == status, response.text
                assert (await client.get("/healthz")).status_code == 200
            assert len(standin.requests) == (status == 200)
            assert "sesame" not in response.text + keyed.log


async def test_who_has_no_key_is_told_only_that_there_is_no_login(keyed: Proxy, login_file: Path) -> None:
    login_file.unlink()
    async with httpx2.AsyncClient(base_url=keyed.url, trust_env=False) as client:
        response = await client.get("/healthz")
    assert (response.status_code, response.json()["login"]) == (503, {"state": "login_missing"})


async def test_the_key_does_not_go_up(keyed: Proxy, standin: Standin) -> None:
    async with httpx2.AsyncClient(base_url=keyed.url, trust_env=False) as client:
        await client.post("/responses", content=BODY, headers={"x-api-key": "open sesame"})

    assert "sesame" not in str(standin.requests[0])


async def test_a_refused_upload_is_not_held(proxy: Proxy) -> None:
    def resident() -> int:
        return int(Path(f"/proc/{proxy.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to measure memory")

    async def upload() -> Any:
        piece = b"x" * (1 << 20)
        for _ in range(200):
            yield piece

    async with new_client(proxy) as client:
        await client.post("/responses", content=b"{}", headers={"host": "evil.example"})
        before = resident()
        response = await client.post("/responses", content=upload(), headers={"host": "evil.example"})
        after = resident()

    assert response.status_code == 403
    assert after - before < 30 << 20


@pytest.mark.parametrize(
    "mode",
    ["reverse:https://chatgpt.com", "reverse:https://chatgpt.com@0.0.0.0:0", "reverse:https://chatgpt.com@[::]:0"],
)
async def test_listening_beyond_this_machine_without_a_key_is_refused_at_the_start(mode: str, start: Start) -> None:
    proxy = await start("--listen-port", "0", modes=(mode,), wait=False)

    assert await proxy.ended() == 1
    assert "codex_client_key" in proxy.log
    assert "@127.0.0.1" in proxy.log


async def test_a_plain_key_works_with_a_warning(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(codex_client_key="abc", codex_upstream=standin.upstream, codex_auth_file=login_file)

    await proxy.logged("env:NAME or file:PATH are safer")


async def test_a_key_from_a_file(start: Start, standin: Standin, login_file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    proxy = await start(
        codex_client_key=f"file:{tmp_path / 'key'}", codex_upstream=standin.upstream, codex_auth_file=login_file
    )

    async with httpx2.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        assert (await client.get("/", headers={"x-api-key": "from a file"})).status_code == 200
        assert (await client.get("/")).status_code == 401
