"""An answer ends with its last event, whatever the backend's connection does then (docs/backend.md, 5)."""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Message, Request, TextMessage

from standin import Standin
from standin.answers.events import events as stream_events
from standin.answers.events import frame
from standin.answers.usage import Usage

from ..websocket_client import connected
from .harness import QUESTION, Proxy, Start, Told, ask, events, new_client
from .raw_backend import answer, listening, request_head

RESPONSE = {"id": "resp_1", "object": "response", "created_at": 7, "model": "gpt-6-sol", "status": "in_progress"}
CHAT: dict[str, Any] = {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "hi"}]}
SEALED = {"type": "compaction", "id": "cmp_1", "encrypted_content": "sealed"}

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
MORE = frame({"type": "response.output_text.delta", "output_index": 0, "delta": "too late"})

# How long the backend may be silent, in seconds: an answer that is over does not wait for it.
IDLE = 4.0


def stream(text: str = "Hello you") -> bytes:
    message = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return b"".join(map(frame, stream_events(RESPONSE, [message, SEALED], Usage(3, 1, 2, 1), 4)))


def failed(code: str) -> bytes:
    response = {**RESPONSE, "status": "failed", "error": {"code": code, "message": "No."}}
    return frame({"type": "response.created", "response": RESPONSE}) + frame(
        {"type": "response.failed", "response": response}
    )


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def sized(body: bytes, length: int) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n" % length + body


class Ending(NamedTuple):
    """The bytes of an answer, and what becomes of its connection: `goes on` for the next request, `stays` as it is, `ends`, or
    breaks off by a `reset`."""

    message: Callable[[bytes], bytes]
    then: str


ENDINGS = {
    "well": Ending(lambda body: CHUNKED + chunk(body) + b"0\r\n\r\n", "goes on"),
    "with its length": Ending(lambda body: sized(body, len(body)), "goes on"),
    "held open": Ending(lambda body: CHUNKED + chunk(body), "stays"),
    "held open, without a length": Ending(lambda body: HEAD + b"\r\n" + body, "stays"),
    "held open in a chunk": Ending(lambda body: CHUNKED + b"%x\r\n%s" % (len(body) + 99, body), "stays"),
    "closed without the last chunk": Ending(lambda body: CHUNKED + chunk(body), "ends"),
    "closed in a chunk": Ending(lambda body: CHUNKED + b"%x\r\n%s" % (len(body) + 99, body), "ends"),
    "closed": Ending(lambda body: HEAD + b"\r\n" + body, "ends"),
    "closed before the empty line": Ending(lambda body: HEAD + b"\r\n" + body.rstrip(b"\n"), "ends"),
    "reset": Ending(lambda body: CHUNKED + chunk(body), "reset"),
    "trailers": Ending(lambda body: CHUNKED + chunk(body) + b"0\r\nx-a: b\r\n\r\n", "goes on"),
    "trailers without an end": Ending(lambda body: CHUNKED + chunk(body) + b"0\r\nx-a: b\r\n", "stays"),
    "a length that is too long": Ending(lambda body: sized(body, len(body) + 99), "ends"),
    "a length that is too long, held open": Ending(lambda body: sized(body, len(body) + 99), "stays"),
    "a length that is too short": Ending(lambda body: sized(body, len(body) - 1), "stays"),
    "more events": Ending(lambda body: CHUNKED + chunk(body + MORE) + chunk(MORE) * 3 + b"0\r\n\r\n", "goes on"),
    "more events, held open": Ending(lambda body: CHUNKED + chunk(body) + chunk(MORE) * 3, "stays"),
    "more than its length": Ending(lambda body: sized(body + MORE * 3, len(body)), "stays"),
    "bytes that are no chunk": Ending(lambda body: CHUNKED + chunk(body) + b"\0nonsense", "stays"),
    "another answer": Ending(lambda body: sized(body, len(body)) + answer(stream("of nobody")), "stays"),
    "DONE": Ending(lambda body: CHUNKED + chunk(body + b"data: [DONE]\n\n") + b"0\r\n\r\n", "goes on"),
    "gzip, held open": Ending(
        lambda body: (
            HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(gzip.compress(body))
        ),
        "stays",
    ),
}


