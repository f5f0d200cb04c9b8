"""mitmweb on the proxy: what a person sees there, asked of its API as its own page does."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from free_port import free_port
from standin import Standin

from ..websocket_client import connected, create
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client


class Web:
    """mitmweb's API, logged in."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def flows(self) -> list[dict[str, Any]]:
        flows: list[dict[str, Any]] = (await self.client.get("/flows")).json()
        return flows

    async def content(self, flow: dict[str, Any], message: str = "response") -> str:
        return (await self.client.get(f"/flows/{flow['id']}/{message}/content.data")).text

    async def command(self, name: str, *arguments: str) -> Any:
        return (await self.client.post(f"/commands/{name}", json={"arguments": arguments})).json()

    async def until(self, done: Any) -> list[dict[str, Any]]:
        """The flows, once `done(flows)` holds."""
        async with asyncio.timeout(PATIENCE):
            while not done(flows := await self.flows()):
                pass
        return flows


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def web(start: Start, standin: Standin, login_file: Path, port: int) -> Proxy:
    return await start(
        "--no-web-open-browser", "--web-port", str(port), tool="mitmweb", web_password="letmein",
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file, codex_keep_flows="5",
    )  # fmt: skip


@pytest.fixture
async def page(web: Proxy, port: int) -> AsyncIterator[Web]:
    async with logged_in(port) as page:
        yield page


@contextlib.asynccontextmanager
async def logged_in(port: int) -> AsyncIterator[Web]:
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE, follow_redirects=True
    ) as client:
        await client.get("/", params={"token": "letmein"})
        # tornado compares the cookie with the header, and takes any token.
        client.headers["x-xsrftoken"] = "ab" * 16
        client.cookies.set("_mitmproxy_xsrf", "ab" * 16)
        yield Web(client)


async def test_a_streamed_answer_is_kept_and_shown(web: Proxy, page: Web, standin: Standin) -> None:
    standin.answer(text="to be looked at")
    async with new_client(web) as client:
        body = (await client.post("/v1/responses", json=QUESTION)).text

    assert await page.content((await page.flows())[0]) == body


async def test_the_comment_says_what_happened(web: Proxy, page: Web) -> None:
    async with new_client(web) as client:
        await client.post("/v1/responses", json={**QUESTION, "temperature": 1})

    comment = (await page.flows())[0]["comment"]
    assert comment.startswith("gpt-6-sol, 6 changes · changed: input text made a list, -temperature"), comment


async def test_an_answer_is_seen_growing_while_a_browser_is_there(
    web: Proxy, page: Web, standin: Standin, port: int
) -> None:
    standin.hold()
    async with new_client(web) as client, updates(page, port):
        asking = asyncio.create_task(client.post("/v1/responses", json=QUESTION))
        await asyncio.wait_for(standin.held.wait(), PATIENCE)
        flows = await page.until(lambda flows: flows and flows[0].get("response", {}).get("contentLength"))
        growing = await page.content(flows[0])
        standin.release()
        whole = (await asking).text

    assert "response.created" in growing
    assert "response.completed" not in growing
    assert whole.startswith(growing)


class updates:
    """mitmweb's own WebSocket for updates, as an open page holds it; only opened, and never read."""

    def __init__(self, page: Web, port: int) -> None:
        self.page, self.port = page, port

    async def __aenter__(self) -> None:
        cookies = "; ".join(f"{name}={value}" for name, value in self.page.client.cookies.items())
        head = (
            f"GET /updates HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nCookie: {cookies}\r\n\r\n"
        )
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(head.encode())
        assert b" 101 " in await reader.readline()

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()


async def test_what_a_hung_up_client_got_is_kept(web: Proxy, page: Web, standin: Standin) -> None:
    standin.hold()
    async with new_client(web) as client, client.stream("POST", "/responses", json=QUESTION) as response:
        await anext(response.aiter_text())
    await standin.wait_for_client_gone(PATIENCE)

    flows = await page.until(lambda flows: flows and flows[0].get("error"))
    assert "response.created" in await page.content(flows[0])


async def test_what_went_wrong_is_marked(web: Proxy, page: Web, standin: Standin) -> None:
    standin.fail("json-500")
    async with new_client(web) as client:
        await client.post("/v1/responses", json=QUESTION)
        await client.post("/v1/responses", json=QUESTION)
        for _ in range(5):
            await client.get("/nope")

    # What the proxy marked itself does not stay for good.
    assert [flow["marked"] for flow in await page.flows()] == ["🔴"] * 5


async def test_the_oldest_finished_flows_go_and_marked_ones_stay(web: Proxy, page: Web) -> None:
    async with new_client(web) as client:
        await client.post("/responses", json=QUESTION)
        first = (await page.flows())[0]
        await page.client.put(f"/flows/{first['id']}", json={"marked": ":star:"})
        for _ in range(8):
            await client.post("/responses", json=QUESTION)

    flows = await page.flows()
    assert len(flows) == 6
    assert first["id"] in [flow["id"] for flow in flows]


async def test_the_diff_shows_what_the_client_sent_and_what_went_up(web: Proxy, page: Web) -> None:
    async with new_client(web) as client:
        await client.post("/v1/responses?api_key=my-own-key", json={**QUESTION, "temperature": 1})
    told = str(await page.command("codex.diff", "@all"))

    for line in ('- "temperature": 1', '+ "store": false', "+originator: nanobot-proxy", "-POST /v1/responses"):
        assert line in told, told
    assert "my-own-key" not in told
    assert "dummy" not in told


