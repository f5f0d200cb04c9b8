"""Fixtures of the end-to-end tests: the stand-in, a login for it, the proxy as a process in front of it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import openai
import pytest
from playwright.async_api import Page

from standin import Standin

from . import certificates
from .browser import CHROMIUM, NO_CHROMIUM, browsing
from .harness import PATIENCE, SCRIPT, Proxy, Start, environment, new_client, stop_all, write_login

authority, over_tls = certificates.authority, certificates.over_tls


# Modules whose tests depend on the Python: asyncio, ssl, threads, signals, imports.
EVERY_PYTHON = {
    "test_bounds", "test_chat", "test_client_tls", "test_early", "test_fail_closed", "test_full_disk", "test_heads",
    "test_killed", "test_network", "test_reload", "test_sdk", "test_start", "test_stream", "test_token", "test_way_out", "test_websocket",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
            if item.path.stem not in EVERY_PYTHON:
                item.add_marker(pytest.mark.one_python)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a mitmproxy tool with the addon: options as keywords, anything else as arguments; stopped at the end."""
    running: list[Proxy] = []

    async def start(
        *args: str,
        tool: str = "mitmdump",
        env: dict[str, str] | None = None,
        first: tuple[str, ...] = (),
        modes: tuple[str, ...] = ("reverse:https://chatgpt.com@127.0.0.1:0",),
        wait: bool = True,
        **options: object,
    ) -> Proxy:
        command = [str(Path(sys.executable).parent / tool), "--set", f"confdir={tmp_path / 'mitmproxy'}", *first]
        command += ["-s", str(SCRIPT)]
        for mode in modes:
            command += ["--mode", mode]
        for name, value in options.items():
            values = value if isinstance(value, list | tuple) else [value]
            for one in values:
                command += ["--set", f"{name}={one}"]
        process = await asyncio.create_subprocess_exec(
            *command,
            *args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(tmp_path, **(env or {})),
            cwd=tmp_path,
        )
        proxy = Proxy(process, command)
        running.append(proxy)
        if wait:
            await proxy.logged(r"requests go to")
            while len(proxy.ports) < len(modes):
                proxy.ports = [int(p) for line in proxy.lines for p in re.findall(r"listening at \S+?:(\d+)\.", line)]
        return proxy

    yield start
    await stop_all(running)


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin() as server:
        yield server


@pytest.fixture
def login_file(standin: Standin, tmp_path: Path) -> Path:
    return write_login(tmp_path / "auth.json", standin.login())


@pytest.fixture
async def proxy(start: Start, standin: Standin, login_file: Path) -> Proxy:
    """The proxy as most people run it, in front of the stand-in."""
    return await start(
        codex_upstream=standin.upstream,
        codex_issuer=standin.issuer,
        codex_auth_file=login_file,
        codex_model_map="gpt-4*=gpt-6-luna",
    )


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[httpx2.AsyncClient]:
    async with new_client(proxy) as session:
        yield session


@pytest.fixture
async def sdk(proxy: Proxy) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's own client, which asks once."""
    url = proxy.url + "/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="dummy", timeout=PATIENCE, max_retries=0) as client:
        yield client


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of a real browser."""
    if CHROMIUM is None:
        pytest.skip(NO_CHROMIUM)
    async with browsing() as browser:
        yield await browser.new_page()