def end(writer: asyncio.StreamWriter, *, by_reset: bool) -> None:
    if by_reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class Backend:
    """Answers each POST with the next of `answers`, the last of them again and again."""

    def __init__(self) -> None:
        self.answers: list[tuple[bytes, str]] = []
        self.paths: list[str] = []
        self.let_go = asyncio.Event()
        """Has the proxy ended a connection that stays?"""
        self.url = ""

    def will(self, *answers: tuple[bytes, str]) -> None:
        self.answers = list(answers)
        self.paths.clear()
        self.let_go.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await request_head(reader)
                self.paths.append(head.split(b" ")[1].decode())
                data, then = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(data)
                await writer.drain()
                if then == "reset":
                    end(writer, by_reset=True)
                    return
                if then == "stays":
                    await reader.read()
                    self.let_go.set()
                if then != "goes on":
                    break
        writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    async with listening(backend.serve) as backend.url:
        yield backend


@pytest.fixture
async def proxy(start: Start, backend: Backend, standin: Standin, login_file: Path) -> Proxy:
    return await start(
        codex_upstream=backend.url, codex_issuer=standin.issuer, codex_auth_file=login_file, codex_idle_timeout=IDLE
    )


def good(text: str = "Hello you") -> tuple[bytes, str]:
    return ENDINGS["well"].message(stream(text)), "goes on"


def refusal(status: str, body: bytes) -> tuple[bytes, str]:
    return answer(body, status=status, kind="application/json"), "goes on"


NO_TOKEN = refusal("401 Unauthorized", b'{"detail":"Unauthorized"}')
NO_ENDPOINT = refusal("404 Not Found", b'{"detail":"Not Found"}')


class Asked(NamedTuple):
    path: str
    body: dict[str, Any]
    before: tuple[tuple[bytes, str], ...] = ()
    """What the backend answers first."""

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))


COMPACT = {"model": "gpt-6-sol", "input": [{"role": "user", "content": "hi"}]}
ASKED = {
    "Responses, streamed": Asked("/v1/responses", QUESTION),
    "Responses": Asked("/v1/responses", {**QUESTION, "stream": False}),
    "chat, streamed": Asked("/v1/chat/completions", {**CHAT, "stream": True}),
    "chat": Asked("/v1/chat/completions", CHAT),
    "after a 401, streamed": Asked("/v1/responses", QUESTION, (NO_TOKEN,)),
    "after a 401": Asked("/v1/responses", {**QUESTION, "stream": False}, (NO_TOKEN,)),
    "chat after a 401, streamed": Asked("/v1/chat/completions", {**CHAT, "stream": True}, (NO_TOKEN,)),
    "chat after a 401": Asked("/v1/chat/completions", CHAT, (NO_TOKEN,)),
    "compact": Asked("/v1/responses/compact", COMPACT),
}


def text_of(asked: Asked, body: str) -> str:
    """What a client of the kind reads."""
    if asked.streams:
        told = events(body)
        if "chat" in asked.path:
            assert body.endswith("data: [DONE]\n\n")
            return "".join(choice["delta"].get("content") or "" for each in told for choice in each["choices"])
        assert [each["type"] for each in told].count("response.completed") == 1
        assert told[-1]["type"] == "response.completed"
        return "".join(each["delta"] for each in told if each["type"] == "response.output_text.delta")
    document = json.loads(body)
    if "chat" in asked.path:
        return str(document["choices"][0]["message"]["content"])
    if "compact" in asked.path:
        assert document["object"] == "response.compaction"
        return "Hello you" if document["output"][-1]["encrypted_content"] == "sealed" else ""
    return str(document["output"][0]["content"][0]["text"])


@pytest.mark.parametrize("name", ASKED)
async def test_the_last_event_ends_the_answer(
    name: str, proxy: Proxy, backend: Backend, subtests: pytest.Subtests
) -> None:
    asked = ASKED[name]
    if "compact" in asked.path:
        backend.will(NO_ENDPOINT, good())
        async with new_client(proxy) as client:
            await client.post(asked.path, json=asked.body)
    for ending in ENDINGS:
        with subtests.test(ending):
            backend.will(*asked.before, (ENDINGS[ending].message(stream()), ENDINGS[ending].then))
            async with new_client(proxy) as client:
                told = await ask(client, asked.path, asked.body)
                assert (told.status, told.is_whole) == (200, True), told.text
                assert text_of(asked, told.text) == "Hello you"
                assert len(backend.paths) == 1 + len(asked.before)
                # Nothing of it is in the answer to the next request.
                backend.will(good("again"))
                after = await client.post("/v1/responses", json={**QUESTION, "stream": False})
                assert (after.status_code, "again" in after.text) == (200, True), after.text
    assert "crashed" not in proxy.log and "backend_" not in proxy.log, proxy.log


