"""Options of mitmproxy that are set for other uses: none comes between the addon's last step and the backend."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from free_port import free_port
from standin import Standin

from ..websocket_client import Refused, connected
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client
from .test_network import by_name
from .test_secrets import web_client

TOKEN = {"authorization": "Bearer dummy"}

# As people have them in ~/.mitmproxy/config.yaml.
FOREIGN: dict[str, Any] = {
    "allow_hosts": ["example[.]org"],
    "anticache": "true",
    "anticomp": "true",
    "ignore_hosts": [".*"],
    "map_local": ["|responses|/etc"],
    "map_remote": ["|responses|elsewhere"],
    "modify_body": ["/~q/Say/Shout"],
    "modify_headers": ["/~q/authorization/Bearer other", "/~q/x-theirs/1", "/~s/x-theirs/1"],
    "proxy_debug": "true",
    "ssl_insecure": "true",
    "stickyauth": ".*",
    "stickycookie": ".*",
    "stream_large_bodies": "1",
    "tcp_hosts": [".*"],
    "ciphers_server": "AES128-SHA",
    "upstream_auth": "me:secretword",
    "websocket": "false",
}


def token_of(login_file: Path) -> str:
    return str(json.loads(login_file.read_text())["tokens"]["access_token"])


async def test_a_request_goes_up_as_prepared_whatever_is_set(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
        onboarding_host="127.0.0.1", **FOREIGN,
    )  # fmt: skip
    for name in FOREIGN:
        await proxy.logged(f"{name} is not followed on the Codex listener: ")
    assert proxy.log.count("is not followed") == len(FOREIGN)
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
        assert answer.status_code == 200, answer.text
        assert "x-theirs" not in answer.headers
    async with connected(f"{proxy.url}/v1/responses", TOKEN) as socket:
        assert (await socket.ask(input="Say it."))[-1]["type"] == "response.completed"

    posted, upgraded, message = standin.requests
    for seen in (posted, upgraded):
        assert seen.header("authorization") == f"Bearer {token_of(login_file)}"
        assert seen.header("x-theirs") is None
    assert "Say something." in str(posted.json)
    assert "Say it." in str(message.json)
    assert standin.refresh_calls == []
    assert token_of(login_file) not in proxy.log


class AskingForACertificate:
    """A TLS server that keeps what its clients show, and what they send."""

    def __init__(self) -> None:
        self.shown: list[bytes | None] = []
        self.heads: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.shown.append(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 500 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()


@pytest.fixture
async def asking(authority: tuple[Path, Path, Path]) -> AsyncIterator[AskingForACertificate]:
    ca, certificate, key = authority
    made = AskingForACertificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@pytest.mark.parametrize("as_folder", [False, True])
async def test_no_certificate_of_the_person_is_shown(
    as_folder: bool,
    start: Start,
    asking: AskingForACertificate,
    login_file: Path,
    authority: tuple[Path, Path, Path],
    tmp_path: Path,
) -> None:
    ca, certificate, key = authority
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "localhost.pem").write_bytes(key.read_bytes() + certificate.read_bytes())
    proxy = await start(
        env={"SSL_CERT_FILE": str(ca)},
        codex_upstream=f"https://localhost:{asking.port}/backend-api/codex",
        codex_auth_file=login_file,
        client_certs=folder if as_folder else folder / "localhost.pem",
    )
    async with new_client(proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 500
    assert asking.shown == [None]
    await proxy.logged("client_certs is not followed")


class Web:
    """mitmweb with the addon, and a client of its interface."""

    def __init__(self, proxy: Proxy, client: httpx2.AsyncClient) -> None:
        self.proxy, self.client = proxy, client

    async def replay(self, number: int = 0) -> dict[str, Any]:
        """Send a flow once more, as the button does; the flow when it is over."""
        flow = (await self.client.get("/flows")).json()[number]
        assert (await self.client.post(f"/flows/{flow['id']}/replay")).status_code == 200
        async with asyncio.timeout(PATIENCE):
            while True:
                again: dict[str, Any] = (await self.client.get("/flows")).json()[number]
                ended = again.get("error") or (again.get("response") or {}).get("timestamp_end")
                if again["is_replay"] and ended:
                    return again
                await asyncio.sleep(0.02)


async def opened(start: Start, **options: Any) -> Web:
    proxy = await start(
        "--no-web-open-browser", "--web-port", str(free_port()), tool="mitmweb", web_password="letmein", **options
    )
    return Web(proxy, await web_client(proxy))


async def test_an_untrusted_backend_gets_no_token_by_any_way(
    start: Start,
    over_tls: Standin,
    login_file: Path,
) -> None:
    web = await opened(
        start, codex_upstream=by_name(over_tls.upstream), codex_auth_file=login_file, ssl_insecure="true"
    )
    async with new_client(web.proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "backend_certificate")
    with pytest.raises(Refused) as refused:
        async with connected(f"{web.proxy.url}/v1/responses", TOKEN):
            pass
    assert refused.value.error["code"] == "backend_certificate"
    again = await web.replay()
    assert (again.get("response") or {}).get("status_code") != 200
    await web.client.aclose()
    assert over_tls.requests == []


async def test_a_replay_writes_no_token_into_the_log(start: Start, standin: Standin, login_file: Path) -> None:
    web = await opened(
        start, codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
        proxy_debug="true", termlog_verbosity="debug", upstream_auth="me:secretword", stream_large_bodies="1",
        modify_headers="/~q/authorization/Bearer other", modify_body="/~q/Say/Shout", map_remote="|responses|elsewhere",
    )  # fmt: skip
    async with new_client(web.proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
    again = await web.replay()
    events = (await web.client.get("/events")).text
    await web.client.aclose()

    assert again["response"]["status_code"] == 200
    token = token_of(login_file)
    first, second = standin.requests
    assert second.header("authorization") == first.header("authorization") == f"Bearer {token}"
    assert second.body == first.body
    for told in (web.proxy.log, events, json.dumps(again)):
        assert token not in told
        assert not any(part in told for part in token.split(".") if len(part) > 20)
