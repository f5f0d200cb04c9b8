"""The benchmarks run; what they measure is nothing for a test."""

import asyncio
import os
import re
import sys
from pathlib import Path

from ..places import ROOT
from .harness import PATIENCE, environment


async def bench(home: Path, *arguments: str) -> list[str]:
    """What a benchmark prints, line by line."""
    env = environment(home, PYTHONPATH=os.fspath(ROOT / "scripts"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks", *arguments, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(2 * PATIENCE):
        said, complaints = await process.communicate()
    assert process.returncode == 0, (said + complaints).decode()
    return said.decode().splitlines()


def figures(line: str) -> list[str]:
    return re.findall(r"(?<= )[\d,]+(?:\.\d+)?(?= |$)", line)


async def test_what_a_request_costs(tmp_path: Path) -> None:
    said = await bench(tmp_path, "--rounds", "1", "--requests", "3", "--clients", "2")

    assert [line[:16].strip() for line in said[2:]] == ["no proxy", "plain mitmdump", "codex proxy"]
    assert all(len(figures(line)) == 2 for line in said[2:])


async def test_how_late_events_come_while_somebody_watches(tmp_path: Path) -> None:
    said = await bench(
        tmp_path, "live", "--rounds", "1", "--seconds", "0.3", "--streams", "3", "--rate", "50", "--size", "0.1"
    )

    nobody, on_the_list, on_the_stream = (line for line in said if line.startswith("codex proxy"))
    assert len(figures(nobody)) == 3
    assert len(figures(on_the_list)) == 4
    assert len(figures(on_the_stream)) == 6


async def test_how_much_memory_it_takes(tmp_path: Path) -> None:
    said = await bench(tmp_path, "memory", "--requests", "40", "--step", "20", "--stream", "1", "--settle", "0")

    assert [figures(line)[0] for line in said[2:4]] == ["20", "40"]
    assert said[-1].split()[0] == "after"
