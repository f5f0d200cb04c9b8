"""The page of `GET /` in a real browser: what a person sees there, and what nobody else does."""

import asyncio
import json
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader
from playwright.async_api import Browser, Page, expect

from free_port import free_port
from standin import Standin

from .browser import NEEDS_CHROMIUM, Seen, browsing, keep_picture
from .harness import PATIENCE, Proxy, Start, environment, new_client

pytestmark = NEEDS_CHROMIUM

HTML = {"accept": "text/html,*/*;q=0.8"}


class Opened:
    """An open page, and all it loaded and complained of."""

    def __init__(self, page: Page) -> None:
        self.page, self.seen = page, Seen(page)
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.partition("?")[0]))

    @property
    def rows(self) -> Any:
        return self.page.locator("#requests tbody tr")

    def cell(self, row: int, label: str) -> Any:
        return self.rows.nth(row).locator(f"td[data-label='{label}']")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    # One name of somebody else that leads to this machine, as a page that rebinds its name would have it.
    async with browsing("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> Page:
    return await browser.new_page(viewport={"width": 1280, "height": 900})


async def open_page(proxy: Proxy, page: Page) -> Opened:
    opened = Opened(page)
    await page.goto(proxy.url)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    return opened


async def ask(proxy: Proxy, agent: str = "OpenAI/Python 2.1.0", **body: Any) -> httpx2.Response:
    async with new_client(proxy) as client:
        wanted = {"model": "gpt-6-sol", "input": "Say something.", "stream": True, **body}
        return await client.post("/v1/responses", json=wanted, headers={"user-agent": agent})


async def test_a_request_is_seen_by_itself_while_it_runs_and_when_it_has_ended(
    proxy: Proxy, page: Page, standin: Standin
) -> None:
    opened = await open_page(proxy, page)
    await expect(page.get_by_text("logged in")).to_be_visible()
    await expect(page.get_by_text(re.compile("Known after the backend.s next answer."))).to_be_visible()
    await expect(page.get_by_text("None yet.")).to_be_visible()
    await expect(page.locator("#models li").first).to_have_text("gpt-6.2-sol low")

    await ask(proxy, "Go-http-client/1.1", model="gpt-4.1", temperature=0.2, max_output_tokens=500)
    await ask(proxy, "curl/8.14.1", model="gpt-9-turbo")
    standin.answer(text="It rains. " * 40, pieces=lambda body: [body[: len(body) // 2], body[len(body) // 2 :]])
    standin.hold()
    asking = asyncio.create_task(ask(proxy))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    # From here on nobody touches the page.
    await expect(opened.cell(0, "Status")).to_have_text("running")
    await expect(opened.cell(0, "First byte")).to_contain_text("ms")
    await expect(opened.cell(0, "Client")).to_have_text("OpenAI/Python 2.1.0")
    await keep_picture(page, "page")
    standin.release()
    await asking

    await expect(opened.cell(0, "Status")).to_have_text("200")
    await expect(opened.cell(0, "Tokens")).to_have_text(re.compile(r"\d+ in, \d+ out\d+ % cached"))
    await expect(opened.cell(1, "Status")).to_have_text("404model_not_found")
    await expect(opened.cell(2, "Model")).to_have_text("gpt-4.1 → gpt-6-luna")
    await expect(opened.cell(2, "Changes").locator("summary")).to_have_text("8 changes")
    bars = page.get_by_role("meter")
    await expect(bars).to_have_count(2)
    await expect(page.get_by_role("meter", name="5-hour window")).to_have_attribute("aria-valuenow", "12.5")
    await expect(page.get_by_role("meter", name="weekly window")).to_have_attribute("aria-valuetext", "34 % used")
    widths = [
        await bar.locator("span").evaluate("it => it.offsetWidth / it.parentNode.offsetWidth")
        for bar in await bars.all()
    ]
    assert widths == [pytest.approx(0.125, abs=0.01), pytest.approx(0.34, abs=0.01)]
    assert opened.complaints == [] and opened.hosts == {f"{proxy.url}/"}


async def test_what_callers_call_themselves_is_text(proxy: Proxy, page: Page, login_file: Path) -> None:
    opened = await open_page(proxy, page)
    mean = "<img src=x onerror='document.title=1'>"
    await ask(proxy, mean, model="<script>document.title=2</script>", **{"<b>field</b>": 1})
    async with new_client(proxy) as client:
        await client.get("/v1/%3Cb%3E'&lt;", headers={b"user-agent": b"odd \xff\xfe bytes"})

    await expect(opened.cell(1, "Client")).to_have_text(mean)
    await expect(opened.cell(1, "Model")).to_have_text("<script>document.title=2</script>")
    await opened.cell(1, "Changes").locator("summary").click()
    await expect(opened.cell(1, "Changes")).to_contain_text("-<b>field</b>")
    await expect(opened.cell(0, "Model")).to_have_text("GET /v1/%3Cb%3E'&lt;")
    await expect(opened.cell(0, "Client")).to_have_text(re.compile("^odd .* bytes$"))
    assert await page.locator("main :is(img, script, b, i)").count() == 0
    assert await page.title() == "codex proxy" and opened.complaints == []
    # Whatever comes later, what is open stays open.
    await ask(proxy)
    await expect(opened.rows).to_have_count(3)
    await expect(opened.cell(2, "Changes").locator("details")).to_have_attribute("open", "")


async def test_nothing_the_page_loads_is_secret(proxy: Proxy, page: Page, login_file: Path) -> None:
    opened = await open_page(proxy, page)
    headers = {"x-api-key": "the-callers-own-key", "cookie": "session=the-callers-own-cookie"}
    async with new_client(proxy) as client:
        question = {"model": "gpt-6-sol", "instructions": "Prompt-of-mine", "input": "Question-of-mine", "stream": True}
        await client.post("/v1/responses?api_key=in-the-query", json=question, headers=headers)
    await expect(opened.cell(0, "Status")).to_have_text("200")

    loaded = await opened.seen.all()
    assert "nanobot-proxy" not in loaded and '"first_byte_ms"' in loaded
    document = json.loads(login_file.read_text())
    secrets = [*document["tokens"].values(), "the-callers-own", "in-the-query", "dummy", "__cf_bm", "of-mine", "@"]
    secrets += [part for token in document["tokens"].values() for part in token.split(".") if len(part) > 20]
    told = loaded.replace("@media", "").replace("@keyframes", "")
    assert [secret for secret in secrets if secret in told] == []


async def test_the_lines_are_chosen_and_copied_without_a_mouse(proxy: Proxy, page: Page) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = await open_page(proxy, page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name="nanobot")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#lines")).to_contain_text("from openai import OpenAI")
    await page.keyboard.press("Tab")
    await expect(page.locator("#lines")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").get_by_text("Copied")).to_be_visible()

    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.locator("#lines").inner_text() and f'base_url="{proxy.url}/v1"' in copied
    assert opened.complaints == []


async def test_without_the_clipboard_the_lines_are_selected(proxy: Proxy, page: Page) -> None:
    # As over plain HTTP from another machine.
    await page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    await open_page(proxy, page)
    await page.get_by_role("button", name="Copy").press("Space")
    await expect(page.locator("#copied")).to_have_text(re.compile("^(Copied|Selected: )"))
    assert (await page.evaluate("String(getSelection())")).startswith(f"export OPENAI_BASE_URL={proxy.url}\n")


async def test_the_lines_do_what_they_say(proxy: Proxy, page: Page, standin: Standin, tmp_path: Path) -> None:
    await open_page(proxy, page)
    await expect(page.locator("#models li")).not_to_have_count(0)
    commands = {"Python": [sys.executable, "-c"]}
    commands |= {"curl": ["sh", "-c"]} if shutil.which("curl") else {}
    for name, command in commands.items():
        standin.answer(text=f"Hello from {name}.")
        await page.get_by_text(name, exact=True).click()
        process = await asyncio.create_subprocess_exec(
            *command, await page.locator("#lines").inner_text(), stdout=asyncio.subprocess.PIPE, env=environment(tmp_path)
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert f"Hello from {name}." in said.decode()

    await page.get_by_text("Codex CLI", exact=True).click()
    program, *settings = shlex.split(await page.locator("#lines").inner_text())
    config = tomllib.loads("\n".join(text for text in settings if text != "-c").replace("=proxy\n", "='proxy'\n"))
    assert (program, config["model_provider"]) == ("codex", "proxy")
    assert config["model_providers"]["proxy"]["base_url"] == f"{proxy.url}/v1"


@pytest.fixture
async def keyed(start: Start, standin: Standin, login_file: Path) -> Proxy:
    return await start(
        env={"PROXY_KEY": "open:sésame"},
        codex_client_key="env:PROXY_KEY",
        codex_upstream=standin.upstream,
        codex_auth_file=login_file,
    )


async def test_with_a_client_key_the_browser_gives_it_as_password_for_this_page_alone(
    keyed: Proxy, browser: Browser, standin: Standin
) -> None:
    wrong = await browser.new_context(http_credentials={"username": "me", "password": "sesame"})
    answer = await (await wrong.new_page()).goto(keyed.url)
    assert answer and answer.status == 401 and "as the password" in await answer.text()
    assert answer.headers["www-authenticate"] == 'Basic realm="codex proxy", charset="UTF-8"'

    right = await browser.new_context(http_credentials={"username": "me", "password": "open:sésame"})
    page = await right.new_page()
    opened = await open_page(keyed, page)
    await expect(page.locator("#lines")).to_contain_text("OPENAI_API_KEY=YOUR_CLIENT_KEY")
    # What the browser sends along by itself is good for nothing else, not even for the page's own script.
    status = "async ([method, path]) => (await fetch(path, {method})).status"
    tried = (["GET", "/models"], ["POST", "/responses"], ["POST", "/"])
    assert [await page.evaluate(status, way) for way in tried] == [401, 403, 403]
    async with httpx2.AsyncClient(base_url=keyed.url, trust_env=False, auth=("me", "open:sésame")) as client:
        for method, path in (("POST", "/responses"), ("POST", "/v1/responses"), ("GET", "/models"), ("POST", "/")):
            refused = await client.request(method, path, json={"model": "gpt-6-sol", "input": "Spend."})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), path
        assert (await client.get("/", headers=HTML)).status_code == (await client.get("/?live")).status_code == 200
    assert [request for request in standin.requests if request.method == "POST"] == []
    told = await opened.seen.all() + keyed.log
    assert "sésame" not in told and "b3BlbjpzZXNhbWU" not in told and "bWU6b3Blb" not in told


async def test_a_page_of_another_origin_sees_nothing_of_it(proxy: Proxy, page: Page) -> None:
    refused = await page.goto(proxy.url.replace("127.0.0.1", "evil.example"))
    assert refused and refused.status == 403 and "host_refused" in await refused.text()

    # A page of another port of this machine: another origin, with the proxy's name.
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = (
            f"<title>mean</title><iframe src='{proxy.url}/'></iframe><script src='{proxy.url}/?live'></script>".encode()
        )
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        await page.goto(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        tried = "url => fetch(url).then(answer => answer.text(), problem => problem.name)"
        assert await page.evaluate(tried, f"{proxy.url}/?live") == "TypeError"
        framed = page.frames[1]
        assert "Last requests" not in await framed.content()
        # It goes without an `Origin`.
        await page.evaluate("url => fetch(url, {mode: 'no-cors'})", f"{proxy.url}/models")
    finally:
        server.close()
        await server.wait_closed()
    for path in ("/", "/models"):
        await proxy.logged(f"GET {path} 403 origin_refused")


async def test_the_page_says_when_the_proxy_is_gone_and_goes_on_when_it_is_back(
    start: Start, standin: Standin, login_file: Path, page: Page
) -> None:
    mode = f"reverse:https://chatgpt.com@127.0.0.1:{free_port()}"
    options = {"modes": (mode,), "codex_upstream": standin.upstream, "codex_auth_file": login_file}
    first = await start(**options)
    opened = await open_page(first, page)
    await ask(first)
    await expect(opened.rows).to_have_count(1)
    await first.stop()
    await expect(page.get_by_role("alert")).to_contain_text("The proxy does not answer")

    login_file.unlink()
    await start(**options)
    await expect(page.get_by_text("live", exact=True)).to_be_visible()
    await expect(page.get_by_role("alert")).to_be_hidden()
    await expect(opened.rows).to_have_count(0)
    await expect(page.get_by_text("no usable login")).to_be_visible()
    await expect(page.locator("#login-told")).to_contain_text("scripts/login")


async def test_a_dry_run_says_so_on_a_phone(start: Start, page: Page) -> None:
    proxy = await start(codex_dry_run="true")
    await page.set_viewport_size({"width": 360, "height": 740})
    opened = await open_page(proxy, page)
    await ask(proxy, "agent-with-a-long-name-and-no-space-in-it/1.2.3", model="m" * 50)
    await expect(page.get_by_text("dry run").first).to_be_visible()
    await expect(page.get_by_text("A dry run uses nothing.")).to_be_visible()
    await expect(opened.cell(0, "Model")).to_contain_text("dry run")
    assert await page.evaluate("document.documentElement.scrollWidth") == 360


async def test_a_page_that_nobody_looks_at_asks_seldom(proxy: Proxy, page: Page) -> None:
    await page.clock.install()
    await page.add_init_script(
        "Object.defineProperty(document, 'visibilityState', {get: () => window.seen ?? 'hidden'})"
    )
    await open_page(proxy, page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.run_for(29_000)
    assert asked == []
    async with page.expect_request("**/?live"):
        await page.clock.run_for(1_500)
    async with page.expect_request("**/?live"):
        await page.evaluate("window.seen = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")


async def test_a_page_whose_key_is_not_taken_any_more_says_so_and_asks_no_more(proxy: Proxy, page: Page) -> None:
    await page.clock.install()
    await open_page(proxy, page)
    refusal = {"error": {"message": "This proxy requires its client key."}}
    await page.route("**/?live", lambda route: route.fulfill(status=401, json=refusal))
    await page.clock.run_for(2_000)
    await expect(page.get_by_role("alert")).to_have_text(
        f"{refusal['error']['message']} Reload this page to enter the key."
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.run_for(60_000)
    assert asked == []


async def test_what_the_page_asks_for_is_in_no_list_no_file_and_no_log(
    start: Start, standin: Standin, login_file: Path, page: Page, tmp_path: Path
) -> None:
    kept = tmp_path / "flows"
    web = await start(
        "--no-web-open-browser", "--web-port", str(free_port()), "-w", str(kept), tool="mitmweb",
        codex_upstream=standin.upstream, codex_auth_file=login_file,
    )  # fmt: skip
    link = (await web.logged(r"Web server listening at (http://\S+)"))[1]
    await open_page(web, page)
    for _ in range(2):
        async with page.expect_response("**/?live"):
            pass
    await ask(web)
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as viewer:
        await viewer.get(link)
        listed = (await viewer.get(httpx2.URL(link).join("/flows"))).json()
    await web.stop()

    assert [flow["request"]["path"] for flow in listed] == ["/", "/backend-api/codex/responses"]
    with kept.open("rb") as file:
        saved = [flow.request.path for flow in FlowReader(file).stream() if isinstance(flow, HTTPFlow)]
    assert saved == ["/", "/backend-api/codex/responses"]
    assert len(re.findall(r"GET /\S* 200", web.log)) == 1


async def test_programs_get_json_and_browsers_the_page(client: httpx2.AsyncClient, proxy: Proxy) -> None:
    for accept in ("*/*", "application/json", ""):
        answer = await client.get("/", headers={"accept": accept})
        assert answer.json()["requests"] == [] and answer.headers["vary"] == "Accept"
    for path in ("/", "/v1", "/v1/"):
        shown = await client.get(path, headers=HTML)
        assert (
            shown.headers["content-type"] == "text/html; charset=utf-8"
            and "script-src 'sha256-" in shown.headers["content-security-policy"]
        )
        assert shown.headers["cache-control"] == "no-store" and shown.headers["x-content-type-options"] == "nosniff"
    assert (await client.get("/healthz", headers=HTML)).json()["status"] == "ok"
