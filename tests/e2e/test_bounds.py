"""What one caller may cost the others, and what has two meanings: refused in words, over either transport."""

import gzip
import json
from typing import Any

import httpx2
import pytest
import zstandard
from wsproto.events import Ping, Pong, TextMessage

from standin import Standin

from ..websocket_client import Closed, WebSocket, connected, create
from .harness import Proxy

ITEM = '{"role":"user","content":"x"}'

TOO_MUCH: dict[str, tuple[str, str, dict[str, str]]] = {
    "items": ("/responses", f'{{"model":"gpt-6-sol","input":[{",".join([ITEM] * 20_001)}]}}', {}),
    "messages": ("/chat/completions", f'{{"model":"gpt-6-sol","messages":[{",".join([ITEM] * 20_001)}]}}', {}),
    "tools": ("/responses", f'{{"model":"gpt-6-sol","input":"x","tools":[{",".join(["{}"] * 5001)}]}}', {}),
    "values": ("/responses", f'{{"model":"gpt-6-sol","input":"x","include":[{",".join(["123456"] * 300_000)}]}}', {}),
    "a long name": ("/responses", json.dumps({"model": "m" * 1_000_000, "input": "x"}), {}),
    "fields": ("/responses", json.dumps({"model": "m", **{f"k{n}": 1 for n in range(2000)}}), {}),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_too_much_is_refused_in_words(name: str, client: httpx2.AsyncClient, standin: Standin) -> None:
    path, body, headers = TOO_MUCH[name]
    answer = await client.post(path, content=body.encode(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "too_much")
    assert "at most" in answer.text or "more than" in answer.text
    assert standin.requests == []


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("zstd", zstandard.compress(b"") * 2000),
        ("gzip", gzip.compress(b"") * 2000),
        ("gzip", gzip.compress(b"{}") + b"x"),
    ],
    ids=["zstd frames", "gzip members", "a byte behind gzip"],
)
async def test_frame_after_frame_is_not_read(coding: str, body: bytes, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/responses", content=body, headers={"content-encoding": coding})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_encoding")


async def test_a_large_request_is_patched_like_a_small_one(client: httpx2.AsyncClient, standin: Standin) -> None:
    items = [{"role": "user", "content": [{"type": "text", "text": f"{n} {'x' * 50}"}]} for n in range(2000)]
    answer = await client.post("/responses", json={"model": "gpt-6-sol", "input": items, "temperature": 1})
    assert answer.status_code == 200
    sent = standin.requests[-1].json
    assert len(sent["input"]) == 2000 and sent["store"] is False and "temperature" not in sent
    assert {part["type"] for item in sent["input"] for part in item["content"]} == {"input_text"}


TWICE = [
    '{"type":"response.create","model":"gpt-6-sol","input":"x","type":"response.cancel"}',
    r'{"type":"response.cancel","model":"gpt-6-sol","input":"x","typ\u0065":"response.create"}',
    '{"type":"response.create","model":"gpt-6-sol","input":"x","store":true,"store":false}',
    '{"type":"response.create","model":"gpt-6-sol","input":[{"role":"user","role":"system","content":"x"}]}',
    '{"type":"response.create","model":"gpt-6-sol","input":"x","tools":[{"type":"function","name":"f","parameters":{"a":1,"a":2}}]}',
]


@pytest.mark.parametrize("text", TWICE)
async def test_a_key_twice_goes_up_over_neither_transport(
    text: str, client: httpx2.AsyncClient, proxy: Proxy, standin: Standin
) -> None:
    answer = await client.post("/responses", content=text.encode())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "duplicate_key")
    for coding, pack in (("gzip", gzip.compress), ("zstd", zstandard.compress)):
        answer = await client.post("/responses", content=pack(text.encode()), headers={"content-encoding": coding})
        assert answer.json()["error"]["code"] == "duplicate_key"
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer dummy"}) as socket:
        for pieces in (1, 5):
            await socket.send(text, pieces)
            assert (await socket.receive())["error"]["code"] == "duplicate_key"
        assert [seen for seen in standin.requests if seen.method == "WS"] == []
        assert (await socket.ask())[-1]["type"] == "response.completed"


def short_pieces(socket: WebSocket) -> bytes:
    pieces = [socket.ws.send(TextMessage("", message_finished=False)) for _ in range(3000)]
    return b"".join(pieces)


FLOODS = {
    "pings": lambda socket: bytes(socket.ws.send(Ping(b"x"))) * 3000,
    "pongs": lambda socket: bytes(socket.ws.send(Pong(b"x"))) * 3000,
    "empty pieces": short_pieces,
    "messages": lambda socket: b"".join(socket.ws.send(TextMessage("{}")) for _ in range(3000)),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_of_frames_ends_the_connection(name: str, proxy: Proxy) -> None:
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer dummy"}, deflate=False) as socket:
        socket.raw(FLOODS[name](socket))
        with pytest.raises(Closed) as e:
            while True:
                await socket.text()
        assert e.value.code == 1008 and "Too many frames" in str(e.value.reason)
    await proxy.logged(r"closed by the proxy \(1008\)")


async def test_pings_of_both_sides_pass(proxy: Proxy) -> None:
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer dummy"}) as socket:
        for number in range(10):
            await socket.ping(b"%d" % number)
        assert (await socket.ask())[-1]["type"] == "response.completed"
        assert socket.pongs == [b"%d" % number for number in range(10)]


async def test_a_message_that_inflates_without_end_is_refused(proxy: Proxy, standin: Standin) -> None:
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer dummy"}, deflate=True) as socket:
        text: Any = json.dumps(create(input="x" * 2000 + " words of all kinds" * 5000))
        await socket.send(text)
        assert (await socket.answer())[-1]["type"] == "response.completed"
        await socket.send("a" * (24 << 20))
        with pytest.raises(Closed) as e:
            await socket.text()
        assert e.value.code == 1009
