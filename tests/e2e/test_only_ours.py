"""Only the flows of our own listener are touched; everything else in the process works as before."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from standin import Standin

from .harness import QUESTION, SCRIPT, Proxy, Start, environment, new_client


class Echo:
    """Any other server: keeps what it was sent, answers 200."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: theirs=1\r\nconnection: close\r\n\r\nok")
        writer.close()


@pytest.fixture
async def other() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    yield echo
    server.close()


@pytest.fixture
async def beside(start: Start, standin: Standin, login_file: Path, other: Echo) -> Proxy:
    """Ours, a regular proxy and a reverse listener for another host in one process."""
    modes = (
        "reverse:https://chatgpt.com@127.0.0.1:0",
        "regular@127.0.0.2:0",
        f"reverse:http://127.0.0.1:{other.port}@127.0.0.3:0",
    )
    proxy = await start(modes=modes, codex_upstream=standin.upstream, codex_auth_file=login_file)
    # The order in which they come up is not promised.
    ports = {kind: int(found.group(1)) for kind, found in {
        "ours": await proxy.logged(r"reverse proxy to https://chatgpt.com listening at .*:(\d+)\."),
        "regular": await proxy.logged(r"HTTP\(S\) proxy listening at .*:(\d+)\."),
        "reverse": await proxy.logged(r"reverse proxy to http://127.* listening at .*:(\d+)\."),
    }.items()}  # fmt: skip
    proxy.ports = [ports["ours"], ports["regular"], ports["reverse"]]
    return proxy


async def test_a_regular_proxy_beside_ours_is_left_alone(beside: Proxy, other: Echo, standin: Standin) -> None:
    target = f"http://127.0.0.1:{other.port}/v1/responses"
    async with httpx2.AsyncClient(proxy=f"http://127.0.0.2:{beside.ports[1]}", trust_env=False) as client:
        response = await client.post(
            target, json=QUESTION, headers={"authorization": "Bearer theirs", "origin": "https://page.example"}
        )

    assert (response.text, response.headers["set-cookie"]) == ("ok", "theirs=1")
    assert "Bearer theirs" in other.heads[0]
    assert "nanobot-proxy" not in other.heads[0]
    assert standin.requests == []


async def test_a_regular_proxy_that_reaches_our_backend_puts_no_token_there(beside: Proxy, standin: Standin) -> None:
    async with httpx2.AsyncClient(proxy=f"http://127.0.0.2:{beside.ports[1]}", trust_env=False) as client:
        response = await client.post(f"{standin.upstream}/responses", json=QUESTION)

    assert response.status_code == 401
    assert not any(name.lower() == "authorization" for name, _ in standin.requests[0].headers)


async def test_a_reverse_listener_for_another_host_is_left_alone(beside: Proxy, other: Echo) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.3:{beside.ports[2]}", trust_env=False) as client:
        response = await client.post("/v1/responses", json=QUESTION, headers={"host": "any.example", "cookie": "a=1"})

    assert response.text == "ok"
    # As mitmproxy does it without us: Host is the target's.
    assert f"host: 127.0.0.1:{other.port}" in other.heads[0].lower()
    assert "cookie: a=1" in other.heads[0].lower()


async def test_ours_works_beside_them(beside: Proxy, standin: Standin) -> None:
    async with new_client(beside) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200


RAISING = {
    "requestheaders": "def requestheaders(self, flow): raise RuntimeError('theirs')",
    "request": "def request(self, flow): raise RuntimeError('theirs')",
    "both": "def requestheaders(self, flow): raise RuntimeError('theirs')\n    request = requestheaders",
}


@pytest.mark.parametrize("where", RAISING)
async def test_nothing_leaves_when_another_addon_raises_before_ours(
    where: str, start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    script = tmp_path / "theirs.py"
    script.write_text(f"class Theirs:\n    {RAISING[where]}\naddons = [Theirs()]\n")
    proxy = await start(first=("-s", str(script)), codex_upstream=standin.upstream, codex_auth_file=login_file)
    proxy.may_fail = True

    async with new_client(proxy) as client:
        response = await client.post("/responses", json=QUESTION)

    assert response.status_code == 500
    assert response.json()["error"]["code"] in ("not_claimed", "not_sent")
    assert standin.requests == []
    assert "dummy" not in proxy.log


async def test_a_redirecting_addon_gets_no_token(
    start: Start, standin: Standin, login_file: Path, other: Echo, tmp_path: Path
) -> None:
    script = tmp_path / "theirs.py"
    script.write_text(f"def request(flow): flow.request.url = 'http://127.0.0.1:{other.port}/taken'\n")
    proxy = await start("-s", str(script), codex_upstream=standin.upstream, codex_auth_file=login_file)
    async with new_client(proxy) as client:
        response = await client.post("/responses", json=QUESTION)

    assert response.status_code == 500
    assert response.json()["error"]["code"] == "not_sent"
    assert other.heads == []
    assert standin.requests == []


async def test_flows_from_a_file_are_shown_and_not_answered(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.flows"
    proxy = await start("-w", str(saved), codex_upstream=standin.upstream, codex_auth_file=login_file)
    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION)
    await proxy.stop()
    sent = len(standin.requests)

    reader = await start(
        "-n",
        "-r",
        str(saved),
        "--set",
        "flow_detail=1",
        wait=False,
        codex_upstream=standin.upstream,
        codex_auth_file=login_file,
    )
    assert await reader.ended() == 0
    assert "POST" in reader.log
    assert "<< 200" in reader.log
    assert len(standin.requests) == sent


async def test_plain_mitmproxy_reads_what_we_saved(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "saved.flows"
    proxy = await start("-w", str(saved), codex_upstream=standin.upstream, codex_auth_file=login_file)
    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION)
    await proxy.stop()

    mitmdump = Path(proxy.command[0])
    plain = await asyncio.create_subprocess_exec(
        mitmdump,
        "-n",
        "-r",
        saved,
        "--set",
        f"confdir={tmp_path}",
        env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await plain.communicate()
    assert plain.returncode == 0
    assert b"<< 200" in out
    assert SCRIPT.exists()
    assert json.dumps("Bearer ey").encode() not in out
