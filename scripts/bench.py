"""What the proxy costs: first byte and requests a second, beside plain mitmdump and no proxy at all, in one run.

All three carry the same request to the same canned backend, in turns, so that a change of the machine's speed meets all.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jwt

ROOT = Path(__file__).resolve().parent.parent

DELTAS = 50


def canned() -> bytes:
    """A stream as the backend sends it, chunked, as one piece of bytes an event."""
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "word " * DELTAS}]}
    usage = {"input_tokens": 10, "output_tokens": DELTAS, "total_tokens": 10 + DELTAS}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "resp_1"}}]
    events += [{"type": "response.output_text.delta", "delta": "word "}] * DELTAS
    events += [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "output": [], "usage": usage}},
    ]
    frames = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in frames)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


def backend(pipe: Any) -> None:
    """The canned backend, in a process of its own."""
    answer = canned()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"content-length: (\d+)", head, re.I)
                await reader.readexactly(int(found[1]) if found else 0)
                writer.write(answer)
                await writer.drain()
        except (OSError, EOFError, asyncio.IncompleteReadError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


class Client:
    """A keep-alive connection that asks again and again."""

    def __init__(self, port: int, body: bytes) -> None:
        self.port = port
        head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        self.request = head.encode() + body

    async def __aenter__(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self) -> float:
        """Seconds to the first byte of the answer's body; reads all of it."""
        start = time.perf_counter()
        self.writer.write(self.request)
        status = await self.reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in status[:20]:
            raise SystemExit(f"not answered: {status.decode()}")
        size = await self.reader.readuntil(b"\r\n")
        first = time.perf_counter() - start
        while (length := int(size, 16)) > 0:
            await self.reader.readexactly(length + 2)
            size = await self.reader.readuntil(b"\r\n")
        await self.reader.readexactly(2)
        return first


async def tool(*args: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start mitmdump; its process and its port."""
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "mitmdump", *args, "--set", "flow_detail=0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    port = 0
    async for line in process.stdout:
        if found := re.search(rb"listening at \S+:(\d+)\.", line):
            port = int(found[1])
            break
    if not port:
        raise SystemExit("mitmdump did not start")
    process.drain = asyncio.create_task(process.stdout.read())  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    return process, port


async def measure(
    ports: dict[str, int], body: bytes, rounds: int, requests: int, clients: int
) -> dict[str, list[tuple[float, float]]]:
    """For each way and round: median first byte in seconds, requests a second with `clients` at once."""
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ports}
    for number in range(rounds + 1):
        for name, port in ports.items():
            async with Client(port, body) as client:
                first = statistics.median([await client.ask() for _ in range(requests)])

            async def many(port: int = port) -> None:
                async with Client(port, body) as client:
                    for _ in range(requests):
                        await client.ask()

            start = time.perf_counter()
            await asyncio.gather(*(many() for _ in range(clients)))
            if number:  # the first round warms up
                figures[name].append((first, clients * requests / (time.perf_counter() - start)))
    return figures


async def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns (default 5)")
    parser.add_argument("--requests", type=int, default=40, help="requests a client and round (default 40)")
    parser.add_argument("--clients", type=int, default=16, help="clients at once (default 16)")
    parser.add_argument("--body", type=int, default=24_000, help="size of the request body in bytes (default 24000)")
    args = parser.parse_args()
    text = "x" * args.body
    body = json.dumps({
        "model": "gpt-6-sol", "instructions": "", "stream": True, "store": True, "include": ["reasoning.encrypted_content"],
        "input": [{"role": "user", "content": text}],
    }).encode()  # fmt: skip
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=backend, args=(theirs,), daemon=True)
    process.start()
    port = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        login = Path(folder) / "auth.json"
        token = jwt.encode({"exp": int(time.time()) + 864000}, "made here, good for nothing" * 2, algorithm="HS256")
        login.write_text(
            json.dumps({"tokens": {"access_token": token, "refresh_token": "", "account_id": "made-here"}})
        )
        plain, plain_port = await tool(
            "--mode",
            f"reverse:http://127.0.0.1:{port}@127.0.0.1:0",
            "--set",
            "stream_large_bodies=1",
            "--set",
            f"confdir={folder}",
        )
        codex, codex_port = await tool(
            "-s", str(ROOT / "addon" / "codex.py"), "--mode", "reverse:https://chatgpt.com@127.0.0.1:0", "--set", f"confdir={folder}",
            "--set", f"codex_upstream=http://127.0.0.1:{port}/backend-api/codex", "--set", f"codex_auth_file={login}",
        )  # fmt: skip
        try:
            ports = {"no proxy": port, "plain mitmdump": plain_port, "codex proxy": codex_port}
            figures = await measure(ports, body, args.rounds, args.requests, args.clients)
        finally:
            for running in (plain, codex):
                running.terminate()
                await running.wait()
            process.terminate()
    print(
        f"Python {sys.version.split()[0]}, body of {len(body)} bytes, {DELTAS + 3} events an answer, median of {args.rounds} rounds"
    )
    print(f"{'':16}{'first byte':>12}{'requests/s':>12}   ({args.clients} clients)")
    for name, rounds in figures.items():
        first, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{name:16}{first * 1000:9.2f} ms{rate:12.0f}")


if __name__ == "__main__":
    asyncio.run(main())
