"""Files of flows that are not whole, or none, behind `-r`."""

import asyncio
from pathlib import Path

import httpx2
import pytest
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow

from free_port import free_port

from .a_script import begin
from .harness import PATIENCE, Start


def write(path: Path, flows: int, cut: int = 0) -> Path:
    with path.open("wb") as file:
        for _ in range(flows):
            FlowWriter(file).add(tflow.tflow(resp=True))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - cut)
    return path


def append(path: Path) -> None:
    with path.open("ab") as file:
        FlowWriter(file).add(tflow.tflow(resp=True))


@pytest.mark.parametrize("is_appended", [False, True])
async def test_what_is_whole_is_shown_and_what_was_cut_is_told(is_appended: bool, start: Start, tmp_path: Path) -> None:
    path = write(tmp_path / "flows", 3, cut=300)
    if is_appended:
        append(path)
    proxy = await start("-n", "-r", str(path), modes=(), wait=False, flow_detail=1)

    assert await proxy.ended() == 0
    assert proxy.log.count("<< 200") == (3 if is_appended else 2)
    await proxy.logged(rf"{path}: {3 if is_appended else 2} flows read\. \d+ bytes at byte \d+ are not whole flow")
    assert "corrupted" not in proxy.log and "requests go to" not in proxy.log


NOT_FLOWS = [
    ("none", "there is no such file"),
    (".", "is a folder"),
    ("text", "is not a file of flows"),
    ("zipped", "is compressed"),
]


@pytest.mark.parametrize("tool", ["mitmdump", "mitmweb"])
@pytest.mark.parametrize(("name", "says"), NOT_FLOWS)
async def test_what_is_no_file_of_flows_ends_the_start_with_a_sentence(
    name: str, says: str, tool: str, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "zipped").write_bytes(b"\x1f\x8b\x08\x00")
    web = ("--no-web-open-browser", "--web-port", str(free_port())) if tool == "mitmweb" else ()
    proxy = await start("-n", "-r", str(tmp_path / name), *web, tool=tool, modes=(), wait=False)

    await proxy.logged(f"^-r {tmp_path / name}: {says}")
    assert await proxy.ended() == 1


async def test_the_page_shows_them_beside_a_proxy_that_runs(start: Start, tmp_path: Path) -> None:
    port, web = free_port(), free_port()
    await start(modes=(f"reverse:https://chatgpt.com@127.0.0.1:{port}",))
    path = write(tmp_path / "flows", 3, cut=300)
    page = await begin(
        tmp_path, "launch.py", "inspect", "-r", str(path), "--web-port", str(web), "--set", "web_password=letmein", "--set",
        f"confdir={tmp_path / 'mitmproxy'}", CODEX_PROXY_PORT=str(port),
    )  # fmt: skip
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{web}", trust_env=False, follow_redirects=True
        ) as client:

            async def flows() -> int:
                try:
                    return len((await client.get("/flows", params={"token": "letmein"})).json())
                except (httpx2.HTTPError, ValueError):
                    return 0

            async with asyncio.timeout(PATIENCE):
                while await flows() < 2:
                    assert page.returncode is None
    finally:
        page.terminate()
        said = (await page.communicate())[0].decode()
    assert "flows read" in said and "nothing listens" in said and "proxy to" not in said and "Traceback" not in said
