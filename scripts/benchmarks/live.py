"""How late events arrive while being watched: many streams at once through mitmweb, with a tab open and without.

The first stream is a long one, which the tab has open; it ends while the others go on. An event's delay is the time from
the backend to the client, on this machine's clock.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from command_line import Parser

from . import backend, tools
from .listeners import Listeners
from .tab import Tab

# Before events count, in seconds, and in parts of the time in which they do.
WARM_UP, WARM_UP_PART = 1.0, 0.2

# The long stream ends after this part of the time.
ENDS = 0.6

# Of an event, in bytes.
EVENT = len(backend.chunk(backend.delta(10_000)))


@dataclass
class Figures:
    """Of one case: delays in milliseconds and updates per second, one for each round."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    shown: list[float] = field(default_factory=list)
    """How long it took to show the opened answer, in milliseconds."""

    def add(self, delays: Sequence[float], tab: Tab | None, seconds: float) -> None:
        cuts = statistics.quantiles(delays, n=100)
        self.p50.append(cuts[49])
        self.p99.append(cuts[98])
        self.longest.append(max(delays))
        if tab:
            self.updates.append(tab.updates / seconds)
            self.shown += [1000 * seconds for seconds in tab.shown]

    def row(self) -> str:
        spread = f"{min(self.p99):.1f}-{max(self.p99):.1f}"
        row = (
            f"{statistics.median(self.p50):9.2f}{statistics.median(self.p99):9.2f}{spread:>12}{max(self.longest):9.1f}"
        )
        if self.updates:
            row += f"{statistics.median(self.updates):11.2f}"
        if self.shown:
            row += f"{statistics.median(self.shown):9.1f}{max(self.shown):9.1f}"
        return row


async def measure(port: int, tab: Tab | None, streams: list[backend.Stream], seconds: float, figures: Figures) -> None:
    async with Listeners(port, streams, seconds) as listeners, tab or contextlib.nullcontext():
        await asyncio.sleep(warm_up(seconds))
        if tab:
            tab.updates = 0
        figures.add(await listeners.count(), tab, seconds)


def warm_up(seconds: float) -> float:
    return min(WARM_UP, WARM_UP_PART * seconds)


async def main(arguments: list[str]) -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="scripts/bench live", description=__doc__, formatter_class=formatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured, in turns (default 3)")
    parser.add_argument("--seconds", type=float, default=15, help="how long each time (default 15)")
    parser.add_argument("--streams", type=int, default=21, help="streams at once, the long one among them (default 21)")
    parser.add_argument("--rate", type=float, default=60, help="events a second of each stream (default 60)")
    parser.add_argument(
        "--size", type=float, default=5, help="the long stream has so much when it begins, in MB (default 5)"
    )
    args = parser.read(arguments)
    long = backend.Stream(
        int(args.size * 1e6 / EVENT), int(args.rate * (warm_up(args.seconds) + args.seconds * ENDS)), args.rate
    )
    other = backend.Stream(0, int(args.rate * (args.seconds + 60)), args.rate)
    streams = [long] + [other] * (args.streams - 1)
    with backend.started() as port, tools.folder() as folder:
        async with (
            tools.started("mitmweb", tools.plain(folder, port)) as plain,
            tools.started("mitmweb", tools.codex(folder, port)) as codex,
        ):
            cases = {
                "no proxy": (port, None),
                "plain mitmweb, not watched": (plain.port, None),
                "codex proxy, not watched": (codex.port, None),
                "codex proxy, a tab on the list": (codex.port, lambda: Tab(codex, opens=False)),
                "codex proxy, a tab on the long stream": (codex.port, lambda: Tab(codex, opens=True)),
            }
            figures = {name: Figures() for name in cases}
            for _ in range(args.rounds):
                for name, (way, tab) in cases.items():
                    await measure(way, tab() if tab else None, streams, args.seconds, figures[name])
    print(
        f"Python {sys.version.split()[0]}, {args.streams} streams of {args.rate:g} events a second, one with {args.size:g} MB"
        f" before; {args.rounds} rounds of {args.seconds:g} s"
    )
    print(f"{'':38}{'delay of an event, ms':^39}{'':>11}{'to show it, ms':>18}")
    heads = f"{'p50':>9}{'p99':>9}{'by round':>12}{'longest':>9}{'updates/s':>11}{'median':>9}{'longest':>9}"
    print(f"{'':38}{heads}")
    for name, of_case in figures.items():
        print(f"{name:38}{of_case.row()}")
