"""mitmproxy's tools as processes, with and without the addon."""

import asyncio
import contextlib
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jwt

from free_port import free_port

ADDON = Path(__file__).resolve().parents[2] / "addon" / "codex.py"

# Of mitmweb's page.
PASSWORD = "made-here"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for mitmproxy's files, with a fake login in it."""
    with tempfile.TemporaryDirectory() as name:
        token = jwt.encode({"exp": int(time.time()) + 864000}, "made here, good for nothing" * 2, algorithm="HS256")
        tokens = {"access_token": token, "refresh_token": "", "account_id": "made-here"}
        (Path(name) / "auth.json").write_text(json.dumps({"tokens": tokens}))
        yield Path(name)


def plain(folder: Path, backend: int) -> list[str]:
    """Arguments of a reverse proxy without the addon, which streams as well."""
    mode = f"reverse:http://127.0.0.1:{backend}@127.0.0.1:0"
    return ["--mode", mode, "--set", "stream_large_bodies=1", "--set", f"confdir={folder}"]


def codex(folder: Path, backend: int) -> list[str]:
    """Arguments of the proxy."""
    return [
        "-s", str(ADDON), "--mode", "reverse:https://chatgpt.com@127.0.0.1:0", "--set", f"confdir={folder}",
        "--set", f"codex_upstream=http://127.0.0.1:{backend}/backend-api/codex",
        "--set", f"codex_auth_file={folder / 'auth.json'}",
    ]  # fmt: skip


class Tool:
    """A running tool: its process id, its port, and the port of its page."""

    def __init__(self, name: str, pid: int, port: int, web_port: int) -> None:
        self.name, self.pid, self.port, self.web_port = name, pid, port, web_port


@contextlib.asynccontextmanager
async def started(name: str, arguments: list[str]) -> AsyncIterator[Tool]:
    """mitmdump or mitmweb, listening."""
    web_port = free_port() if name == "mitmweb" else 0
    quiet = ["--set", "flow_detail=0"]
    web = ["--no-web-open-browser", "--web-port", str(web_port), "--set", f"web_password={PASSWORD}"]
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / name, *arguments, *(web if web_port else quiet), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    port = 0
    async for line in process.stdout:
        if found := re.search(rb"listening at [^\s/]+:(\d+)\.", line):
            port = int(found[1])
            break
    reading = asyncio.create_task(_drop(process.stdout))
    try:
        if not port:
            raise SystemExit(f"{name} did not start")
        await asyncio.sleep(1)
        yield Tool(name, process.pid, port, web_port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def _drop(output: asyncio.StreamReader) -> None:
    """Drain the log: a full pipe would stop the tool."""
    while await output.read(1 << 16):
        pass
