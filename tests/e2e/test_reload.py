"""The script is loaded again while an answer streams, as mitmproxy does when its file changes."""

import asyncio
import shutil
from pathlib import Path

import pytest
from mitmproxy import http, io

from standin import Standin

from ..places import ADDON
from . import conftest
from .harness import PATIENCE, QUESTION, Start, new_client


async def test_a_reload_loses_neither_the_answer_that_runs_nor_the_next_one(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, saved = tmp_path / "addon", tmp_path / "saved.flows"
    shutil.copytree(ADDON, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(conftest, "SCRIPT", copy / "codex.py")
    proxy = await start("-w", str(saved), codex_upstream=standin.upstream, codex_auth_file=login_file)
    standin.hold()
    async with new_client(proxy) as client:
        asking = asyncio.create_task(client.post("/responses", json=QUESTION))
        await asyncio.wait_for(standin.held.wait(), PATIENCE)
        before = proxy.log.count("requests go to")
        (copy / "codex.py").touch()
        async with asyncio.timeout(PATIENCE):
            while proxy.log.count("requests go to") == before:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        standin.release()
        running = await asking
        after = await client.post("/responses", json=QUESTION)
    await proxy.stop()

    assert [answer.status_code for answer in (running, after)] == [200, 200]
    assert all("response.completed" in answer.text for answer in (running, after))
    with saved.open("rb") as file:
        flows = [flow for flow in io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    assert [flow.metadata["codex"]["tokens"]["out"] > 0 for flow in flows] == [True, True]
