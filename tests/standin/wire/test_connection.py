"""Connections: kept alive, held, left by the client, encrypted, and met with nonsense."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from standin import Standin, routes

from ..kit import CODEX, events, good, running


async def test_a_connection_serves_many_requests() -> None:
    async with running() as c:
        for _ in range(3):
            await c.ask()
        await c.ask(store=True)
        await c.models()
        await c.refresh()
        assert {seen.connection for seen in c.s.requests} == {1}
        assert c.s.idle_connections == 1


async def test_two_requests_may_be_sent_at_once() -> None:
    async with running() as c:
        data = await c.raw(c.raw_request() + c.raw_request(more="connection: close\r\n"))
        assert data.count(b"HTTP/1.1 200") == 2
        assert data.count(b"event: response.completed") == 2


async def test_an_answer_can_be_held_after_its_first_event() -> None:
    async with running() as c:
        c.s.hold()
        async with c.http.stream("POST", f"{c.s.upstream}/responses", json=good(), headers=c.headers) as answer:
            pieces = answer.aiter_text()
            first = await anext(pieces)
            await c.s.held.wait()
            assert [event["type"] for event in events(first)] == ["response.created"]
            assert c.s.idle_connections == 0
            c.s.release()
            rest = "".join([piece async for piece in pieces])
            assert events(rest)[-1]["type"] == "response.completed"


async def test_an_answer_can_be_held_before_its_status() -> None:
    async with running() as c:
        c.s.hold(before_headers=True)
        asking = asyncio.create_task(c.ask())
        await c.s.held.wait()
        assert [seen.status for seen in c.s.requests] == [200]
        assert not asking.done()
        assert (await c.ask()).status_code == 200
        c.s.release()
        assert (await asking).status_code == 200


async def test_a_refresh_can_be_held() -> None:
    async with running() as c:
        c.s.hold(before_headers=True, kind="token")
        refreshing = asyncio.create_task(c.refresh())
        await c.s.held.wait()
        assert (await c.ask()).status_code == 200
        c.s.release()
        assert (await refreshing).status_code == 200


@pytest.mark.parametrize("before_headers", [False, True])
async def test_a_client_that_leaves_is_noticed(before_headers: bool) -> None:
    async with running() as c:
        c.s.hold(before_headers=before_headers)
        _, writer = await asyncio.open_connection("127.0.0.1", c.s.port)
        writer.write(c.raw_request())
        await c.s.held.wait()
        writer.close()
        await c.s.wait_for_client_gone(5)
        assert c.s.closed_by_client == 1


async def test_a_client_that_leaves_a_slow_answer_is_noticed() -> None:
    async with running() as c:
        c.s.fail("slow:60")
        with pytest.raises(httpx2.ReadTimeout):
            await c.http.post(f"{c.s.upstream}/responses", json=good(), headers=c.headers, timeout=0.1)
        await c.s.wait_for_client_gone(5)


async def test_a_client_that_leaves_between_requests_is_not_counted() -> None:
    async with running() as c:
        await c.raw(c.raw_request(more="connection: close\r\n"))
        with pytest.raises(TimeoutError):
            await c.s.wait_for_client_gone(0.01)
        assert c.s.closed_by_client == 0


async def test_a_client_that_reads_slowly_gets_everything() -> None:
    async with running() as c:
        c.s.answer(text="x" * 3_000_000, deltas=30)
        async with c.http.stream("POST", f"{c.s.upstream}/responses", json=good(), headers=c.headers) as answer:
            size = 0
            async for piece in answer.aiter_raw():
                size += len(piece)
                await asyncio.sleep(0)
        assert size > 3_000_000


NONSENSE = [
    b"hello\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
]


@pytest.mark.parametrize("sent", NONSENSE)
async def test_nonsense_gets_a_400(sent: bytes) -> None:
    async with running() as c:
        assert (await c.raw(sent + b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        assert (await c.ask()).status_code == 200


async def test_a_request_that_breaks_off_is_no_crash() -> None:
    async with running() as c:
        _, writer = await asyncio.open_connection("127.0.0.1", c.s.port)
        writer.write(c.raw_request()[:-5])
        writer.close()
        await writer.wait_closed()
        assert (await c.ask()).status_code == 200
        assert len(c.s.requests) == 1


async def test_a_client_that_asks_before_it_sends_is_told_to_go_on() -> None:
    async with running() as c:
        reader, writer = await asyncio.open_connection("127.0.0.1", c.s.port)
        head, _, body = c.raw_request(more="expect: 100-continue\r\n").partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 \r\n\r\n"
        writer.write(body)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_chunked_bodies_are_read() -> None:
    async def body() -> AsyncIterator[bytes]:
        data = c.raw_request().partition(b"\r\n\r\n")[2]
        for start in range(0, len(data), 10):
            yield data[start : start + 10]

    async with running() as c:
        headers = c.headers | {"content-type": "application/json"}
        answer = await c.http.post(f"{c.s.upstream}/responses", content=body(), headers=headers)
        assert answer.status_code == 200
        assert c.s.requests[0].header("Transfer-Encoding") == "chunked"


async def test_only_so_many_requests_are_kept() -> None:
    async with running(keep=2) as c:
        for _ in range(5):
            await c.ask()
        assert len(c.s.requests) == 2


async def test_a_crash_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(standin: Standin, request: object) -> object:
        raise LookupError("a mistake")

    monkeypatch.setitem(routes.ROUTES[f"{CODEX}/models"], "GET", crash)
    with pytest.raises(ExceptionGroup) as caught:
        async with running() as c:
            with pytest.raises(httpx2.RemoteProtocolError):
                await c.models()
            assert len(c.s.crashes) == 1
    assert caught.group_contains(LookupError)


async def test_it_can_be_used_again_and_again_on_one_port() -> None:
    async with running() as c:
        port = c.s.port
        await c.ask()
    async with running(port=port) as c:
        assert c.s.origin == f"http://127.0.0.1:{port}"
        assert (await c.ask()).status_code == 200


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "standin")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    signed = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    files = (tmp_path / "cert.pem", tmp_path / "key.pem")
    pem = serialization.Encoding.PEM
    files[0].write_bytes(signed.public_bytes(pem))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return str(files[0]), str(files[1])


async def test_it_speaks_tls(certificate: tuple[str, str]) -> None:
    async with Standin(tls=certificate) as s:
        assert s.upstream == f"https://127.0.0.1:{s.port}/backend-api/codex"
        tokens = s.login()["tokens"]
        headers = {"authorization": f"Bearer {tokens['access_token']}", "chatgpt-account-id": tokens["account_id"]}
        context = ssl.create_default_context(cafile=certificate[0])
        async with httpx2.AsyncClient(verify=context) as http:
            assert (await http.post(f"{s.upstream}/responses", json=good(), headers=headers)).status_code == 200
            s.fail("reset", "reset-before-answer")
            for _ in range(2):
                http.cookies.clear()  # the client would send back __oailb, which the CLI does not
                with pytest.raises(httpx2.TransportError):
                    await http.post(f"{s.upstream}/responses", json=good(), headers=headers)


async def test_plain_http_at_a_tls_port_is_no_crash(certificate: tuple[str, str]) -> None:
    async with Standin(tls=certificate) as s, httpx2.AsyncClient() as http:
        with pytest.raises(httpx2.TransportError):
            await http.get(f"http://127.0.0.1:{s.port}/")
