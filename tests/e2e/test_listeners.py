"""Which listeners a process with the addon may have."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from free_port import free_port
from standin import Standin

from .harness import PATIENCE, QUESTION, Proxy, Start, new_client

OURS = "reverse:https://chatgpt.com@127.0.0.1:0"
NOT_OURS: list[tuple[tuple[str, ...], str]] = [
    ((), r"--mode regular .*Start the proxy with --mode reverse:https://chatgpt\.com@127\.0\.0\.1:9090\."),
    (("regular@127.0.0.1:0",), "No listener leads to the Codex backend: --mode regular@127"),
    (("socks5@127.0.0.1:0",), "No listener leads to the Codex backend: --mode socks5"),
    (("reverse:https://api.openai.com@127.0.0.1:0",), "No listener leads to the Codex backend"),
    (("reverse:tcp://chatgpt.com:443@127.0.0.1:0",), "No listener leads to the Codex backend"),
    ((OURS, "regular@0.0.0.0:0"), r"--mode regular@0\.0\.0\.0:0 listens on 0\.0\.0\.0, and anyone who uses it"),
    ((OURS, "socks5@0"), "--mode socks5@0 listens on all interfaces, and anyone who uses it"),
    ((OURS, "local:nothing-has-this-name"), "--mode local:nothing-has-this-name takes connections of any program"),
    ((OURS, "reverse:tcp://127.0.0.1:9090@0.0.0.0:0"), "--mode reverse:tcp://127.0.0.1:9090@0.0.0.0:0 listens on"),
]


@pytest.mark.parametrize("tool", ["mitmdump", "mitmweb"])
@pytest.mark.parametrize(("modes", "says"), NOT_OURS, ids=[" ".join(row[0]) or "none" for row in NOT_OURS])
async def test_the_start_is_refused_with_the_way_out(
    modes: tuple[str, ...], says: str, tool: str, start: Start
) -> None:
    proxy = await start(*web(tool), modes=modes, tool=tool, wait=False)

    await proxy.logged(says)
    assert await proxy.ended() == 1
    assert "Traceback" not in proxy.log and "listening at" not in proxy.log


def web(tool: str) -> tuple[str, ...]:
    return ("--no-web-open-browser", "--web-port", str(free_port())) if tool == "mitmweb" else ()


@pytest.mark.parametrize("given", [("mode=regular@0",), ("mode=regular", "listen_host=0.0.0.0"), ("mode=[socks5@0]",)])
async def test_a_configuration_for_other_uses_is_refused_as_well(
    given: tuple[str, ...], start: Start, tmp_path: Path
) -> None:
    (tmp_path / "mitmproxy").mkdir()
    lines = [line.replace("=", ": ", 1) for line in given]
    lines[0] = lines[0].replace("mode: ", "mode: [").rstrip("]") + "]" if "[" not in lines[0] else lines[0]
    (tmp_path / "mitmproxy" / "config.yaml").write_text("\n".join(lines) + "\n")
    proxy = await start(modes=(), wait=False)

    await proxy.logged("No listener leads to the Codex backend")
    assert await proxy.ended() == 1


@pytest.mark.parametrize("given", ["--options", "--commands", "--version"])
async def test_what_only_asks_about_mitmproxy_needs_no_listener(given: str, start: Start) -> None:
    proxy = await start(given, modes=(), wait=False)
    assert await proxy.ended() == 0


async def test_who_allows_it_knowingly_has_both(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(
        modes=(OURS, "regular@0.0.0.0:0"), codex_allow_open_listeners="true", codex_upstream=standin.upstream, codex_auth_file=login_file
    )  # fmt: skip
    await proxy.logged(
        r"codex_allow_open_listeners is set\. --mode regular@0\.0\.0\.0:0 listens on 0\.0\.0\.0, and anyone who uses it"
    )
    ours = await proxy.logged(r"reverse proxy to https://chatgpt.com listening at .*:(\d+)\.")
    proxy.ports = [int(ours[1])]
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200


@pytest.fixture
async def page(start: Start) -> AsyncIterator[tuple[Proxy, httpx2.AsyncClient]]:
    port = free_port()
    # mitmproxy closes it for the moment until the change is refused, so its port is one that does not change.
    mode = f"reverse:https://chatgpt.com@127.0.0.1:{free_port()}"
    proxy = await start(
        "--no-web-open-browser", "--web-port", str(port), tool="mitmweb", web_password="letmein", modes=(mode,)
    )
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, follow_redirects=True, cookies={"_mitmproxy_xsrf": "ab" * 16}
    ) as client:  # fmt: skip
        await client.get("/", params={"token": "letmein"})
        client.headers["x-xsrftoken"] = "ab" * 16
        yield proxy, client


CHANGES: list[tuple[list[str], dict[str, object]]] = [
    (["{ours}", "regular@0.0.0.0:{port}"], {}),
    (["regular@127.0.0.1:{port}"], {}),
    (["{ours}", "socks5@{port}"], {"listen_host": ""}),
]


@pytest.mark.parametrize(("modes", "more"), CHANGES)
async def test_a_change_while_it_runs_is_refused_and_leaves_the_old_value(
    modes: list[str], more: dict[str, object], page: tuple[Proxy, httpx2.AsyncClient]
) -> None:
    proxy, client = page
    port, before = free_port(), (await client.get("/options")).json()["mode"]["value"]
    changed = [mode.format(ours=before[0], port=port) for mode in modes]
    answer = await client.put("/options", json={"mode": changed, **more})

    assert answer.status_code == 400, answer.text
    assert (await client.get("/options")).json()["mode"]["value"] == before
    # What mitmproxy had opened before it asked us is closed again.
    await proxy.logged(rf"at \S*:{port} stopped")
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE):
        async with new_client(proxy) as ours:
            while not await serves(ours):
                pass


async def serves(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/")).status_code == 200
    except httpx2.ConnectError:
        return False
