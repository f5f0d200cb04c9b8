"""Large requests go up compressed, and are as readable as others."""

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zstandard
from mitmproxy import http
from mitmproxy.io import FlowReader

from codex_proxy.addons import originals
from standin import Standin

from .harness import Proxy, Start, events, new_client

TEXT = "".join(f"Line {number} of a long file, as agents read them.\n" for number in range(5000))
LONG = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": TEXT}]}]
SHORT = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]
RIGHT: dict[str, Any] = {
    "model": "gpt-6-sol", "instructions": "", "input": LONG, "stream": True, "store": False, "prompt_cache_key": "k",
    "include": ["reasoning.encrypted_content"],
}  # fmt: skip


def sent(standin: Standin) -> tuple[str | None, int, str | None]:
    """Of the last request: its coding, how much of it went over the wire, and how it was refused."""
    seen = standin.requests[-1]
    return seen.header("content-encoding"), int(seen.header("content-length") or 0), seen.refusal


async def test_a_large_request_goes_up_compressed_and_a_small_one_as_it_is(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    answer = await client.post("/responses", json={"model": "gpt-6-sol", "input": LONG, "stream": True})
    coding, size, refusal = sent(standin)
    assert (coding, refusal) == ("zstd", None) and size < len(TEXT) / 5
    assert standin.requests[-1].json["input"] == LONG
    assert events(answer.text)[-1]["type"] == "response.completed"

    await client.post("/responses", json={"model": "gpt-6-sol", "input": SHORT})
    assert sent(standin)[0] is None


# Stored, so that it is large enough, and would become smaller.
CODED: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip": partial(gzip.compress, compresslevel=0),
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize(("change", "expected"), [({}, None), ({"store": True}, "zstd")])
async def test_what_came_compressed_stays_so_if_nothing_is_changed(
    coding: str, change: dict[str, Any], expected: str | None, client: httpx2.AsyncClient, standin: Standin
) -> None:
    body = CODED[coding](json.dumps(RIGHT | change).encode())
    await client.post("/responses", content=body, headers={"content-encoding": coding, "session-id": "s"})

    assert sent(standin)[0] == (expected or coding) and sent(standin)[2] is None
    assert (sent(standin)[1] == len(body)) == (expected is None)
    assert standin.requests[-1].json == RIGHT


async def test_it_can_be_turned_off(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_compress="false")
    async with new_client(proxy) as client:
        await client.post("/responses", json=RIGHT)
    assert sent(standin)[:1] == (None,)
    wrong = await start(codex_compress="perhaps", wait=False)
    assert await wrong.ended() == 1
    assert "codex_compress=perhaps; allowed: true, false" in wrong.log


async def test_it_is_sent_again_like_any_other(client: httpx2.AsyncClient, proxy: Proxy, standin: Standin) -> None:
    """After a refused token, and without reasoning of another account."""
    standin.fail("unauthorized")
    assert (await client.post("/responses", json=RIGHT)).status_code == 200
    assert [seen.json["input"] for seen in standin.requests] == [LONG, LONG]

    strange = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAof-another-account"}
    rest = [{"role": "assistant", "content": "yes"}, *LONG]
    assert (await client.post("/responses", json=RIGHT | {"input": [strange, *rest]})).status_code == 200
    assert [seen.json["input"] for seen in standin.requests[-2:]] == [[strange, *rest], rest]


async def test_it_is_kept_readable(start: Start, standin: Standin, login_file: Path, tmp_path: Path) -> None:
    """In a capture, in a saved flow, and in the difference to what the client sent."""
    flow_file, folder = tmp_path / "flows", tmp_path / "captured"
    proxy = await start(
        "-w", str(flow_file), codex_upstream=standin.upstream, codex_auth_file=login_file, codex_capture=folder,
    )  # fmt: skip
    async with new_client(proxy) as client:
        await client.post("/responses", json={**RIGHT, "temperature": 1})
    await proxy.stop()

    (captured,) = [path for path in folder.rglob("*.json") if '"temperature": 1' in path.read_text()]
    assert json.loads(captured.read_text())["body"]["input"] == LONG
    with flow_file.open("rb") as file:
        (flow,) = FlowReader(file).stream()
    assert isinstance(flow, http.HTTPFlow) and flow.request.headers["content-encoding"] == "zstd"
    told = originals.difference_of(*originals.original_of(flow))
    assert '- "temperature": 1' in told and "+content-encoding: zstd" in told and "\n+(" not in told
