"""What is left of the usage windows: from the answers that pass, on `GET /`, in `codex.status` and in the log."""

import httpx2

from standin import Standin

from .harness import QUESTION, Proxy


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
