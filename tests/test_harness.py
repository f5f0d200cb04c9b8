"""The harness of the process tests: whatever one proxy does, none is left running."""

import asyncio
import sys
from contextlib import AsyncExitStack

import pytest

from .e2e import harness
from .e2e.harness import Proxy, stop_all

# In the place of a proxy: what it does before it waits.
QUIET, FAILS, HANGS = "", "print('Traceback')", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


async def program(does: str, kept: AsyncExitStack) -> Proxy:
    command = [sys.executable, "-c", f"import signal, time\n{does}\nprint('ready', flush=True)\ntime.sleep(60)"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    kept.callback(kill, process)
    proxy = Proxy(process, command)
    await proxy.logged("ready")
    return proxy


def kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()


@pytest.mark.parametrize(
    ("do", "may_fail", "raised"),
    [
        ([QUIET, QUIET], False, None),
        ([FAILS, QUIET, QUIET], False, AssertionError),
        ([QUIET, FAILS], False, AssertionError),
        ([FAILS, QUIET], True, None),
        ([HANGS, QUIET], False, TimeoutError),
        ([HANGS, FAILS, QUIET], False, TimeoutError),
    ],
)
async def test_all_are_ended_before_one_is_judged(
    do: list[str], may_fail: bool, raised: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as kept:
        proxies = [await program(does, kept) for does in do]
        for proxy in proxies:
            proxy.may_fail = may_fail
        if HANGS in do:
            monkeypatch.setattr(harness, "PATIENCE", 1.0)
        if raised is None:
            await stop_all(proxies)
        else:
            with pytest.raises(raised):
                await stop_all(proxies)
        assert [proxy for proxy in proxies if proxy.process.returncode is None] == []