async def test_the_status_can_be_asked_for_in_the_command_bar(web: Proxy, page: Web, login_file: Path) -> None:
    before = (await page.command("codex.status"))["value"]
    async with new_client(web) as client:
        await client.post("/responses", json=QUESTION)
    after = (await page.command("codex.status"))["value"]

    assert before.splitlines()[0].startswith(f"Login from {login_file}: token ok, ")
    assert before.splitlines()[1:] == ["Usage windows: known after the backend's next answer."]
    assert [line.partition(", resets ")[0] for line in after.splitlines()[1:]] == [
        "5-hour window: 12.5 % used",
        "weekly window: 34 % used",
    ]


async def test_a_replayed_flow_goes_through_the_walk_again(
    web: Proxy, page: Web, standin: Standin, login_file: Path
) -> None:
    async with new_client(web) as client:
        await client.post("/v1/responses", json={**QUESTION, "temperature": 1})
    standin.revoke(json.loads(login_file.read_text())["tokens"]["access_token"])
    flow = (await page.flows())[0]
    await page.client.post(f"/flows/{flow['id']}/replay")
    await page.until(lambda flows: flows[0]["is_replay"] and flows[0].get("response", {}).get("status_code") == 200)

    # The first token was refused, a fresh one went up.
    assert [seen.status for seen in standin.requests] == [200, 401, 200]
    assert "temperature" in str(await page.command("codex.diff", "@all"))


async def test_the_clients_original_can_be_replayed(web: Proxy, page: Web, standin: Standin) -> None:
    async with new_client(web) as client:
        await client.post("/v1/responses", json={**QUESTION, "temperature": 1})
    await page.command("codex.original", "@all")
    flows = await page.until(lambda flows: len(flows) == 2)
    original = next(flow for flow in flows if flow["comment"] == "what the client sent")
    assert json.loads(await page.content(original, "request")) == {**QUESTION, "temperature": 1}
    await page.client.post(f"/flows/{original['id']}/replay")
    await page.until(lambda flows: all(flow.get("response") for flow in flows))

    assert [seen.refusal for seen in standin.requests] == [None, None]
    assert standin.requests[0].body == standin.requests[1].body


async def test_a_plain_key_is_shown_nowhere_and_goes_on_being_asked_for(
    start: Start, standin: Standin, login_file: Path, port: int, tmp_path: Path
) -> None:
    proxy = await start(
        "--no-web-open-browser", "--web-port", str(port), tool="mitmweb", web_password="letmein", codex_client_key="plain-key-itself",
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
        modes=("reverse:https://chatgpt.com@0.0.0.0:0",),
    )  # fmt: skip
    await proxy.logged("env:NAME or file:PATH are safer")
    async with logged_in(port) as page, new_client(proxy) as client:
        assert "plain-key-itself" not in (await page.client.get("/options")).text
        await page.command("options.save", str(tmp_path / "saved.yaml"))
        assert (
            await client.get("/", headers={"x-api-key": "plain-key-itself"})
        ).status_code == 401  # the bearer counts
        assert (await client.get("/", headers={"authorization": "Bearer plain-key-itself"})).status_code == 200
        # None, which is refused while others can reach it; and another one, set while it runs.
        await page.client.put("/options", json={"codex_client_key": ""})
        assert (await client.get("/")).status_code == 401
        await page.client.put("/options", json={"codex_client_key": "another-one"})
        assert (await client.get("/", headers={"authorization": "Bearer another-one"})).status_code == 200
        assert "another-one" not in (await page.client.get("/options")).text
    assert "plain-key-itself" not in (tmp_path / "saved.yaml").read_text() + proxy.log


async def test_a_turn_of_a_websocket_is_shown_growing_and_then_whole(web: Proxy, page: Web, standin: Standin) -> None:
    async def told(flow: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await page.client.get(f"/flows/{flow['id']}/messages/content/Auto.json")
        messages: list[dict[str, Any]] = answer.json()
        return messages

    standin.answer(text="All of it.", deltas=["All of ", "it."])
    standin.hold()
    async with connected(f"{web.url}/v1/responses", {"authorization": "Bearer a-key-of-the-clients"}) as socket:
        await socket.send(create(input="How much?"))
        await socket.receive()
        (flow,) = await page.until(lambda flows: flows and flows[0].get("websocket", {}).get("messages_meta"))
        async with asyncio.timeout(PATIENCE):
            while len(running := await told(flow)) < 2:
                pass
        assert "running" in running[1]["text"].splitlines()[0]
        standin.release()
        await socket.answer()
        (flow,) = await page.until(lambda flows: flows[0]["comment"])
        asked, answered = await told(flow)

    assert flow["comment"] == "gpt-6-sol, 6 changes, 1 turn"
    assert (asked["view_name"], answered["view_name"]) == ("Codex request", "Codex answer")
    assert "How much?" in asked["text"] and "text made a list" in asked["text"]
    assert "All of it." in answered["text"] and "completed" in answered["text"] and "tokens:" in answered["text"]
    assert "response.output_text.delta x 2" in answered["text"]
    everything = str(await page.flows()) + str([asked, answered])
    assert "a-key-of-the-clients" not in everything
