"""A connection to the backend that died without a word, one that is silent, and one that has been idle."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from codex_proxy.net import dialing
from standin import Standin

from ..websocket_client import Closed, connected
from . import namespaces
from .harness import QUESTION, Proxy, Start, new_client, write_login
from .namespaces import THERE, World

world = namespaces.world

TOKEN = {"authorization": "Bearer dummy"}

# How long until it is noticed, with a machine that is busy, in seconds.
NOTICED = dialing.DEAD_AFTER + 60


@pytest.fixture
async def there(world: World, authority: tuple[Path, Path, Path]) -> AsyncIterator[Standin]:
    backend = Standin(host=THERE, tls=(str(authority[1]), str(authority[2])))
    with world.beside():
        await backend.__aenter__()
    yield backend
    await backend.__aexit__(None, None, None)


async def test_a_network_that_has_changed_is_noticed_and_gone_round(
    world: World, there: Standin, start: Start, authority: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    proxy = await start(
        env={"SSL_CERT_FILE": str(authority[0])}, codex_upstream=there.upstream, codex_issuer=there.issuer,
        codex_auth_file=write_login(tmp_path / "auth.json", there.login()),
    )  # fmt: skip
    async with (
        httpx2.AsyncClient(base_url=proxy.url, timeout=NOTICED, trust_env=False) as client,
        connected(f"{proxy.url}/v1/responses", TOKEN) as socket,
    ):
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
        assert (await socket.ask(input="Once."))[-1]["type"] == "response.completed"
        world.moves()
        before = len(there.requests)
        await socket.send({"type": "response.create", "model": "gpt-6-sol", "input": "Again."})
        answer = await client.post("/v1/responses", json=QUESTION)
        assert (answer.status_code, "response.completed" in answer.text) == (200, True), answer.text
        await proxy.logged("the kept connection was dead")
        # It went up once, over the new connection.
        assert len(there.requests) == before + 1
        async with asyncio.timeout(NOTICED):
            with pytest.raises(Closed) as closed:
                while True:
                    event = await socket.receive()
                    assert (event["type"], event["error"]["code"]) == ("error", "stream_broken")
        assert closed.value.code == 1011


async def test_a_backend_that_is_silent_is_told_of_without_a_guess(
    start: Start, standin: Standin, login_file: Path
) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_idle_timeout=1)
    standin.hold(before_headers=True)
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
    standin.release()
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "backend_timeout")
    assert "gave no answer for 1 s; whether it got the request is not known" in answer.json()["error"]["message"]


async def test_a_connection_that_has_been_idle_is_closed_and_one_that_works_is_not(
    proxy: Proxy, standin: Standin
) -> None:
    async with new_client(proxy) as idle, new_client(proxy) as busy:
        assert (await idle.post("/v1/responses", json=QUESTION)).status_code == 200
        assert (await busy.post("/v1/responses", json=QUESTION)).status_code == 200
        first, second = (seen.connection for seen in standin.requests)
        standin.hold(before_headers=True)
        asking = asyncio.create_task(busy.post("/v1/responses", json=QUESTION))
        await asyncio.wait_for(standin.held.wait(), 30)
        await proxy.logged("server disconnect")
        standin.release()
        assert (await asking).status_code == 200
        assert (await idle.post("/v1/responses", json=QUESTION)).status_code == 200
    connections = [seen.connection for seen in standin.requests]
    assert connections[:3] == [first, second, second]
    assert connections[3] not in (first, second)
