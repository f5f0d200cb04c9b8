"""Answers whose bytes the stand-in has no words for: another backend writes them as they are told."""

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import brotli  # type: ignore[import-untyped]
import openai
import pytest
import zstandard

from codex_proxy.message import heads
from standin import Standin
from standin.answers.events import events as stream_events
from standin.answers.events import frame
from standin.answers.usage import Usage

from .harness import PATIENCE, QUESTION, Proxy, Start, ask, events, memory, new_client
from .raw_backend import answer, listening, request_head

RESPONSE = {"id": "resp_1", "created_at": 7, "model": "gpt-6-sol", "status": "in_progress"}
CHAT: dict[str, Any] = {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "hi"}]}


def stream(text: str) -> bytes:
    message = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return b"".join(map(frame, stream_events(RESPONSE, [message], Usage(3, 1, 2, 1), 4)))


def failure(code: str) -> bytes:
    response = {**RESPONSE, "error": {"code": code, "message": "No."}}
    return frame({"type": "response.created", "response": RESPONSE}) + frame(
        {"type": "response.failed", "response": response}
    )


class Backend:
    """Answers each POST with `bytes`, each GET with `document`; where they name no length their end is that of the connection, a while after them."""

    def __init__(self) -> None:
        self.bytes = b""
        self.document = answer(b"{}", status="404 Not Found", kind="application/json")
        self.closes = False
        """Whether the connection ends with the answer."""
        self.asked = 0
        self.heard = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await request_head(reader)
                if not head.startswith(b"POST"):
                    writer.write(self.document)
                    continue
                self.asked += 1
                self.heard.set()
                writer.write(self.bytes)
                if self.closes:
                    await writer.drain()
                    break
                if b"content-length" not in self.bytes:
                    # To the end of the proxy's patience, or of the connection.
                    await reader.read()
        writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    async with listening(backend.serve) as backend.url:
        yield backend


Before = Callable[..., Awaitable[Proxy]]


@pytest.fixture
def before(start: Start, backend: Backend, standin: Standin, login_file: Path) -> Before:
    async def before(*args: str) -> Proxy:
        return await start(*args, codex_upstream=backend.url, codex_issuer=standin.issuer, codex_auth_file=login_file)

    return before


async def test_an_answer_in_no_known_coding_is_refused_and_the_connection_goes_on(
    before: Before, backend: Backend, subtests: pytest.Subtests
) -> None:
    async with new_client(await before()) as client:
        for coding in ("foo", "gzip"):
            for stream_asked in (False, True) if coding == "foo" else (False,):
                with subtests.test(coding=coding, stream=stream_asked):
                    backend.bytes = answer(stream("hello"), f"content-encoding: {coding}")
                    refused = await client.post("/v1/responses", json={**QUESTION, "stream": stream_asked})
                    assert (refused.status_code, refused.headers["content-type"]) == (502, "application/json")
                    assert refused.json()["error"]["code"] == "unsupported_encoding"
                    assert coding in refused.json()["error"]["message"]
                    backend.bytes = answer(stream("hello"))
                    assert "hello" in (await client.post("/v1/responses", json=QUESTION)).text


async def test_a_refusal_that_is_not_in_the_coding_it_names_is_told(before: Before, backend: Backend) -> None:
    body = b'{"detail":"Unsupported parameter: x"}'
    backend.bytes = answer(body, "content-encoding: gzip", status="400 Bad Request", kind="application/json")
    async with new_client(await before()) as client:
        refused = await client.post("/v1/chat/completions", json=CHAT)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "Unsupported parameter: x")


async def test_a_stop_text_ends_an_answer_that_would_end_with_its_connection(before: Before, backend: Backend) -> None:
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "one ### two"}
    begun = frame({"type": "response.created", "response": RESPONSE}) + frame(delta)
    backend.bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + begun
    async with new_client(await before()) as client:
        for stream_asked in (False, True):
            told = await client.post("/v1/chat/completions", json={**CHAT, "stop": "###", "stream": stream_asked})
            assert told.status_code == 200, told.text
            if stream_asked:
                assert told.text.endswith("data: [DONE]\n\n") and "one " in told.text
            else:
                (choice,) = told.json()["choices"]
                assert (choice["message"]["content"], choice["finish_reason"]) == ("one ", "stop")


