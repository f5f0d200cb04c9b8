"""The way to the backend: TLS with its own CA, an outgoing proxy with a password, time-outs."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from standin import Standin

from ..websocket_client import connected
from .harness import QUESTION, Start, ask, new_client, write_login


def by_name(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


async def test_ssl_cert_file_holds_for_backend_and_issuer(
    start: Start, over_tls: Standin, authority: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login(expires_in=-10))
    proxy = await start(
        env={"SSL_CERT_FILE": str(authority[0])},
        codex_upstream=by_name(over_tls.upstream), codex_issuer=by_name(over_tls.issuer), codex_auth_file=path,
    )  # fmt: skip
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)
        assert answer.status_code == 200, answer.text
        # The client of our own as well.
        over_tls.fail("unauthorized")
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
    assert len(over_tls.refresh_calls) == 2


async def test_an_unknown_certificate_is_refused_and_told(start: Start, over_tls: Standin, tmp_path: Path) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login())
    proxy = await start(codex_upstream=by_name(over_tls.upstream), codex_auth_file=path)
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "backend_certificate")
    assert "SSL_CERT_FILE" in answer.json()["error"]["message"]
    assert over_tls.requests == []


async def test_a_certificate_for_another_name_is_refused(
    start: Start, over_tls: Standin, authority: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login())
    proxy = await start(
        env={"SSL_CERT_FILE": str(authority[0])}, codex_upstream=over_tls.upstream, codex_auth_file=path
    )
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "backend_certificate")


class OutgoingProxy:
    """An HTTP proxy that takes CONNECT and wants a name and a password."""

    def __init__(self) -> None:
        self.connects: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.connects.append(head)
        expected = base64.b64encode(b"user:p@ss").decode()
        if f"proxy-authorization: basic {expected}".lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            return
        host, _, port = head.split()[1].rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self.copy(reader, far_writer), self.copy(far_reader, writer))

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()


@pytest.fixture
async def outgoing() -> AsyncIterator[OutgoingProxy]:
    proxy = OutgoingProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()


async def test_the_outgoing_proxy_is_used_for_backend_and_issuer(
    start: Start, over_tls: Standin, authority: tuple[Path, Path, Path], outgoing: OutgoingProxy, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login(expires_in=-10))
    env = {"SSL_CERT_FILE": str(authority[0]), "HTTPS_PROXY": f"http://user:p%40ss@127.0.0.1:{outgoing.port}"}
    proxy = await start(
        env=env, codex_upstream=by_name(over_tls.upstream), codex_issuer=by_name(over_tls.issuer), codex_auth_file=path
    )
    async with new_client(proxy) as client:
        answer = await ask(client, "/responses", QUESTION)
    async with connected(f"{proxy.url}/responses") as socket:
        # Of the proxy's own messages too the way is found (mitmproxy's injection looks for the connection).
        refused = (await socket.ask(conversation="conv_1"))[-1]
        event = (await socket.ask())[-1]

    assert answer.status == 200, answer.text
    assert (event["type"], refused["error"]["code"]) == ("response.completed", "not_supported")
    assert len(outgoing.connects) == 3
    assert "p@ss" not in proxy.log
    assert "p%40ss" not in proxy.log


async def test_no_proxy_leads_past_it(
    start: Start, over_tls: Standin, authority: tuple[Path, Path, Path], outgoing: OutgoingProxy, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login(expires_in=-10))
    env = {
        "SSL_CERT_FILE": str(authority[0]),
        "HTTPS_PROXY": f"http://127.0.0.1:{outgoing.port}",
        "NO_PROXY": "localhost",
    }
    proxy = await start(
        env=env, codex_upstream=by_name(over_tls.upstream), codex_issuer=by_name(over_tls.issuer), codex_auth_file=path
    )
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
    assert outgoing.connects == []


async def test_a_refusing_outgoing_proxy_is_told(
    start: Start, over_tls: Standin, outgoing: OutgoingProxy, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login())
    env = {"HTTPS_PROXY": f"http://user:wrong-password@127.0.0.1:{outgoing.port}"}
    proxy = await start(env=env, codex_upstream=by_name(over_tls.upstream), codex_auth_file=path)
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "outgoing_proxy_failed")
    assert "wrong-password" not in answer.text + proxy.log


UNREACHABLE = [
    ("http://127.0.0.1:1/x", "backend_unreachable"),
    ("https://no-such-name.invalid/x", "backend_unknown_host"),
]


@pytest.mark.parametrize(("address", "code"), UNREACHABLE)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_unreachable_backend_is_told(
    address: str, code: str, stream: bool, start: Start, login_file: Path
) -> None:
    proxy = await start(codex_upstream=address, codex_auth_file=login_file)
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json={**QUESTION, "stream": stream})

    assert (answer.status_code, answer.json()["error"]["code"]) == (502, code)


async def test_a_backend_that_is_silent_or_no_tls_server_is_given_up(start: Start, login_file: Path) -> None:
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for scheme, wait in (("https", "codex_connect_timeout"), ("http", "codex_idle_timeout")):
        options = {"codex_connect_timeout": "0.3", "codex_idle_timeout": "0.6", "codex_auth_file": login_file}
        proxy = await start(codex_upstream=f"{scheme}://127.0.0.1:{port}/x", **options)
        async with new_client(proxy) as client:
            answer = await client.post("/responses", json=QUESTION)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "backend_timeout"), wait
    silent.set()
    server.close()


async def test_a_stream_that_falls_silent_is_ended_with_an_error_event(
    start: Start, standin: Standin, login_file: Path
) -> None:
    standin.hold()
    proxy = await start(
        codex_upstream=standin.upstream,
        codex_auth_file=login_file,
        codex_connect_timeout="0.2",
        codex_idle_timeout="0.5",
    )
    async with new_client(proxy) as client:
        answer = await ask(client, "/responses", QUESTION)

    assert (answer.status, answer.is_whole) == (200, False)
    assert "event: error" in answer.text
    assert "stopped in the middle of its answer: nothing more came for 0.5 s" in answer.text


async def test_cloudflares_cookies_go_back_to_the_backend_and_no_others(
    start: Start, over_tls: Standin, authority: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", over_tls.login())
    proxy = await start(
        env={"SSL_CERT_FILE": str(authority[0])}, codex_upstream=by_name(over_tls.upstream), codex_auth_file=path
    )
    async with new_client(proxy) as client:
        for _ in range(2):
            await client.post("/v1/responses", json=QUESTION, headers={"cookie": "mine=1"})

    sent = [{name.lower(): value for name, value in seen.headers}.get("cookie", "") for seen in over_tls.requests]
    names = {pair.split("=")[0].strip() for pair in sent[1].split(";")}
    assert sent[0] == ""
    assert names == {"__cf_bm", "__cflb"}


# What tells mitmproxy of a backend's end is cancelled in that moment, as can be where it could not write to it either;
# and once more, by another task that could not write.
END_NOT_TOLD = """
import asyncio
from mitmproxy.connection import Server
from mitmproxy.proxy import events, server

tell = server.ConnectionHandler.server_event

async def server_event(self, event):
    is_end = isinstance(event, events.ConnectionClosed) and isinstance(event.connection, Server)
    if is_end and not hasattr(self, "was_cancelled"):
        self.was_cancelled = True
        asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)
        raise asyncio.CancelledError
    await tell(self, event)

server.ConnectionHandler.server_event = server_event
"""


async def test_the_end_of_a_backend_is_told_though_mitmproxy_has_not(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    script = tmp_path / "end_not_told.py"
    script.write_text(END_NOT_TOLD)
    proxy = await start("-s", str(script), codex_upstream=standin.upstream, codex_auth_file=login_file)
    standin.fail("reset", times=2)
    async with new_client(proxy) as client:
        answer = await ask(client, "/responses", QUESTION)
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer dummy"}) as socket:
        event = (await socket.ask())[-1]

    assert "event: error" in answer.text and "stream_broken" in answer.text
    assert (event["status"], event["error"]["code"]) == (502, "stream_broken")
