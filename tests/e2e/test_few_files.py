"""A process that may open few files more says so, and keeps some for the backend."""

import asyncio
import json
import os
import resource
import sys
from pathlib import Path

import httpx2
import pytest

from standin import Standin

from .harness import PATIENCE, QUESTION, Proxy, Start, new_client, write_login

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")


async def bound(proxy: Proxy, more: int) -> None:
    """Let the proxy, once its start has ended, open so many files more than it has."""
    async with new_client(proxy) as client:
        await client.get("/healthz")
    bound_to(proxy, more)


def bound_to(proxy: Proxy, more: int) -> None:
    """As it stands now."""
    pid = proxy.process.pid
    have = len(os.listdir(f"/proc/{pid}/fd"))
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (have + more, hard))


def lift(proxy: Proxy) -> None:
    hard = resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(proxy.process.pid, resource.RLIMIT_NOFILE, (min(hard, 4096), hard))


async def test_with_few_files_left_clients_are_told_that_and_no_other_thing(proxy: Proxy, standin: Standin) -> None:
    await bound(proxy, 30)
    kept: list[httpx2.AsyncClient] = []
    answers: list[tuple[int, str]] = []
    try:
        for _ in range(25):
            client = httpx2.AsyncClient(base_url=proxy.url, timeout=PATIENCE, trust_env=False)
            kept.append(client)
            answer = await client.post("/v1/responses", json=QUESTION)
            answers.append((answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["code"]))
    finally:
        for client in kept:
            await client.aclose()
    assert set(answers) == {(200, ""), (503, "proxy_out_of_files")}
    assert answers.count((200, "")) >= 5
    assert sum("file descriptors are left" in line for line in proxy.lines) == 1
    assert await answered_again(proxy)


async def answered_again(proxy: Proxy) -> bool:
    """Once the connections of those that are gone have been closed."""
    for _ in range(200):
        async with new_client(proxy) as client:
            if (await client.post("/v1/responses", json=QUESTION)).status_code == 200:
                return True
        await asyncio.sleep(0.05)
    return False


async def test_with_no_file_left_the_log_has_one_line_and_clients_wait(proxy: Proxy, standin: Standin) -> None:
    await bound(proxy, 0)
    body = json.dumps(QUESTION).encode()
    head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    streams = [await asyncio.open_connection("127.0.0.1", proxy.ports[0]) for _ in range(20)]
    for _, writer in streams:
        writer.write(head.encode() + body)
    await proxy.logged("No file descriptors are left")
    await asyncio.sleep(2.5)  # the listener tries again each second
    # Of each kind one: that no client is taken, and perhaps that one was turned away.
    assert len([line for line in proxy.lines if "No file descriptors are left" in line]) == 1, proxy.log
    assert len([line for line in proxy.lines if "open files" in line or "file descriptors are left" in line]) <= 2, (
        proxy.log
    )
    lift(proxy)
    async with asyncio.timeout(PATIENCE):
        answers = [await reader.read() for reader, _ in streams]
    # Those that were taken with the last files are told why they are not served.
    codes = [answer[9:12] for answer in answers]
    assert set(codes) <= {b"200", b"503"}, codes
    assert codes.count(b"200") > 10
    assert all(b"proxy_out_of_files" in answer for answer in answers if answer[9:12] == b"503")
    for _, writer in streams:
        writer.close()


async def test_a_renewal_without_files_is_told_as_that_and_forgotten_when_there_are_some(
    start: Start, standin: Standin, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    for more in range(4):
        with subtests.test(more=more):
            path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
            proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path)
            spent = len(standin.refresh_calls)
            async with new_client(proxy) as client:
                await client.get("/healthz")
                bound_to(proxy, more)
                refused = await client.post("/responses", json=QUESTION)
                assert refused.status_code == 503 and refused.json()["error"]["code"] == "proxy_out_of_files"
                assert len(standin.refresh_calls) == spent
            lift(proxy)
            async with new_client(proxy) as client:
                assert (await client.post("/responses", json=QUESTION)).status_code == 200
            await proxy.stop()
            assert "Traceback" not in proxy.log