async def test_the_sdk_does_not_ask_again_where_the_quota_is_used_up(before: Before, backend: Backend) -> None:
    backend.bytes = answer(failure("insufficient_quota"))
    proxy = await before()
    async with openai.AsyncOpenAI(base_url=proxy.url + "/v1", api_key="dummy", max_retries=2) as sdk:
        with pytest.raises(openai.RateLimitError, match="No"):
            await sdk.chat.completions.create(**CHAT)
    assert backend.asked == 1


# Keeps every flow, as mitmweb does for a while, and tells what the proxy keeps beside them.
KEEPS = """
import logging
from mitmproxy import ctx

from codex_proxy.steps import exchanges

flows = []

def told(flow):
    flows.append(flow)
    answer = next(step for step in ctx.master.addons.get("codexproxy").down if hasattr(step, "whole"))
    asked = [kept for kept in flows if exchanges.of(kept).asked is not None]
    logging.info(f"flow {len(flows)} keeps {len(asked)} {len(answer.whole)}")

response = error = told
"""


async def test_nothing_is_kept_beside_a_flow_that_is_over(before: Before, backend: Backend, tmp_path: Path) -> None:
    script = tmp_path / "keeps.py"
    script.write_text(KEEPS)
    proxy = await before("-s", str(script))
    limit = answer(b'{"error":{"message":"limit"}}', status="429 Too Many Requests", kind="application/json")
    cut = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\n" + b"x"
    async with new_client(proxy) as client:
        backend.bytes = limit
        await client.post("/v1/responses", json=QUESTION)
        backend.bytes = answer(failure("slow_down"))
        await client.post("/v1/responses", json={**QUESTION, "stream": False})
        backend.bytes = answer(stream("hello"))
        await client.post("/v1/chat/completions", json={**CHAT, "stop": "###"})
    # An answer that does not come, and one of which a part has come.
    for number, (path, body) in enumerate(
        (("/v1/responses", QUESTION), ("/v1/chat/completions", {**CHAT, "stop": "#"}))
    ):
        backend.bytes = cut if number else b""
        backend.heard.clear()
        async with new_client(proxy) as client:
            asking = asyncio.create_task(client.post(path, json=body))
            await asyncio.wait_for(backend.heard.wait(), PATIENCE)
            asking.cancel()

    for number in range(1, 6):
        assert (await proxy.logged(rf"flow {number} keeps (.*)"))[1] == "0 0"


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
MB = 1 << 20


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def interim(*statuses: int) -> bytes:
    return b"".join(b"HTTP/1.1 %d Interim\r\nlink: </style.css>\r\n\r\n" % status for status in statuses)


GOOD = stream("hello")
WHOLE = {
    "100": interim(100) + answer(GOOD),
    "102 and 103": interim(102, 103, 103, 199) + answer(GOOD),
    "103 many times": interim(*[103] * heads.INTERIM) + answer(GOOD),
    "100 without a header": b"HTTP/1.1 100 \r\n\r\n" + answer(GOOD),
    "empty lines first": b"\r\n\r\n" + answer(GOOD),
    "trailers": CHUNKED + chunk(GOOD) + b"0\r\nx-t: 1\r\nx-u: 2\r\n\r\n",
    "chunk extensions": CHUNKED + b"%x;a=b;c=\"d\"\r\n%s\r\n0;e\r\n\r\n" % (len(GOOD), GOOD),
    "small chunks": CHUNKED + b"".join(chunk(bytes([byte])) for byte in GOOD) + b"0\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "no reason": answer(GOOD, status="200"),
    "a folded line": answer(GOOD, "x-a: b\r\n c"),
    "a space before a colon": answer(GOOD, "x-a : b"),
    "2,000 cookies": answer(GOOD, *["set-cookie: a=b"] * 2000),
    "two gzip members": answer(gzip.compress(GOOD[:300]) + gzip.compress(GOOD[300:]), "content-encoding: gzip"),
    "zstd": answer(zstandard.ZstdCompressor().compress(GOOD), "content-encoding: zstd"),
    "JSON where events were expected": answer(
        b'{"id":"resp_1","object":"response","status":"completed","output":["hello"],"x":"response.completed"}',
        kind="application/json",
    ),
}  # fmt: skip

