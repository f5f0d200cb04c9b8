"""How much memory the proxy takes: mitmweb after thousands of requests, and while one long stream runs.

RSS is all that the process holds; PSS counts what it shares with others by its part (Linux only).
"""

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from command_line import Parser

from . import backend, tools
from .client import Client

# Parts of the long stream after which the process is looked at.
PARTS = 10


class Size(NamedTuple):
    """Of a process, in MB; None where the system does not tell."""

    rss: float
    pss: float | None

    def __str__(self) -> str:
        return f"{self.rss:9.1f}" + ("        -" if self.pss is None else f"{self.pss:9.1f}")


def size_of(pid: int) -> Size:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        said = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
        return Size(int(said.stdout) / 1024, None)
    return Size(_line(status, "VmRSS"), _line(Path(f"/proc/{pid}/smaps_rollup"), "Pss"))


def _line(path: Path, name: str) -> float:
    """A line such as `VmRSS:  1234 kB`, in MB."""
    return next(int(line.split()[1]) / 1024 for line in path.read_text().splitlines() if line.startswith(f"{name}:"))


async def many(
    tool: tools.Tool, requests: int, step: int, clients: int, body: bytes, settle: float
) -> list[tuple[int, Size, float]]:
    """After each step: requests so far, the process, and requests a second."""
    figures = []
    for done in range(step, requests + 1, step):

        async def some(number: int) -> None:
            async with Client(tool.port, body) as client:
                for _ in range(step // clients + (number < step % clients)):
                    await client.ask()

        start = time.perf_counter()
        await asyncio.gather(*map(some, range(clients)))
        rate = step / (time.perf_counter() - start)
        await asyncio.sleep(settle)
        figures.append((done, size_of(tool.pid), rate))
    return figures


async def one_long(tool: tools.Tool, size: int, settle: float) -> list[tuple[str, Size]]:
    """The process before a stream of `size` bytes, while it runs, and after it."""
    async with Client(tool.port, backend.body("a short one")) as client:
        for _ in range(20):
            await client.ask()
    await asyncio.sleep(settle)
    figures = [("before", size_of(tool.pid))]
    heard = 0

    def came(length: int) -> None:
        nonlocal heard
        heard += length
        if heard >= len(figures) * size / PARTS:
            figures.append((f"{heard / 1e6:.0f} MB came", size_of(tool.pid)))

    events = size // len(backend.delta(0))
    async with Client(tool.port, backend.body(backend.Stream(events, 0, 1).text())) as client:
        await client.ask(came)
    await asyncio.sleep(settle)
    return [*figures, ("after", size_of(tool.pid))]


async def main(arguments: list[str]) -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="scripts/bench memory", description=__doc__, formatter_class=formatter)
    parser.add_argument("--requests", type=int, default=20_000, help="requests (default 20000)")
    parser.add_argument("--step", type=int, default=2_000, help="look at the process after so many (default 2000)")
    parser.add_argument("--clients", type=int, default=16, help="clients at once (default 16)")
    parser.add_argument("--body", type=int, default=50_000, help="size of the request body in bytes (default 50000)")
    parser.add_argument("--stream", type=float, default=100, help="size of the long stream in MB (default 100)")
    parser.add_argument("--settle", type=float, default=1, help="wait so many seconds before each look (default 1)")
    args = parser.read(arguments)
    body = backend.body("x" * args.body)
    with backend.started() as port, tools.folder() as folder:
        async with tools.started("mitmweb", tools.codex(folder, port)) as tool:
            requests = await many(tool, args.requests, args.step, args.clients, body, args.settle)
        async with tools.started("mitmweb", tools.codex(folder, port)) as tool:
            stream = await one_long(tool, int(args.stream * 1e6), args.settle)
    print(f"Python {sys.version.split()[0]}, mitmweb and the proxy, body of {len(body)} bytes, {args.clients} clients")
    print(f"{'requests':>16}{'RSS, MB':>9}{'PSS, MB':>9}{'requests/s':>12}")
    for done, size, rate in requests:
        print(f"{done:16,}{size}{rate:12.0f}")
    print(f"\none stream of {args.stream:g} MB")
    for when, size in stream:
        print(f"{when:>16}{size}")
