"""The canned backend, in a separate process. The request's text selects the answer: a short one at once, or a `Stream`."""

import asyncio
import contextlib
import json
import multiprocessing
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# Deltas of the short answer.
DELTAS = 50

WORD = "word "

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

ASKED = re.compile(rb"(\d+) events at once, then (\d+) at ([\d.]+) a second")

# Events of what comes at once that are written together.
TOGETHER = 200


@dataclass(frozen=True)
class Stream:
    """An answer to ask for: events that come at once, and events at a rate (a second) that say when they were sent."""

    at_once: int
    paced: int
    rate: float

    def text(self) -> str:
        """The request's text that asks for it."""
        return f"{self.at_once} events at once, then {self.paced} at {self.rate} a second"


def asked_for(request: bytes) -> Stream | None:
    found = ASKED.search(request)
    return Stream(int(found[1]), int(found[2]), float(found[3])) if found else None


def body(text: str) -> bytes:
    """A request as clients of the Responses API send it."""
    return json.dumps({
        "model": "gpt-6-sol", "instructions": "", "stream": True, "store": True, "include": ["reasoning.encrypted_content"],
        "input": [{"role": "user", "content": text}],
    }).encode()  # fmt: skip


def frame(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def delta(number: int, **more: int) -> bytes:
    """A delta as long as the backend's are, some 240 bytes."""
    kind = "response.output_text.delta"
    return frame({
        "type": kind, "content_index": 0, "delta": WORD, "item_id": "msg_" + "0" * 32, "logprobs": [],
        "obfuscation": "x" * 11, "output_index": 0, "sequence_number": number, **more,
    })  # fmt: skip


def first() -> bytes:
    return frame({"type": "response.created", "response": {"id": "resp_1"}})


def last(deltas: int) -> list[bytes]:
    text = {"type": "output_text", "text": WORD * deltas}
    item = {"type": "message", "role": "assistant", "content": [text]}
    usage = {"input_tokens": 10, "output_tokens": deltas, "total_tokens": 10 + deltas}
    return [
        frame({"type": "response.output_item.done", "output_index": 0, "item": item}),
        frame({"type": "response.completed", "response": {"id": "resp_1", "output": [], "usage": usage}}),
    ]


def short() -> bytes:
    """The short answer with its head, a chunk an event."""
    deltas = [frame({"type": "response.output_text.delta", "delta": WORD})] * DELTAS
    return HEAD + b"".join(map(chunk, [first(), *deltas, *last(DELTAS)])) + chunk(b"")


async def send(writer: asyncio.StreamWriter, stream: Stream) -> None:
    writer.write(HEAD + chunk(first()))
    for start in range(0, stream.at_once, TOGETHER):
        numbers = range(start, min(start + TOGETHER, stream.at_once))
        writer.write(b"".join(chunk(delta(number)) for number in numbers))
        await writer.drain()
    # Streams that begin together are not in step.
    begun = time.monotonic() + random.random() / stream.rate
    for number in range(stream.paced):
        await asyncio.sleep(begun + number / stream.rate - time.monotonic())
        writer.write(chunk(delta(stream.at_once + number, sent=time.monotonic_ns())))
        await writer.drain()
    writer.write(b"".join(map(chunk, last(stream.at_once + stream.paced))) + chunk(b""))


def run(pipe: Any) -> None:
    """The process: says its port through the pipe, and serves until it is ended."""
    whole = short()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head, re.I)
                request = await reader.readexactly(int(found[1]) if found else 0)
                if stream := asked_for(request):
                    await send(writer, stream)
                else:
                    writer.write(whole)
                await writer.drain()
        except (OSError, EOFError, asyncio.IncompleteReadError):
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


@contextlib.contextmanager
def started() -> Iterator[int]:
    """The backend, running; its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run, args=(theirs,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()
