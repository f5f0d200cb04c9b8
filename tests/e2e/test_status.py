"""What is left of the usage windows: from the answers that pass, on `GET /`, in `codex.status` and in the log; and what else
`GET /` knows."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2

from standin import Standin

from ..websocket_client import connected
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client, write_login


async def windows(client: httpx2.AsyncClient) -> dict[str, float]:
    page = (await client.get("/")).json()
    return {one["window"]: one["used_percent"] for one in page["usage"]}


async def test_the_usage_windows_of_the_last_answer_are_told(client: httpx2.AsyncClient) -> None:
    assert await windows(client) == {}
    await client.post("/responses", json=QUESTION)
    assert await windows(client) == {"5-hour": 12.5, "weekly": 34}


async def test_a_window_that_fills_up_is_told_once_in_the_log(
    proxy: Proxy, client: httpx2.AsyncClient, standin: Standin
) -> None:
    standin.fail("usage-limit:7200:secondary", times=3)
    for _ in range(3):
        assert (await client.post("/responses", json=QUESTION)).status_code == 429
    assert await windows(client) == {"5-hour": 12.5, "weekly": 100}
    await proxy.logged("GET / 200")

    told = [line for line in proxy.lines if "% used" in line]
    assert len(told) == 1 and "weekly window: 100 % used, resets " in told[0], told


async def test_a_window_that_was_reset_is_not_told_any_more(
    proxy: Proxy, client: httpx2.AsyncClient, standin: Standin
) -> None:
    standin.fail("usage-limit:0:primary")
    await client.post("/responses", json=QUESTION)
    assert await windows(client) == {"weekly": 34}


async def test_what_is_left_of_one_account_is_not_told_of_the_next(
    proxy: Proxy, client: httpx2.AsyncClient, standin: Standin, login_file: Path
) -> None:
    async def page() -> tuple[dict[str, float], Any]:
        found = await windows(client)
        return found, (await client.get("/")).json()["credits"]

    for _ in range(2):
        write_login(login_file, standin.login(account_id="one"))
        await client.get("/")
        if not await windows(client):
            await client.post("/responses", json=QUESTION)
    assert (await windows(client)).keys() == {"5-hour", "weekly"} and len(standin.requests) == 1
    assert (await page())[1]
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer dummy"}) as socket:
        write_login(login_file, standin.login(email="other@example.org", account_id="other"))
        assert await page() == ({}, None)
        # A connection goes on with the account that it was opened with.
        assert (await socket.ask())[-1]["type"] == "response.completed"
    assert await page() == ({}, None)
    await client.post("/responses", json=QUESTION)
    assert (await windows(client)).keys() == {"5-hour", "weekly"}


async def models(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """What the open page knows of the models, once it knows."""
    async with asyncio.timeout(PATIENCE):
        while not (known := (await client.get("/?live")).json()["models"]):
            pass
    found: list[dict[str, Any]] = known
    return found


async def look_on(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Leave the page open for as long as a request to the backend would take; what it told last."""
    for _ in range(200):
        told: dict[str, Any] = (await client.get("/?live")).json()
    return told


async def test_the_models_are_asked_for_once_and_for_the_open_page_alone(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    assert (await client.get("/")).json()["models"] == [] and standin.requests == []
    standin.hold(before_headers=True, kind="models")
    # Nobody waits for the backend.
    assert (await client.get("/?live")).json()["models"] == []
    standin.release()

    assert {"name": "gpt-6-luna", "effort": "medium"} in await models(client)
    await look_on(client)
    assert [seen.path for seen in standin.requests] == ["/backend-api/codex/models"]


async def test_a_list_of_models_that_can_not_be_had_is_told_once(
    proxy: Proxy, client: httpx2.AsyncClient, standin: Standin
) -> None:
    standin.fail("models-500", times=None)
    await client.get("/?live")
    await proxy.logged("The list of models can't be fetched: ")
    assert (await look_on(client))["models"] == []
    assert len(standin.requests) == 1


async def test_looking_at_the_page_renews_no_token(start: Start, standin: Standin, tmp_path: Path) -> None:
    login = write_login(tmp_path / "auth.json", standin.login(expires_in=100))
    options = {"codex_upstream": standin.upstream, "codex_issuer": standin.issuer, "codex_auth_file": login}
    proxy = await start(**options)
    async with new_client(proxy) as client:
        assert (await look_on(client))["login"]["state"] == "ok"
        assert len(standin.refresh_calls) == 0 and standin.requests == []
        await client.post("/responses", json=QUESTION)
        await models(client)
    assert len(standin.refresh_calls) == 1


async def test_the_last_requests_are_told_to_programs_as_well(client: httpx2.AsyncClient) -> None:
    await client.post(
        "/v1/responses", json=QUESTION | {"temperature": 1}, headers={"user-agent": "my-agent/1.0 (Linux)"}
    )
    await client.get("/v1/nothing")
    missing, answer = (await client.get("/")).json()["requests"]
    assert (missing["status"], missing["error"], missing["path"]) == (404, "unknown_path", "/v1/nothing")
    assert (answer["status"], answer["client"], answer["model"]) == (200, "my-agent/1.0", "gpt-6-sol")
    assert "-temperature" in answer["changes"] and answer["tokens"]["in"] > 0
    assert 0 <= answer["first_byte_ms"] <= answer["duration_ms"]
