"""Who comes while the start is under way does not end the proxy, and is answered when it is over."""

import asyncio
import ssl
from pathlib import Path

import pytest

from free_port import free_port
from standin import Standin

from .harness import PATIENCE, Start

HELD = """
import asyncio, logging, pathlib

class Held:
    async def running(self):
        logging.info("the start is held")
        while not pathlib.Path({file!r}).exists():
            await asyncio.sleep(0.01)

addons = [Held()]
"""

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


async def asked(port: int, tls: bool) -> bytes:
    """What comes for a request; with TLS, which needs mitmproxy's own CA."""
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(GET)
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("where", ["first", "last"])
async def test_a_request_before_the_start_has_ended_is_answered_after_it(
    where: str, start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    script, go_on = tmp_path / "held.py", tmp_path / "go-on"
    script.write_text(HELD.format(file=str(go_on)))
    held = ("-s", str(script))
    proxy = await start(
        *(held if where == "last" else ()), first=held if where == "first" else (), wait=False,
        codex_upstream=standin.upstream, codex_auth_file=login_file,
    )  # fmt: skip
    await proxy.logged("the start is held")
    port = int((await proxy.logged(r"listening at \S+?:(\d+)\.")).group(1))
    early = [asyncio.create_task(asked(port, tls)) for tls in (False, True)]
    # One that hangs up at once, with a reset.
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.transport.abort()
    _, pending = await asyncio.wait(early, timeout=0.3)
    assert len(pending) == 2
    go_on.touch()

    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*early)
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), answers
    assert proxy.process.returncode is None


async def test_many_clients_that_knock_while_it_starts_leave_it_alive(
    start: Start, standin: Standin, login_file: Path
) -> None:
    port = free_port()
    ended = asyncio.Event()
    answers: list[bytes] = []

    async def knock(tls: bool) -> None:
        while not ended.is_set():
            try:
                answers.append(await asked(port, tls))
            except OSError:
                await asyncio.sleep(0.002)

    knocking = [asyncio.create_task(knock(tls)) for tls in (False, True)]
    proxy = await start(
        modes=(f"reverse:https://chatgpt.com@127.0.0.1:{port}",),
        codex_upstream=standin.upstream,
        codex_auth_file=login_file,
    )
    ended.set()
    await asyncio.gather(*knocking)
    assert answers
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert proxy.process.returncode is None
