"""Heads and bodies of clients over their bounds, as bytes on the wire: refused in OpenAI's shape, before they cost anything."""

import asyncio
import contextlib
import json
import re
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.message import bodies, heads
from standin import Standin

from .harness import PATIENCE, QUESTION, Proxy, Start, memory, new_client

MB = 1 << 20
BODY = json.dumps(QUESTION).encode()
HOST = b"Host: 127.0.0.1\r\n"
POST = b"POST /v1/responses HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


def exchange(port: int, pieces: tuple[bytes, ...], tls: ssl.SSLContext | None) -> bytes:
    """All that comes for these bytes, up to the end of the connection; not by asyncio, which drops what came before a reset."""
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with tls.wrap_socket(plain) if tls else plain as sock:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                sock.sendall(piece)
        came = bytearray()
        with contextlib.suppress(ConnectionError):
            while more := sock.recv(65536):
                came += more
        return bytes(came)


async def asked(proxy: Proxy, *pieces: bytes, tls: ssl.SSLContext | None = None) -> tuple[int, dict[str, Any], bytes]:
    """Status, error and all bytes of what comes."""
    came = await asyncio.to_thread(exchange, proxy.ports[0], pieces, tls)
    head, _, body = came.partition(b"\r\n\r\n")
    error = json.loads(body)["error"] if body.startswith(b'{"error"') else {}
    return int(head.split(b" ")[1]) if head else 0, error, came


LINES = b"".join(b"X-%d: %s\r\n" % (i, b"a" * 1000) for i in range(1000))

