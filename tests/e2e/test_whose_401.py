"""A 401 is a refused token only if the token is what was sent: anything else spends no refresh token."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from standin import Standin

from ..websocket_client import Refused, connected
from .harness import QUESTION, Proxy, Start, new_client, write_login
from .test_foreign_options import opened, token_of
from .test_network import by_name

TOKEN = {"authorization": "Bearer dummy"}

# Addons of a person's own, behind ours.
THEIRS = {
    "answers itself": """
def request(flow): flow.response = http.Response.make(401, b'{"detail": "theirs"}', {"content-type": "application/json"})
""",
    "answers itself, later": """
def responseheaders(flow): flow.response.status_code = 401
def request(flow): flow.response = http.Response.make(200, b"{}", {"content-type": "application/json"})
""",
}

CHANGES = {
    "another value": "flow.request.headers['authorization'] = 'Bearer other'",
    "one more": "flow.request.headers.add('Authorization', 'Bearer other')",
    "none": "flow.request.headers.pop('authorization', None)",
    "other headers": "flow.request.headers = http.Headers([(k, b'Bearer other' if k == b'Authorization' else v) for k, v in flow.request.headers.fields])",
    "another account": "flow.request.headers['ChatGPT-Account-ID'] = 'theirs'",
}


async def with_addon(start: Start, standin: Standin, login_file: Path, folder: Path, code: str) -> Proxy:
    script = folder / "theirs.py"
    script.write_text("from mitmproxy import http\n" + code)
    return await start(
        "-s", str(script), codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file
    )


@pytest.mark.parametrize("code", THEIRS.values(), ids=THEIRS.keys())
async def test_a_401_of_an_addon_spends_nothing(
    code: str, start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    proxy = await with_addon(start, standin, login_file, tmp_path, code)
    async with new_client(proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 401
    with pytest.raises(Refused):
        async with connected(f"{proxy.url}/v1/responses", TOKEN):
            pass
    assert (standin.requests, standin.refresh_calls) == ([], [])


@pytest.mark.parametrize("hook", ["requestheaders", "request"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_an_addon_can_put_nothing_in_the_tokens_place(
    change: str, hook: str, start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    proxy = await with_addon(start, standin, login_file, tmp_path, f"def {hook}(flow): {change}\n")
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
        assert answer.status_code == 200, answer.text
    [seen] = standin.requests
    assert [v for k, v in seen.headers if k == "authorization"] == [f"Bearer {token_of(login_file)}"]
    assert "theirs" not in [v for k, v in seen.headers if k == "chatgpt-account-id"]
    assert standin.refresh_calls == []


async def test_a_body_and_a_harmless_header_of_an_addon_go_up(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    code = "def request(flow):\n flow.request.text = flow.request.text.replace('something', 'much')\n flow.request.headers['x-theirs'] = '1'\n"
    proxy = await with_addon(start, standin, login_file, tmp_path, code)
    async with new_client(proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    [seen] = standin.requests
    assert (seen.header("x-theirs"), "Say much." in str(seen.json)) == ("1", True)


async def test_a_replay_whose_token_was_refused_is_sent_again_with_another(
    start: Start, standin: Standin, login_file: Path
) -> None:
    web = await opened(start, codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file)
    async with new_client(web.proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    standin.fail("unauthorized")
    await web.replay()
    await web.proxy.logged("200 .*the token was refused; sent again with a new one")
    await web.client.aclose()
    assert len(standin.refresh_calls) == 1


async def test_a_replay_to_a_silent_backend_comes_to_an_end(start: Start, standin: Standin, login_file: Path) -> None:
    web = await opened(
        start,
        codex_upstream=standin.upstream,
        codex_auth_file=login_file,
        codex_idle_timeout=1,
        codex_issuer=standin.issuer,
    )
    async with new_client(web.proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    standin.hold(before_headers=True)
    again = await web.replay()
    standin.release()
    await web.client.aclose()
    assert again["error"] or again["response"]["status_code"] == 504


@pytest.fixture
async def refusing() -> AsyncIterator[tuple[int, list[bytes]]]:
    """An outgoing proxy that answers 401 (not 407) to CONNECT."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], heads
    server.close()


async def test_a_401_of_an_outgoing_proxy_spends_nothing(
    start: Start, over_tls: Standin, refusing: tuple[int, list[bytes]], tmp_path: Path
) -> None:
    port, heads = refusing
    proxy = await start(
        env={"HTTPS_PROXY": f"http://127.0.0.1:{port}"},
        codex_upstream=by_name(over_tls.upstream),
        codex_issuer=over_tls.issuer.replace("https", "http"),
        codex_auth_file=write_login(tmp_path / "auth.json", over_tls.login()),
    )
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "outgoing_proxy_failed")
    assert all(b"authorization" not in head.lower() for head in heads)
    assert over_tls.refresh_calls == []
