"""mitmweb in a real browser: what a person sees there."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from free_port import free_port
from standin import Standin

from ..websocket_client import connected, create
from . import harness
from .browser import NEEDS_CHROMIUM, Seen, browsing, keep_picture, keeps_pictures
from .harness import PATIENCE, Proxy, Start, new_client

pytestmark = NEEDS_CHROMIUM

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city, today.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION: dict[str, Any] = {
    "model": "gpt-4.1",
    "instructions": "You are a guide to the weather. Answer in one sentence.",
    "input": [{"role": "user", "content": "What is the weather in Oslo?"}],
    "tools": [WEATHER],
    "temperature": 0.2,
    "stream": True,
}
SAID = "It is 12 degrees in Oslo, with rain from the west.\n\nTomorrow it will be dry, and a little warmer. "


@pytest.fixture
async def web(start: Start, standin: Standin, login_file: Path) -> Proxy:
    return await start(
        "--no-web-open-browser", "--web-port", str(free_port()), tool="mitmweb",
        web_columns=["icon", "method", "path", "comment", "status", "size", "time"],
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file, codex_model_map="gpt-4*=gpt-6-luna",
    )  # fmt: skip


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with browsing() as browser:
        yield await browser.new_page(viewport={"width": 1280, "height": 760})


@pytest.fixture
async def opened(web: Proxy, page: Page) -> Seen:
    """The page as the one link that is printed opens it."""
    seen = Seen(page)
    link = await web.logged(r"Web server listening at (http://\S+)")
    await page.goto(link[1])
    await expect(page.get_by_text("connected")).to_be_visible()
    return seen


async def ask(proxy: Proxy, **changes: Any) -> harness.Told:
    async with new_client(proxy) as client:
        return await harness.ask(client, "/v1/responses", QUESTION | changes)


async def picture(page: Page, name: str) -> None:
    """Keep what is seen now, past the headers, which fill the page."""
    if keeps_pictures() and await page.locator(".contentview").count():
        await page.locator(".contentview").evaluate("view => view.scrollIntoView()")
    await keep_picture(page, name)


def row(page: Page, number: int) -> Any:
    """A request of the list, the first is 0."""
    return page.locator("tr.has-request").nth(number)


async def show(page: Page, tab: str) -> Any:
    """Open a tab of the selected request; what it shows."""
    await page.locator("nav.nav-tabs-sm").get_by_text(tab, exact=True).click()
    return page.locator(".contentview pre")


async def test_the_list_says_what_happened(web: Proxy, page: Page, opened: Seen, standin: Standin) -> None:
    await ask(web)
    await ask(web, model="gpt-9-turbo")
    standin.fail("cut-close")
    await ask(web, model="gpt-6-sol")
    standin.fail("usage-limit")
    await ask(web, model="gpt-6-sol")
    standin.hold()
    asking = asyncio.create_task(ask(web, model="gpt-6-sol"))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)

    await expect(page.locator("tr.has-request")).to_have_count(5)
    comments = [row(page, number).locator(".col-comment") for number in range(5)]
    await expect(comments[0]).to_contain_text("gpt-6-luna, 5 changes")
    await expect(comments[1]).to_contain_text("model_not_found, gpt-9-turbo")
    await expect(comments[2]).to_contain_text("stream_broken, gpt-6-sol")
    await expect(comments[3]).to_contain_text("usage_limit_reached")
    await expect(comments[4]).to_contain_text("gpt-6-sol, 4 changes")
    marked = [await row(page, number).locator(".marker").inner_text() for number in range(4)]
    assert marked == ["", "🔴", "🔴", "🔴"]
    await picture(page, "list")
    standin.release()
    assert (await asking).status == 200


async def test_a_request_is_shown_as_a_conversation_with_what_was_changed(web: Proxy, page: Page, opened: Seen) -> None:
    await ask(web)
    await row(page, 0).click()
    request = await show(page, "Request")

    await expect(page.locator(".contentview h5")).to_have_text("Codex request")
    for text in (
        "# gpt-4.1 → gpt-6-luna",
        "What is the weather in Oslo?",
        "get_weather(city: string)",
        "temperature",
        "taken off",
    ):
        await expect(request).to_contain_text(text)
    await picture(page, "request")


async def test_an_answer_is_seen_growing(web: Proxy, page: Page, opened: Seen, standin: Standin) -> None:
    standin.answer(text=SAID * 4, deltas=400, pieces=lambda body: [body[: len(body) // 2], body[len(body) // 2 :]])
    standin.hold()
    asking = asyncio.create_task(ask(web, model="gpt-6-sol"))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    await row(page, 0).click()
    answer = await show(page, "Response")

    await expect(answer).to_contain_text("# gpt-6-sol · running")
    await expect(answer).to_contain_text("It is 12 degrees in Oslo")
    await picture(page, "growing")
    # From here on nobody touches the page.
    standin.release()
    await asking
    await expect(answer).to_contain_text("# gpt-6-sol · completed")
    await expect(answer).to_contain_text(re.compile(r"output_text\.delta x \d{3} in [\d.,]+ m?s"))
    await picture(page, "answer")


async def test_a_broken_answer_is_kept_and_says_where(web: Proxy, page: Page, opened: Seen, standin: Standin) -> None:
    standin.answer(text=SAID)
    standin.fail("reset-mid-line")
    await ask(web, model="gpt-6-sol")
    await row(page, 0).click()
    answer = await show(page, "Response")

    await expect(answer).to_contain_text("# gpt-6-sol · failed")
    await expect(answer).to_contain_text("closed the connection before its answer was complete")
    await expect(answer).to_contain_text("Tomorrow")
    await picture(page, "broken")


async def command(page: Page, text: str) -> Any:
    """Type into the command bar; what it says."""
    bar = page.locator(".command-input input")
    if not await bar.count():
        await page.get_by_text("Options", exact=True).click()
        await page.get_by_text("Display Command Bar").click()
    await bar.fill(text)
    await bar.press("Enter")
    return page.locator(".command-result")


async def test_what_the_client_sent_is_shown_beside_what_went_up(web: Proxy, page: Page, opened: Seen) -> None:
    await ask(web)
    await row(page, 0).click()
    shown = await show(page, "Request")
    await page.locator(".contentview").get_by_text("View:").click()
    await page.get_by_text("codex diff", exact=True).click()

    for line in ('- "temperature": 0.2', '+ "store": false', "+originator: nanobot-proxy", "-POST /v1/responses"):
        await expect(shown).to_contain_text(line)
    await picture(page, "diff")


async def test_the_status_is_told_in_the_command_bar(web: Proxy, page: Page, opened: Seen, login_file: Path) -> None:
    await ask(web)
    await expect(await command(page, "codex.status")).to_contain_text("5-hour window: 12.5 % used, resets ")


async def test_a_request_is_sent_again_by_the_replay_button(
    web: Proxy, page: Page, opened: Seen, standin: Standin
) -> None:
    # The page asks for the answer while the replay has none yet, and mitmweb logs that with a traceback.
    web.may_fail = True
    await ask(web)
    await row(page, 0).click()
    standin.answer(text="Said at the second time.")
    await page.get_by_title("[r]eplay flow").click()

    await expect(await show(page, "Response")).to_contain_text("Said at the second time.")
    assert [seen.status for seen in standin.requests] == [200, 200]
    assert standin.requests[0].body == standin.requests[1].body


async def test_nothing_that_the_page_loads_holds_a_secret(
    web: Proxy, page: Page, opened: Seen, standin: Standin, login_file: Path
) -> None:
    tokens = json.loads(login_file.read_text())["tokens"]
    standin.hold(before_headers=True)
    async with new_client(web) as client:
        sent = {"x-api-key": "the-callers-own-key", "cookie": "session=the-callers-own-cookie"}
        asking = asyncio.create_task(client.post("/v1/responses?api_key=in-the-query", json=QUESTION, headers=sent))
        await asyncio.wait_for(standin.held.wait(), PATIENCE)
        await row(page, 0).click()
        await expect(await show(page, "Request")).to_contain_text("changed on the way up")
        standin.release()
        await asking
    for tab in ("Response", "Connection", "Timing", "Comment", "Request"):
        await page.locator("nav.nav-tabs-sm").get_by_text(tab, exact=True).click()
    await command(page, "codex.diff @all")
    await command(page, "codex.original @all")
    await expect(page.locator("tr.has-request")).to_have_count(2)

    loaded = await opened.all()
    assert "get_weather" in loaded and "nanobot-proxy" in loaded
    marks = [*tokens.values(), "the-callers-own", "in-the-query", "dummy", "__cf_bm"]
    marks += [part for token in tokens.values() for part in token.split(".") if len(part) > 20]
    assert [mark for mark in marks if mark in loaded] == []


async def test_a_websocket_is_shown_turn_by_turn(web: Proxy, page: Page, opened: Seen, standin: Standin) -> None:
    standin.answer(text=SAID, deltas=12)
    standin.hold()
    async with connected(f"{web.url}/v1/responses", {"authorization": "Bearer dummy"}) as socket:
        await row(page, 0).click()
        shown = await show(page, "WebSocket")
        await expect(page.get_by_text("0 Messages")).to_be_visible()
        await socket.send(create(input="What is the weather in Oslo?", temperature=0.2))
        await expect(shown.nth(1)).to_contain_text("running")
        standin.release()
        await socket.answer()
        await expect(row(page, 0).locator(".col-comment")).to_contain_text("gpt-6-sol, 7 changes, 1 turn")
        await expect(shown.nth(0)).to_contain_text("What is the weather in Oslo?")
        await expect(shown.nth(0)).to_contain_text("temperature: taken off")
        await expect(shown.nth(1)).to_contain_text("It is 12 degrees in Oslo")
        await expect(shown.nth(1)).to_contain_text(re.compile(r"output_text\.delta x \d+ in"))
        await expect(shown).to_have_count(2)
        await picture(page, "websocket")