OVER = {
    "a path": ([b"GET /v1/models/" + b"a" * (8 * MB) + b" HTTP/1.1\r\n" + HOST + b"\r\n"], 414, "path_too_long"),
    "a path without an end": ([b"GET /" + b"a" * MB] * 20, 414, "path_too_long"),
    "a query": ([b"GET /v1/models?" + b"a=b&" * 300_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"], 414, "path_too_long"),
    "an absolute form": ([b"GET http://127.0.0.1/" + b"a" * MB + b" HTTP/1.1\r\n\r\n"], 414, "path_too_long"),
    "a method": ([b"G" * MB], 414, "path_too_long"),
    "many lines": ([POST + b"A: b\r\n" * 5000 + b"\r\n"], 431, "head_too_large"),
    "lines without an end": ([POST, *[LINES] * 100], 431, "head_too_large"),
    "one line": ([POST + b"A: ", *[b"a" * MB] * 20], 431, "head_too_large"),
    "a folded line": ([POST + b"A: b\r\n", *[b" a" * MB] * 20], 431, "head_too_large"),
    "bearers": ([POST + b"A: " + b"bearer " * 300_000 + b"\r\n\r\n"], 431, "head_too_large"),
    "just over": ([POST + b"A: " + b"a" * heads.CLIENT.size + b"\r\n\r\n"], 431, "head_too_large"),
    "no HTTP": ([b"\x00\x01\x02\r\n\r\n"], 400, "malformed_request"),
    "a line without a colon": ([POST + b"hello\r\n\r\n"], 400, "malformed_request"),
    "two lengths": ([POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"], 400, "malformed_request"),
    "both lengths": ([CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n"], 400, "malformed_request"),
    "HTTP/2 in the clear": ([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], 505, "http_version"),
    "HTTP/3": ([b"GET / HTTP/3.0\r\n" + HOST + b"\r\n"], 505, "http_version"),
    "a chunk without an end": ([CHUNKED + b"\r\n5;", *[b"a" * MB] * 20], 400, "malformed_request"),
    "a chunk of no size": ([CHUNKED + b"\r\n-1\r\n"], 400, "malformed_request"),
    "trailers without an end": ([CHUNKED + b"\r\n0\r\n", *[LINES] * 20], 400, "malformed_request"),
    "tiny chunks": ([CHUNKED + b"\r\n", *[b"1\r\nx\r\n" * 100_000] * 20], 400, "malformed_request"),
    "extensions": ([CHUNKED + b"\r\n", *[(b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 1000] * 3], 400, "malformed_request"),
}  # fmt: skip


async def test_what_is_over_a_bound_is_refused_and_costs_nothing(
    proxy: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    assert (await asked(proxy, HEALTH))[0] == 200
    before = memory(proxy)
    for name, (pieces, status, code) in OVER.items():
        with subtests.test(name):
            told = await asked(proxy, *pieces)
            assert (told[0], told[1].get("code")) == (status, code), told[2][:300]
            assert b"connection: close" in told[2].lower()
            assert len(told[2]) < 1000
    with subtests.test("memory"):
        assert memory(proxy) - before < 40 * MB
    assert standin.requests == []
    assert "Traceback" not in proxy.log
    # One line each, and nothing of what came.
    assert "aaaaaaaa" not in proxy.log and "bearer bearer" not in proxy.log
    assert len(re.findall(r"(?m)Request refused: (?:414 path_too_long|431 head_too_large)\.$", proxy.log)) == 11


async def test_while_heads_come_in_everybody_else_is_served(proxy: Proxy) -> None:
    waits = []
    async with new_client(proxy) as client:
        loop = asyncio.get_running_loop()
        for pieces, *_ in (OVER["bearers"], OVER["a query"], OVER["a path"], OVER["lines without an end"]):
            asking = asyncio.create_task(asked(proxy, *pieces))
            while not asking.done():
                began = loop.time()
                assert (await client.get("/healthz")).status_code == 200
                waits.append(loop.time() - began)
    # Each took seconds, when a head was searched whatever its length; a busy machine may well take a second.
    assert max(waits) < PATIENCE / 10


async def test_heads_within_the_bounds_are_taken(proxy: Proxy, subtests: pytest.Subtests) -> None:
    length = b"Content-Length: %d\r\nConnection: close\r\n" % len(BODY)
    cases = {
        "in small pieces": [bytes([byte]) for byte in POST + length + b"\r\n" + BODY],
        "after empty lines": [b"\r\n\r\n" + POST + length + b"\r\n" + BODY],
        "a folded line": [POST + b"X-A: b\r\n c\r\n" + length + b"\r\n" + BODY],
        "many lines": [POST + b"X-A: b\r\n" * 200 + length + b"\r\n" + BODY],
        "a long line": [POST + b"X-A: " + b"a" * (100 << 10) + b"\r\n" + length + b"\r\n" + BODY],
        "chunks with extensions and trailers": [
            CHUNKED + b"Connection: close\r\n\r\n%x;a=b\r\n%s\r\n0\r\nX-T: a\r\nX-U: b\r\n\r\n" % (len(BODY), BODY)
        ],
        "small chunks": [
            CHUNKED + b"Connection: close\r\n\r\n",
            *[b"1\r\n%c\r\n" % byte for byte in BODY],
            b"0\r\n\r\n",
        ],
    }
    for name, pieces in cases.items():
        with subtests.test(name):
            status, _, came = await asked(proxy, *pieces)
            assert (status, b"response.completed" in came) == (200, True), came[:300]


async def test_a_head_that_takes_too_long_is_refused(start: Start, login_file: Path) -> None:
    proxy = await start(codex_auth_file=login_file, codex_head_timeout=0.5)
    status, error, _ = await asked(proxy, POST + b"X-A: ")
    assert (status, error["code"]) == (408, "head_timeout")
    assert "codex_head_timeout" in error["message"]

    # A byte now and then is no more.
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    async with asyncio.timeout(PATIENCE):
        while not (came := await read_for(reader, 0.1)):
            writer.write(b"P")
    assert b"head_timeout" in came
    writer.close()

    # Two heads on one connection, the second half: the wait is the second's.
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    writer.write(HEALTH.replace(b"close", b"keep-alive") + b"GET /hea")
    came = await asyncio.wait_for(reader.read(), PATIENCE)
    assert came.count(b"HTTP/1.1 200") == came.count(b"HTTP/1.1 408") == 1
    writer.close()


async def read_for(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What comes within so many seconds; nothing if nothing does."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await reader.read(65536)
    return b""


async def test_a_connection_that_never_sends_a_byte_ends(start: Start, login_file: Path) -> None:
    proxy = await start(codex_auth_file=login_file, codex_head_timeout=0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
    writer.close()

    # One that waits between two requests is no head under way.
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    kept = HEALTH.replace(b"close", b"keep-alive")
    async with asyncio.timeout(PATIENCE):
        for _ in range(2):
            writer.write(kept)
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head)
            assert found and b"200 OK" in head
            await reader.readexactly(int(found[1]))
            assert await read_for(reader, 1.5) == b""
    writer.close()


async def test_a_client_that_still_sends_gets_to_read_the_refusal(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    async with asyncio.timeout(PATIENCE):
        writer.write(POST + b"A: " + b"a" * MB)
        came = await reader.readuntil(b"\r\n\r\n")
        for _ in range(8):
            writer.write(b"a" * MB)
            await writer.drain()
        assert b"431" in came and b"head_too_large" in await reader.read()
    writer.close()


async def test_what_is_sent_ahead_of_an_answer_is_bounded(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file)
    before = memory(proxy)
    request = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    _, _, came = await asked(proxy, request, *[b"a" * MB] * 100)
    assert b"response.completed" in came
    assert memory(proxy) - before < 60 * MB


async def test_nothing_of_a_request_without_the_key_is_kept(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    script = tmp_path / "tells.py"
    script.write_text("import logging\ndef response(flow): logging.info('kept: %s', sorted(flow.metadata['codex']))\n")
    key = "key-of-this-proxy-1"
    proxy = await start(
        "-s", str(script), codex_auth_file=login_file, codex_client_key=key, codex_upstream=standin.upstream
    )
    async with new_client(proxy) as client:
        refused = await client.post("/v1/responses", json=QUESTION, headers={"x-note": "a" * 10_000})
    assert refused.status_code == 401
    assert "original" not in (await proxy.logged("kept: (.*)"))[1]


async def test_http_2_is_not_spoken_where_the_client_speaks_tls(start: Start, login_file: Path) -> None:
    proxy = await start(codex_auth_file=login_file)
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    for offered in (["h2", "http/1.1"], ["http/1.1"], ["h2"]):
        tls.set_alpn_protocols(offered)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0], ssl=tls)
        chosen = writer.get_extra_info("ssl_object").selected_alpn_protocol()
        assert chosen in ("http/1.1", None)
        writer.write(HEALTH)
        assert b"HTTP/1.1 200 OK" in await asyncio.wait_for(reader.read(65536), PATIENCE)
        writer.close()
    status, error, _ = await asked(proxy, POST + b"A: " + b"a" * MB + b"\r\n\r\n", tls=tls)
    assert (status, error["code"]) == (431, "head_too_large")


def test_the_bounds_are_those_that_the_readme_names() -> None:
    assert (heads.CLIENT.size, heads.CLIENT.line, heads.CLIENT.fields) == (128 << 10, 16 << 10, 256)
    assert bodies.CHUNK_LINE < heads.CLIENT.size