BOMB = bytes(200 * MB)
GARBLED = {
    "both lengths": CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n") + chunk(GOOD) + b"0\r\n\r\n",
    "two lengths": answer(GOOD, "content-length: 7"),
    "a length of words": HEAD + b"content-length: many\r\n\r\n" + GOOD,
    "a negative length": HEAD + b"content-length: -1\r\n\r\n" + GOOD,
    "another transfer coding": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n" + chunk(GOOD) + b"0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + chunk(GOOD) + b"0\r\n\r\n",
    "a line without a colon": HEAD + b"hello\r\n\r\n",
    "a name of no header": HEAD + b"a b: c\r\n\r\n",
    "status 0": answer(GOOD, status="0 X"),
    "status 999": answer(GOOD, status="999 X"),
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "no HTTP": b"\0\1\2\3\r\n\r\n",
    "words of another failure": b"certificate proxy refused, connect timeout\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n" + GOOD,
    "103 for ever": interim(*[103] * (heads.INTERIM + 1)) + answer(GOOD),
    "a head of 20 MB": HEAD + (b"x-a: " + b"bearer " * (MB // 7) + b"\r\n") * 20,
    "a line of 20 MB": HEAD + b"x-a: " + b"a" * 20 * MB,
    "many lines": HEAD + b"x-a: b\r\n" * 10_000 + b"\r\n",
    "a status line without an end": b"HTTP/1.1 200 " + b"a" * MB,
    "a gzip bomb": answer(gzip.compress(BOMB, 1), "content-encoding: gzip"),
    "a zstd bomb": answer(zstandard.ZstdCompressor(1).compress(BOMB), "content-encoding: zstd"),
    "a brotli bomb": answer(brotli.compress(BOMB, quality=1), "content-encoding: br"),
}  # fmt: skip

NO_ANSWER = {
    "204": (b"HTTP/1.1 204 No\r\n\r\n", "status 204"),
    "304": (b"HTTP/1.1 304 No\r\nset-cookie: a=b\r\n\r\n", "status 304"),
    "a redirect": (
        b"HTTP/1.1 302 Found\r\nlocation: http://portal.example/in?a=b\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n",
        "a redirect to portal.example",
    ),
    "a page": (answer(b"<html>Sign in", "location: /x", kind="text/html"), "a web page"),
    "words": (answer(b"hello", kind="text/plain"), "text that is not JSON: hello"),
    "nothing": (answer(b"", kind="application/json"), "an empty body"),
}


def by(backend: Backend, data: bytes) -> None:
    """The backend answers with this, and ends the connection where the answer does not say how long it is."""
    backend.bytes, backend.closes = data, True


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_within_http_comes_down(
    before: Before, backend: Backend, subtests: pytest.Subtests, *, streams: bool
) -> None:
    proxy = await before()
    for name, data in WHOLE.items():
        with subtests.test(name):
            by(backend, data)
            async with new_client(proxy) as client:
                told = await client.post("/v1/responses", json={**QUESTION, "stream": streams})
            assert (told.status_code, "hello" in told.text) == (200, True), told.text
            assert "response.completed" in told.text or not streams
            assert "link" not in told.headers and told.headers.get("x-a") in (None, "b", "b c")
    assert "Traceback" not in proxy.log
    assert backend.asked == len(WHOLE)


@pytest.mark.parametrize("streams", [True, False])
async def test_what_is_no_answer_in_http_is_the_backends_fault(
    before: Before, backend: Backend, subtests: pytest.Subtests, *, streams: bool
) -> None:
    proxy = await before()
    began = memory(proxy)
    for name, data in GARBLED.items():
        with subtests.test(name):
            by(backend, data)
            async with new_client(proxy) as client:
                told = await ask(client, "/v1/responses", {**QUESTION, "stream": streams})
            if told.status == 200:  # a stream whose head was good
                assert streams and "bomb" in name and not told.is_whole
                error = events(told.text)[-2]
                assert error["type"] == "error"
            else:
                assert told.status == 502
                error = json.loads(told.text)["error"]
            assert error["code"] == "backend_garbled", error
            assert len(told.text) < 2000 and "bearer" not in told.text
    with subtests.test("memory"):
        # An answer that is held may be 128 MB, once as it came and once as it goes.
        assert memory(proxy) - began < 300 * MB
    assert "Traceback" not in proxy.log
    assert backend.asked == len(GARBLED)


async def test_what_is_no_answer_at_all_is_told(before: Before, backend: Backend, subtests: pytest.Subtests) -> None:
    proxy = await before()
    for path, body in (
        ("/v1/responses", QUESTION),
        ("/v1/responses", {**QUESTION, "stream": False}),
        ("/v1/chat/completions", CHAT),
    ):
        for name, (data, said) in NO_ANSWER.items():
            with subtests.test(name, path=path):
                by(backend, data)
                async with new_client(proxy) as client:
                    told = await client.post(path, json=body)
                assert (told.status_code, told.json()["error"]["code"]) == (502, "backend_error")
                assert said in told.json()["error"]["message"]
                assert not {"location", "set-cookie"} & set(told.headers)


async def test_everybody_else_is_served_while_a_backend_sends_a_head_without_an_end(
    before: Before, backend: Backend
) -> None:
    proxy, waits = await before(), []
    loop = asyncio.get_running_loop()
    async with new_client(proxy) as client:
        for name in ("a head of 20 MB", "a line of 20 MB", "a zstd bomb", "a gzip bomb"):
            by(backend, GARBLED[name])
            async with new_client(proxy) as other:
                asking = asyncio.create_task(other.post("/v1/responses", json={**QUESTION, "stream": False}))
                while not asking.done():
                    began = loop.time()
                    await client.get("/healthz")
                    waits.append(loop.time() - began)
    assert max(waits) < PATIENCE / 10


async def test_an_event_and_an_answer_without_an_end_are_ended(before: Before, backend: Backend) -> None:
    proxy = await before()
    began = memory(proxy)
    for streams in (True, False):
        by(backend, CHUNKED + chunk(b"data: ") + chunk(b"x" * MB) * 150)
        async with new_client(proxy) as client:
            told = await ask(client, "/v1/responses", {**QUESTION, "stream": streams})
        error = (events(told.text)[-2] if streams else json.loads(told.text))["error"]
        assert (told.status, error["code"]) == (200 if streams else 502, "backend_garbled")
        assert len(told.text) < 2000
    assert memory(proxy) - began < 500 * MB


async def test_a_refusal_that_grows_without_bounds_is_told_in_short(before: Before, backend: Backend) -> None:
    packed = gzip.compress(b'{"detail":"' + b"x" * 100 * MB + b'"}', 1)
    async with new_client(await before()) as client:
        for data in (
            answer(packed, "content-encoding: gzip", status="400 Bad", kind="application/json"),
            answer(b'{"detail":"' + b"bearer " * MB + b'"}', status="400 Bad", kind="application/json"),
            answer(packed, "content-encoding: gzip", status="401 Unauthorized", kind="application/json"),
        ):
            by(backend, data)
            told = await client.post("/v1/responses", json=QUESTION)
            # 502: after a 401 it is asked once more, by a client that reads 64 MB at most.
            assert told.status_code in (400, 502) and len(told.content) < 10_000


@pytest.mark.parametrize(
    "line", ["204 No Content", "304 Not Modified", "302 Found\r\nlocation: https://elsewhere.example/"]
)
async def test_a_list_of_models_that_is_none_is_told_and_the_connection_goes_on(
    line: str, before: Before, backend: Backend
) -> None:
    backend.document = f"HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n".encode()
    async with new_client(await before()) as client:
        refused = await client.get("/v1/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (502, "backend_error")
        assert "location" not in refused.headers and line[:3] in refused.json()["error"]["message"]
        assert (await client.get("/healthz")).status_code == 200