def error_of(asked: Asked, told: Told) -> dict[str, Any]:
    error: dict[str, Any]
    if told.status == 200:
        error = events(told.text)[-1 if "chat" in asked.path else -2]["error"]
    else:
        error = json.loads(told.text)["error"]
    return error


async def test_a_failure_keeps_its_status_and_code(proxy: Proxy, backend: Backend, subtests: pytest.Subtests) -> None:
    for name, asked in ASKED.items():
        if "compact" in asked.path:
            continue
        for ending in ("well", "held open", "closed without the last chunk", "reset", "more events, held open"):
            with subtests.test(ending, asked=name):
                data = ENDINGS[ending].message(failed("context_length_exceeded"))
                backend.will(*asked.before, (data, ENDINGS[ending].then))
                async with new_client(proxy) as client:
                    told = await ask(client, asked.path, asked.body)
                assert (told.status, told.is_whole) == ((200, False) if asked.streams else (400, True)), told.text
                assert error_of(asked, told)["code"] == "context_length_exceeded"
                assert len(backend.paths) == 1 + len(asked.before)


async def test_a_backend_that_holds_its_connection_is_let_go(proxy: Proxy, backend: Backend) -> None:
    for asked in ASKED.values():
        if asked.before or "compact" in asked.path:
            continue
        backend.will((ENDINGS["held open"].message(stream()), "stays"))
        async with new_client(proxy) as client:
            await ask(client, asked.path, asked.body)
            # While the client keeps its own.
            await asyncio.wait_for(backend.let_go.wait(), 3 * IDLE)


PLAIN = {name: asked for name, asked in ASKED.items() if not asked.before and "compact" not in asked.path}
TYPES = ("", "application/json", "text/plain; charset=utf-8", "application/octet-stream")
PIECES: dict[str, Callable[[bytes], bytes]] = {
    "at once": chunk,
    "the first byte alone": lambda body: chunk(body[:1]) + chunk(body[1:]),
    "byte by byte": lambda body: b"".join(chunk(body[n : n + 1]) for n in range(len(body))),
}
BEGINNINGS = {
    "an event": b"", "empty lines": b"\r\n\n", "a mark": b"\xef\xbb\xbf", "a comment": b": hi\n\n", "a time": b"retry: 100\n\n",
}  # fmt: skip


async def test_events_are_known_whatever_their_type_says(
    proxy: Proxy, backend: Backend, subtests: pytest.Subtests
) -> None:
    forms = [(kind, form, "at once") for kind in TYPES for form in BEGINNINGS] + [("", "a mark", way) for way in PIECES]
    for kind, form, way in forms:
        for packed in (False, True):
            head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n"
            head += f"content-type: {kind}\r\n".encode() if kind else b""
            head += b"content-encoding: gzip\r\n" if packed else b""
            body = BEGINNINGS[form] + stream()
            asked = ASKED["Responses, streamed" if packed else "chat"]
            with subtests.test(kind=kind, form=form, packed=packed, way=way):
                backend.will((head + b"\r\n" + PIECES[way](gzip.compress(body) if packed else body), "stays"))
                async with new_client(proxy) as client:
                    told = await ask(client, asked.path, asked.body)
                assert (told.status, told.is_whole) == (200, True), told.text
                assert text_of(asked, told.text) == "Hello you"


NO_EVENTS = {
    "a detail": (b'{"detail":"It is so."}', "It is so."),
    "an error": (b'{"error":{"code":"x","message":"It is so."}}', "It is so."),
    "a page": (b"<html>Something", "a web page"),
    "a letter of a beginning": (b"d", "text that is not JSON: d"),
}


