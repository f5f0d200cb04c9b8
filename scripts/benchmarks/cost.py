"""What the proxy costs: first byte and requests per second, compared with plain mitmdump and no proxy at all, in one run.

All three send the same request to the same canned backend, in turns, so that a change of the machine's speed affects all.
Others: `scripts/bench live` (delay of events while being watched) and `scripts/bench memory`; each has --help too.
"""

import argparse
import asyncio
import statistics
import sys
import time

from command_line import Parser

from . import backend, tools
from .client import Client


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


async def main(arguments: list[str]) -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="scripts/bench", description=__doc__, formatter_class=formatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured, in turns (default 5)")
    parser.add_argument("--requests", type=int, default=40, help="requests per client and round (default 40)")
    parser.add_argument("--clients", type=int, default=16, help="clients at once (default 16)")
    parser.add_argument("--body", type=int, default=24_000, help="size of the request body in bytes (default 24000)")
    args = parser.read(arguments)
    body = backend.body("x" * args.body)
    with backend.started() as port, tools.folder() as folder:
        async with (
            tools.started("mitmdump", tools.plain(folder, port)) as plain,
            tools.started("mitmdump", tools.codex(folder, port)) as codex,
        ):
            ports = {"no proxy": port, "plain mitmdump": plain.port, "codex proxy": codex.port}
            figures = await measure(ports, body, args.rounds, args.requests, args.clients)
    events = backend.DELTAS + 3
    print(
        f"Python {sys.version.split()[0]}, body of {len(body)} bytes, {events} events an answer, median of {args.rounds} rounds"
    )
    print(f"{'':16}{'first byte':>12}{'requests/s':>12}   ({args.clients} clients)")
    for name, rounds in figures.items():
        first, rate = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"{name:16}{first * 1000:9.2f} ms{rate:12.0f}")
