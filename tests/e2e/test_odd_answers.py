"""Answers whose bytes the stand-in has no words for: another backend writes them as they are told."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from standin import Standin
from standin.answers.events import events as stream_events
from standin.answers.events import frame
from standin.answers.usage import Usage

from .harness import PATIENCE, QUESTION, Proxy, Start, new_client

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


def answer(body: bytes, *headers: str, status: str = "200 OK", kind: str = "text/event-stream") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Backend:
    """Answers each POST with `bytes`; where they name no length their end is that of the connection, a while after them."""

    def __init__(self) -> None:
        self.bytes = b""
        self.asked = 0
        self.heard = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head, re.I)
                await reader.readexactly(int(found[1]) if found else 0)
                if not head.startswith(b"POST"):
                    writer.write(answer(b"{}", status="404 Not Found", kind="application/json"))
                    continue
                self.asked += 1
                self.heard.set()
                writer.write(self.bytes)
                if b"content-length" not in self.bytes:
                    # To the end of the proxy's patience, or of the connection.
                    await reader.read()
        writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    async with await asyncio.start_server(backend.serve, "127.0.0.1", 0) as server:
        backend.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/backend-api/codex"
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

flows = []

def told(flow):
    flows.append(flow)
    addons = ctx.master.addons
    logging.info(f"flow {len(flows)} keeps {len(addons.get('memory').asked)} {len(addons.get('answer').watched)}")

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
