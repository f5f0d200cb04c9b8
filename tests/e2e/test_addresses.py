"""A name with several addresses, some of which swallow packets; a name whose resolver is silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from standin import Standin

from ..websocket_client import connected
from . import namespaces
from .harness import QUESTION, Proxy, Start, new_client, write_login
from .namespaces import HERE, SWALLOWS_V4, SWALLOWS_V6, World
from .test_network import OutgoingProxy

world = namespaces.world

TOKEN = {"authorization": "Bearer dummy"}

# What stands in front of the one that answers.
IN_FRONT = {
    "IPv6 that swallows": [SWALLOWS_V6],
    "IPv4 that swallows": [SWALLOWS_V4],
    "both": [SWALLOWS_V6, SWALLOWS_V4],
    "IPv6 that no route leads to": ["2001:db8:99::1"],
    "IPv6 that refuses": ["::1"],
    "none": [],
}


@pytest.fixture
async def backend(world: World, authority: tuple[Path, Path, Path]) -> AsyncIterator[Standin]:
    async with Standin(host=HERE, tls=(str(authority[1]), str(authority[2]))) as server:
        yield server


async def answers(proxy: Proxy) -> float:
    """Seconds that the slowest of a turn, a list of models and a WebSocket's turn takes."""
    took = []
    async with new_client(proxy) as client:
        began = time.monotonic()
        turn = await client.post("/v1/responses", json=QUESTION)
        assert turn.status_code == 200, turn.text
        took.append(time.monotonic() - began)
        began = time.monotonic()
        assert (await client.get("/v1/models")).status_code == 200
        took.append(time.monotonic() - began)
    began = time.monotonic()
    async with connected(f"{proxy.url}/v1/responses", TOKEN) as socket:
        assert (await socket.ask(input="Hello."))[-1]["type"] == "response.completed"
        took.append(time.monotonic() - began)
    return max(took)


@pytest.mark.parametrize("way", ["straight", "through a proxy"])
@pytest.mark.parametrize("front", IN_FRONT.values(), ids=IN_FRONT.keys())
async def test_addresses_that_lead_nowhere_are_passed_by(
    front: list[str],
    way: str,
    world: World,
    backend: Standin,
    start: Start,
    authority: tuple[Path, Path, Path],
    tmp_path: Path,
) -> None:
    environment = {"SSL_CERT_FILE": str(authority[0])}
    if way == "straight":
        world.names(backend_test=[*front, HERE])
        host, server = "backend.test", None
    else:
        world.names(proxy_test=[*front, HERE])
        server = await asyncio.start_server((through := OutgoingProxy()).serve, HERE, 0)
        host, through.port = HERE, server.sockets[0].getsockname()[1]
        environment["HTTPS_PROXY"] = f"http://user:p%40ss@proxy.test:{through.port}"
    proxy = await start(
        env=environment,
        codex_upstream=backend.upstream.replace(HERE, host),
        codex_issuer=backend.issuer.replace(HERE, host),
        codex_auth_file=write_login(tmp_path / "auth.json", backend.login()),
    )
    # The limit of a connection is 20 s.
    assert await answers(proxy) < 15
    if server:
        server.close()


async def test_one_address_that_swallows_is_given_up_at_the_limit(
    world: World, backend: Standin, start: Start, tmp_path: Path
) -> None:
    world.names(backend_test=[SWALLOWS_V6])
    proxy = await start(
        codex_upstream="https://backend.test/backend-api/codex",
        codex_auth_file=write_login(tmp_path / "auth.json", backend.login()),
        codex_connect_timeout=1,
    )
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "backend_timeout")


async def test_a_silent_resolver_holds_nobody_else_and_not_the_end(
    world: World, backend: Standin, start: Start, tmp_path: Path
) -> None:
    world.names()
    world.silent_resolver()
    proxy = await start(
        codex_upstream="https://backend.example/backend-api/codex",
        codex_issuer="https://issuer.example",
        codex_auth_file=write_login(tmp_path / "auth.json", backend.login()),
        codex_connect_timeout=15,
        codex_stop_timeout=1,
    )

    async with new_client(proxy) as client:

        async def ask() -> str:
            return str((await client.post("/v1/responses", json=QUESTION)).json()["error"]["code"])

        asking = [asyncio.create_task(ask()) for _ in range(24)]
        for _ in range(3):
            assert (await client.get("/healthz")).status_code == 200
        assert not any(task.done() for task in asking)
        assert set(await asyncio.gather(*asking)) == {"backend_timeout"}
        left = asyncio.create_task(ask())
        await asyncio.sleep(0.2)
        began = time.monotonic()
        proxy.process.terminate()
        assert await proxy.ended() == 0
        await asyncio.gather(left, return_exceptions=True)
    assert time.monotonic() - began < namespaces.SILENT_FOR / 2
