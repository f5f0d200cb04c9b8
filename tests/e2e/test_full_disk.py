"""A full disk and a closed pipe: the proxy goes on, or ends in order, and a renewed token is written first."""

import asyncio
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from mitmproxy.io import FlowReader

from standin import Standin

from ..small_disk import fill, small_disk
from .harness import PATIENCE, QUESTION, SCRIPT, Start, environment, new_client, write_login


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "512k") as disk:
        yield disk


def saved(path: Path) -> int:
    """How many flows a file has; a cut one would fail."""
    return len(list(FlowReader(io.BytesIO(path.read_bytes())).stream()))


async def test_a_disk_full_of_flows_is_told_once_and_the_proxy_goes_on_without_saving(
    disk: Path, start: Start, standin: Standin, login_file: Path
) -> None:
    file = disk / "flows"
    options = {"codex_upstream": standin.upstream, "codex_issuer": standin.issuer, "codex_auth_file": login_file}
    proxy = await start("-w", str(file), **options)
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
        ballast = fill(disk)
        for _ in range(3):
            assert (await client.post("/responses", json={**QUESTION, "input": "x" * 50_000})).status_code == 200
        await proxy.logged(r"Flows can't be saved to .*/flows \(No space left on device\): the proxy continues without")
        assert saved(file) == 1
        ballast.unlink()
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
    await proxy.logged(r"Flows are saved to .*/flows again; 3 were not saved")
    assert proxy.log.count("can't be saved") == 1
    assert saved(file) == 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("room", [True, False], ids=["there is room again", "the disk is still full"])
@pytest.mark.parametrize("args", [["-w", "{disk}/flows"], []], ids=["with flows", "without"])
async def test_a_renewed_token_that_found_no_room_is_written_by_the_end(
    args: list[str], room: bool, disk: Path, start: Start, standin: Standin
) -> None:
    (home := disk / "home").mkdir()
    path = write_login(home / "auth.json", standin.login(expires_in=-10))
    before = json.loads(path.read_text())["tokens"]["refresh_token"]
    (home / "auth.lock").touch()
    proxy = await start(
        *(arg.format(disk=disk) for arg in args), codex_upstream=standin.upstream, codex_issuer=standin.issuer,
        codex_auth_file=path,
    )  # fmt: skip
    ballast = fill(disk)
    async with new_client(proxy) as client:
        for _ in range(2):
            answer = await client.post("/responses", json=QUESTION)
        assert proxy.process.returncode is None
    if room:
        ballast.unlink()
    await proxy.stop()
    after = json.loads(path.read_text())["tokens"]["refresh_token"]
    # Either nothing was spent, or what came for it is there.
    assert (answer.status_code, after != before) in [(200, True), (401, False)]
    assert len(standin.refresh_calls) == (after != before)


async def test_a_har_file_that_can_not_be_written_is_told_in_a_sentence(disk: Path, start: Start, standin: Standin, login_file: Path) -> None:  # fmt: skip
    proxy = await start(hardump=disk / "flows.har", codex_upstream=standin.upstream, codex_auth_file=login_file)
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
    fill(disk)
    await proxy.stop()
    assert f"The flows can't be written to hardump={disk}/flows.har: No space left on device." in proxy.log


END = """
import sys
from mitmproxy import http

def response(flow: http.HTTPFlow) -> None:
    if "end me" in (flow.request.get_text() or ""):
        sys.exit(3)
"""


async def test_an_addon_that_ends_the_process_costs_no_token(start: Start, standin: Standin, tmp_path: Path) -> None:
    script = tmp_path / "end.py"
    script.write_text(END)
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=100))
    before = json.loads(path.read_text())["tokens"]["refresh_token"]
    may_answer, asked = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await may_answer.wait()
        grant = json.dumps({"access_token": standin.login()["tokens"]["access_token"], "refresh_token": "the next one"})
        assert b"/oauth/token" in head
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(grant)}\r\n\r\n{grant}".encode())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as issuer:
        proxy = await start(
            "-s", str(script), codex_upstream=standin.upstream, codex_auth_file=path,
            codex_issuer=f"http://127.0.0.1:{issuer.sockets[0].getsockname()[1]}",
        )  # fmt: skip
        proxy.may_fail = True
        async with new_client(proxy) as client:
            # The token lives: the request does not wait for a server that takes its time.
            assert (await client.post("/responses", json=QUESTION)).status_code == 200
            await asked.wait()
            assert json.loads(path.read_text())["tokens"]["refresh_token"] == before
            ending = asyncio.create_task(client.post("/responses", json={**QUESTION, "input": "end me"}))
            await proxy.logged("The token is being renewed; waiting for it")
            may_answer.set()
            await asyncio.wait({ending})
            ending.exception()
        assert await proxy.ended() != 0
    assert json.loads(path.read_text())["tokens"]["refresh_token"] == "the next one"


async def test_a_closed_pipe_ends_the_proxy_in_order(standin: Standin, login_file: Path, tmp_path: Path) -> None:
    """As in `mitmdump … | head`."""
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "mitmdump"), "--set", f"confdir={tmp_path / 'mitmproxy'}", "-s", str(SCRIPT),
        "--mode", "reverse:https://chatgpt.com@127.0.0.1:0", "--set", f"codex_upstream={standin.upstream}",
        "--set", f"codex_auth_file={login_file}",
        stdin=asyncio.subprocess.DEVNULL, stdout=writing, stderr=asyncio.subprocess.PIPE, env=environment(tmp_path), cwd=tmp_path,
    )  # fmt: skip
    os.close(writing)
    standin.hold()
    try:
        with os.fdopen(reading, "rb", 0) as log:
            read = b""
            while not (found := re.search(rb"listening at 127.0.0.1:(\d+)", read)) or b"requests go to" not in read:
                read += await asyncio.to_thread(log.read, 65536)
            url = f"http://127.0.0.1:{int(found[1])}/v1/responses"
            client = httpx2.AsyncClient(timeout=PATIENCE, trust_env=False)
            running = await client.send(client.build_request("POST", url, json=QUESTION), stream=True)
            pieces = running.aiter_bytes()
            answer = await anext(pieces)
        # The next connection is a line of the log.
        _, other = await asyncio.open_connection("127.0.0.1", int(found[1]))
        other.close()
        standin.release()
        async for piece in pieces:
            answer += piece
        await client.aclose()
        _, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert b"response.completed" in answer
    assert (process.returncode, err) == (0, b"")