async def test_what_is_no_events_is_told(proxy: Proxy, backend: Backend, subtests: pytest.Subtests) -> None:
    for name, asked in PLAIN.items():
        for kind in ("", "text/event-stream"):
            for what, (body, said) in {**NO_EVENTS, "nothing": (b"", "")}.items():
                with subtests.test(what, asked=name, kind=kind):
                    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
                    backend.will((head.encode() + body, "goes on"))
                    async with new_client(proxy) as client:
                        told = await ask(client, asked.path, asked.body)
                    # Who waits for a stream has its head already.
                    is_stream = asked.streams and bool(kind)
                    assert (told.status, told.is_whole) == ((200, False) if is_stream else (502, True)), told.text
                    assert said in error_of(asked, told)["message"]


async def test_a_head_and_then_nothing_is_the_idle_limit(
    proxy: Proxy, backend: Backend, subtests: pytest.Subtests
) -> None:
    async def asking(asked: Asked) -> Told:
        async with new_client(proxy) as client:
            return await ask(client, asked.path, asked.body)

    for kind in ("", "text/event-stream"):
        for length in ("", "transfer-encoding: chunked\r\n"):
            backend.will((f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{length}\r\n".encode(), "stays"))
            came = await asyncio.gather(*map(asking, PLAIN.values()))
            for (name, asked), told in zip(PLAIN.items(), came, strict=True):
                with subtests.test(asked=name, kind=kind, length=length):
                    is_stream = asked.streams and bool(kind)
                    assert (told.status, told.is_whole) == ((200, False) if is_stream else (504, True)), told.text
                    error = error_of(asked, told)
                    assert error["code"] == ("stream_broken" if is_stream else "backend_timeout")
                    assert f"nothing more came for {IDLE:g} s" in error["message"] or not kind


SOCKET_ENDINGS = ("stays", "ends", "reset", "more")


class SocketBackend:
    """Upgrades, and answers each message with `events`; then its connection `stays`, `ends` or breaks off by a `reset`."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.then = "stays"
        self.asked: list[dict[str, Any]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        side = WSConnection(ConnectionType.SERVER)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                side.receive_data(data)
                for event in side.events():
                    if isinstance(event, Request):
                        writer.write(side.send(AcceptConnection()))
                    elif isinstance(event, Message):
                        self.asked.append(json.loads(str(event.data)))
                        for each in self.events:
                            writer.write(side.send(TextMessage(each.decode())))
                        if self.then == "more":
                            late = {"type": "response.output_text.delta", "output_index": 0, "delta": "too late"}
                            writer.write(side.send(TextMessage(json.dumps(late))))
                        await writer.drain()
                        if self.then in ("ends", "reset"):
                            end(writer, by_reset=self.then == "reset")
                            return
        writer.close()


@pytest.mark.parametrize("then", SOCKET_ENDINGS)
async def test_over_a_websocket_the_last_event_ends_the_turn(
    then: str, start: Start, standin: Standin, login_file: Path
) -> None:
    backend = SocketBackend()
    backend.then = then
    backend.events = [
        each.partition(b"\ndata: ")[2].strip()
        for each in stream().split(b"\n\n")
        if b"output_item.added" not in each and each
    ]
    async with listening(backend.serve) as url:
        proxy = await start(
            codex_upstream=url, codex_issuer=standin.issuer, codex_auth_file=login_file, codex_idle_timeout=IDLE
        )
        async with connected(f"{proxy.url}/v1/responses", {"authorization": "Bearer dummy"}) as client:
            told = await client.ask(input="One.")
            assert told[-1]["type"] == "response.completed"
            assert told[-1]["response"]["output"][0]["content"][0]["text"] == "Hello you"
            if then in ("stays", "more"):
                again = await client.ask(input="Two.", previous_response_id="resp_1")
                assert again[-1]["type"] == "response.completed", again
                assert "too late" not in json.dumps(again[-1])
        line = (await proxy.logged(r"turn 1 gpt-6-sol .*")).group()
        assert "completed" in line and "tokens in 3" in line
        async with connected(f"{proxy.url}/v1/responses", {"authorization": "Bearer dummy"}) as other:
            backend.then = "stays"
            assert (await other.ask(input="On.", previous_response_id="resp_1"))[-1]["type"] == "response.completed"
        assert "Hello you" in json.dumps(backend.asked[-1]["input"])
        assert "crashed" not in proxy.log and "stream_broken" not in proxy.log, proxy.log
