"""No secret leaves by any way out of mitmproxy: everything is started with marked secrets, and the marks are searched for."""

import asyncio
import base64
import contextlib
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from free_port import free_port
from standin import Standin

from .console import console
from .harness import PATIENCE, QUESTION, SCRIPT, Start, ask, environment, events
from .marks import REQUESTS, Cast, Marks, ask_all
from .test_inspect import Web, logged_in

ENCODINGS: dict[str, Callable[[str], bytes | str]] = {
    "as it is": str,
    "in capitals": str.upper,
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, one byte on": lambda text: base64.b64encode(b"x" + text.encode() + b"y"),
    "base64, two bytes on": lambda text: base64.b64encode(b"xy" + text.encode() + b"yz"),
    "base64, url-safe": lambda text: base64.urlsafe_b64encode(b"\xff\xfe\xfb" + text.encode() + b"\xfb\xff").rstrip(b"="),
    "base64 behind letters": lambda text: "abc" + base64.b64encode(f"user:{text}".encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(b"." * 48 + text.encode() + b"." * 48),
    "base64 of base64": lambda text: base64.b64encode(b"Basic " + base64.b64encode(f"me:{text}".encode())),
    "percent": lambda text: "".join(f"%{ord(each):02x}" for each in text),
    "percent of percent": lambda text: quote("".join(f"%{ord(each):02X}" for each in text)),
    "base64 in percent": lambda text: quote(base64.b64encode(b"\xff\xfb" + text.encode()), safe=""),
    "JSON": lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    "JSON in JSON": lambda text: json.dumps("".join(f"\\u{ord(each):04x}" for each in text)),
    "behind a line end in JSON": lambda text: json.dumps(f"a\n{base64.b64encode(text.encode()).decode()}"),
    "Python's bytes": lambda text: "".join(f"\\x{ord(each):02x}" for each in text),
    "hex": lambda text: text.encode().hex(),
    "hex in capitals, half a byte on": lambda text: "A" + text.encode().hex().upper(),
    "hex dump": lambda text: "".join(
        f"{at:010x} {' '.join(f'{each:02x}' for each in f'authorization: {text}'.encode()[at : at + 16]):<48} …\n"
        for at in range(0, 64, 16)
    ),
    "gzip": lambda text: b"head\r\n\r\n" + gzip.compress(text.encode()) + b"tail",
    "gzip in base64": lambda text: base64.b64encode(gzip.compress(text.encode())),
    "zstd": lambda text: b"head\r\n\r\n" + zstandard.compress(text.encode()),
    "brotli": lambda text: brotli.compress(text.encode()),
    "wrapped by a terminal": lambda text: f"{text[:9]}\x1b[0m  \x1b[12;1H{text[9:]}",
}  # fmt: skip


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_mark_is_found_in_every_encoding(encoding: str) -> None:
    marks = Marks()
    other, mine = marks.new("other"), marks.new("mine")
    assert marks.found(ENCODINGS[encoding](mine)) == ["mine"]
    assert marks.found(ENCODINGS[encoding](mine[:-1])) == []
    assert marks.found(ENCODINGS[encoding](mine), "other") == []
    assert marks.found(f"{other} {mine}") == ["mine", "other"]


# What the spy tells of a flow, in every hook: what other people's addons and mitmproxy's own tools see of it.
SPY = """
from mitmproxy import http
from mitmproxy.addons import export
from mitmproxy.tools.web.app import flow_to_json

class Spy:
    name = {name!r}

    def seen(self, flow):
        told = [repr(flow), flow.get_state(), repr(flow.request), str(flow.request.headers), flow.copy().get_state()]
        told += [list(flow.request.headers.items(multi=True)), vars(flow.request.data), flow.metadata, flow_to_json(flow)]
        told += [export.formats[name](flow) for name in ("curl", "raw_request") if flow.request.raw_content is not None]
        told += [flow.client_conn.get_state(), flow.server_conn.get_state()]
        with open({path!r}, "a") as file:
            print(*told, sep="\\n", file=file)

    requestheaders = request = responseheaders = response = error = seen

addons = [Spy()]
"""


@pytest.fixture
def cast(standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cast:
    cast = Cast(standin, tmp_path)
    cloudflare = [("server", "cloudflare"), ("cf-ray", "8f0000000000beef-FRA"), *cast.cookies]
    monkeypatch.setattr("standin.rules.headers.cloudflare", lambda: cloudflare)
    monkeypatch.setattr("standin.routes.COOKIES", [])
    return cast


ECHOES = ("model-refused:Bearer {access_token}", "model-refused:{refresh_token}", "failed:{access_token}")


@pytest.mark.parametrize("failure", ECHOES)
async def test_a_token_that_the_backend_sends_back_stays_here(
    failure: str, start: Start, cast: Cast, tmp_path: Path
) -> None:
    proxy = await start("-w", str(tmp_path / "dump.flows"), "--set", "flow_detail=4", **cast.options)
    cast.standin.fail(failure.format(**cast.ours))
    async with cast.client(proxy.url) as client:
        answer = await ask(client, "/v1/responses", QUESTION)
    await proxy.stop()
    assert cast.leaks({"answer": answer.text, "log": proxy.log, **files_of(tmp_path, *RIGHTLY)}) == {}


@contextlib.asynccontextmanager
async def updates(page: Web, port: int) -> AsyncIterator[bytearray]:
    """All that an open page is sent on its WebSocket: frames as they come, which nothing masks or packs."""
    cookies = "; ".join(f"{name}={value}" for name, value in page.client.cookies.items())
    head = (
        f"GET /updates HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nCookie: {cookies}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()

    async def read() -> None:
        while data := await reader.read(1 << 16):
            received.extend(data)

    try:
        writer.write(head.encode())
        assert b" 101 " in await reader.readline()
        reading = asyncio.create_task(read())
        yield received
        reading.cancel()
    finally:
        writer.close()


PAGES = ("/", "/flows", "/flows/dump", "/events", "/options", "/state", "/commands", "/processes")
CUT = "request.url,request.path,request.text,response.text,comment,error,metadata"
CUT_HEADERS = ",".join(
    f"{message}.header[{name}]"
    for message in ("request", "response")
    for name in ("authorization", "cookie", "set-cookie", "chatgpt-account-id", "x-api-key", "proxy-authorization")
)


async def ways_out(page: Web, folder: Path) -> dict[str, bytes | str]:
    """Everything mitmweb can be asked for. The page's copy buttons and the console's clipboard are `export` and `cut` too."""
    ways: dict[str, bytes | str] = {}

    async def get(path: str) -> None:
        answer = await page.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        ways[path] = answer.headers.get("content-disposition", "").encode() + b"\n" + answer.content

    async def command(name: str, *arguments: str, file: str = "", may_fail: bool = False) -> None:
        told = await page.command(name, *arguments, *([str(folder / file)] if file else []))
        assert "error" not in told or may_fail, (name, arguments, told)
        ways[" ".join((name, *arguments))] = (folder / file).read_bytes() if file else json.dumps(told)

    for path in PAGES:
        await get(path)
    # For a view with a dot in its name mitmweb has no address.
    views = [view for view in (await page.client.get("/state")).json()["contentViews"] if "." not in view]
    for flow in await page.flows():
        for message in ("request", "response") if flow.get("response") else ("request",):
            # A body that is still to come has no content, and mitmweb answers 500 for it.
            if flow[message]["contentLength"] is not None:
                await get(f"/flows/{flow['id']}/{message}/content.data")
            for view in views:
                await get(f"/flows/{flow['id']}/{message}/content/{quote(view, safe='')}.json")
        whole = flow.get("response") and flow["request"]["contentLength"] is not None
        for form in (await page.command("export.formats"))["value"]:
            await command("export", form, f"@{flow['id']}", may_fail=not whole)
        if whole:
            await command("export.file", "raw_request", f"@{flow['id']}", file="exported")
    await command("save.file", "@all", file="saved.flows")
    await command("save.har", "@all", file="saved.har")
    await command("cut", "@all", f"{CUT},{CUT_HEADERS}")
    await command("cut.save", "@all", f"{CUT},{CUT_HEADERS}", file="cut.csv")
    await command("codex.diff", "@all", may_fail=True)  # of a copy by codex.original there is none
    await command("codex.status")
    await command("codex.report")
    await command("options.save", file="options.yaml")
    assert "hidden by the proxy" in str(ways["/flows"])
    return ways


def files_of(folder: Path, *leave: str) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {path.name, *path.relative_to(folder).parts} & {*leave}
    }


# Where the secrets belong; mitmproxy's own CA is in its folder.
RIGHTLY = ("auth.json", "auth.lock", "client.key", "mitmproxy", "spy-before.py", "spy-after.py", "spy-before.txt")


async def test_mitmweb_tells_no_secret_at_any_moment(start: Start, cast: Cast, tmp_path: Path) -> None:
    port, standin = free_port(), cast.standin
    proxy = await start(
        "--no-web-open-browser", "--web-port", str(port), "-w", str(tmp_path / "web.flows"), tool="mitmweb", web_password="letmein",
        hardump=tmp_path / "web.har", codex_capture=tmp_path / "captured", codex_client_key=cast.key, **cast.options,
    )  # fmt: skip
    # mitmproxy shows a plain option to everybody; the proxy says so and takes it off.
    await proxy.logged("codex_client_key holds the key itself.*env:NAME or file:PATH are safer")
    async with logged_in(port) as page, updates(page, port) as seen, cast.client(proxy.url) as client:
        for moment, before_headers in (("before the answer", True), ("in the answer", False)):
            standin.hold(before_headers=before_headers)
            asking = asyncio.create_task(ask(client, "/v1/responses" + cast.query, QUESTION))
            await asyncio.wait_for(standin.held.wait(), PATIENCE)
            assert cast.leaks(await ways_out(page, tmp_path)) == {}, moment
            standin.release()
            assert (await asking).status == 200
        for held in ("~q", "~s"):
            await page.client.put("/options", json={"intercept": held})
            asking = asyncio.create_task(ask(client, "/responses" + cast.query, {**QUESTION, "stream": False}))
            [flow] = await intercepted(page)
            assert cast.leaks(await ways_out(page, tmp_path)) == {}, held
            await page.client.put("/options", json={"intercept": ""})
            await page.client.post(f"/flows/{flow['id']}/resume")
            assert (await asking).status == 200
        answers = await ask_all(cast, proxy.url)
        flow = (await page.flows())[0]
        await page.command("codex.original", f"@{flow['id']}")
        copy = next(each for each in await page.flows() if each["comment"] == "what the client sent")
        for one in (flow, copy):
            await page.client.post(f"/flows/{one['id']}/replay")
            await page.until(lambda flows, wanted=one["id"]: wanted in replayed(flows))
        ways = await ways_out(page, tmp_path)
        assert cast.leaks({**answers, **ways, "/updates": bytes(seen)}) == {}
        assert len(seen) > 10_000
    await proxy.stop()
    assert cast.leaks({"log": proxy.log, **files_of(tmp_path, *RIGHTLY)}) == {}
    assert {"web.flows", "web.har", "saved.har", "captured/0001.json"} <= set(files_of(tmp_path))


def replayed(flows: list[dict[str, Any]]) -> list[str]:
    """Those that went up once more, and were answered well."""
    return [
        flow["id"] for flow in flows if flow["is_replay"] and (flow.get("response") or {}).get("status_code") == 200
    ]


async def intercepted(page: Web) -> list[dict[str, Any]]:
    flows = await page.until(lambda flows: any(flow["intercepted"] for flow in flows))
    return [flow for flow in flows if flow["intercepted"]]


async def run(folder: Path, *command: object) -> str:
    """The output of a program that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder, env=environment(folder)
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    return output.decode()


async def test_mitmdump_its_files_and_other_peoples_addons_tell_no_secret(
    start: Start, cast: Cast, tmp_path: Path
) -> None:
    for name in ("before", "after"):
        (tmp_path / f"spy-{name}.py").write_text(SPY.format(name=name, path=str(tmp_path / f"spy-{name}.txt")))
    mask = os.umask(0)
    try:
        proxy = await start(
            "-s", str(tmp_path / "spy-after.py"), "-w", str(tmp_path / "dump.flows"), first=("-s", str(tmp_path / "spy-before.py")),
            flow_detail=4, termlog_verbosity="debug", proxy_debug="true", hardump=tmp_path / "dump.har",
            codex_capture=tmp_path / "new" / "captured", codex_client_key=f"file:{tmp_path / 'client.key'}", **cast.options,
        )  # fmt: skip
    finally:
        os.umask(mask)
    answers = await ask_all(cast, proxy.url)
    await proxy.stop()

    assert cast.leaks({"log": proxy.log, **answers, **files_of(tmp_path, *RIGHTLY)}) == {}
    # An addon that stands before ours sees what the client sends, but nothing of the login.
    before = {"spy before": (tmp_path / "spy-before.txt").read_text()}
    assert cast.leaks(before, *cast.login_secrets()) == {}
    assert "x-api-key" in cast.leaks(before)["spy before"]
    assert "POST" in (tmp_path / "spy-after.txt").read_text()
    # Whatever the umask: what is ours is for this user alone.
    ours = [cast.login_file, tmp_path / "auth.lock", tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert {(str(path), oct(path.stat().st_mode & 0o077)) for path in ours} == {(str(path), "0o0") for path in ours}
    assert len(ours) > len(REQUESTS)
    for script in ((), ("-s", SCRIPT)):
        again = await run(tmp_path, Path(sys.executable).parent / "mitmdump", "-n", "-r", tmp_path / "dump.flows", "--set", f"confdir={tmp_path / 'mitmproxy'}", "--set", "flow_detail=4", *script)  # fmt: skip
        assert again.count("/responses") >= 10
        assert "Traceback" not in again
        assert cast.leaks({"read again": again}) == {}


async def test_the_console_draws_no_secret(cast: Cast, tmp_path: Path) -> None:
    port = free_port()
    options = {**cast.options, "confdir": tmp_path / "mitmproxy", "codex_client_key": "env:CLIENT_KEY", "termlog_verbosity": "debug"}  # fmt: skip
    command = [str(Path(sys.executable).parent / "mitmproxy"), "-s", str(SCRIPT), "--mode", f"reverse:https://chatgpt.com@127.0.0.1:{port}"]  # fmt: skip
    command += [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    async with console(tmp_path, *command, CLIENT_KEY=cast.key) as running:
        await running.shows("Flows")
        async with cast.client(f"http://127.0.0.1:{port}") as client:
            cast.standin.hold(before_headers=True)
            asking = asyncio.create_task(ask(client, "/v1/responses" + cast.query, QUESTION))
            await asyncio.wait_for(cast.standin.held.wait(), PATIENCE)
            await running.press("\r", "Authorization:", "[hidden by the proxy]", "Codex request")
            cast.standin.release()
            assert (await asking).status == 200
        await running.press("\t", "content-type:", "Codex answer")
        await running.press("\t", "Client Connection")
        await running.press("q", "Flows")
        answers = await ask_all(cast, f"http://127.0.0.1:{port}")
        await running.press("G\r", "Client Connection")
        await running.press("\t", "Host:")
        for _ in range(len(REQUESTS)):
            await running.press(" \t", "Response")
        await running.press("q", "Flows")
        for view, shown in (("E", "requests go to"), ("O", "codex_client_key"), ("C", "codex.diff"), ("K", "Key")):
            await running.press(view, shown)
            await running.press("q", "Flows")
        await running.press(":codex.diff @focus\r", "what went up")
    assert cast.leaks({"screen": bytes(running.drawn), **answers, **files_of(tmp_path, *RIGHTLY)}) == {}


async def test_encrypted_reasoning_is_whole_for_the_client_and_short_for_the_eye(
    start: Start, cast: Cast, tmp_path: Path
) -> None:
    port = free_port()
    proxy = await start(
        "--no-web-open-browser", "--web-port", str(port), tool="mitmweb", web_password="letmein", **cast.options
    )
    question = {**QUESTION, "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "high"}}
    async with logged_in(port) as page, cast.client(proxy.url) as client:
        got = (await client.post("/v1/responses", json=question)).text
        [sealed] = {
            item["encrypted_content"]
            for event in events(got)
            for item in event.get("response", {}).get("output", [event.get("item", {})])
            if item.get("encrypted_content")
        }
        item = next(event["item"] for event in events(got) if event["type"] == "response.output_item.done" and event["item"]["type"] == "reasoning")  # fmt: skip
        second = {
            **question,
            "input": [
                {"role": "user", "content": "Once."},
                item,
                {"role": "assistant", "content": "Yes."},
                {"role": "user", "content": "More."},
            ],
        }
        assert (await client.post("/v1/responses", json=second)).status_code == 200
        assert cast.standin.requests[1].json["input"][1]["encrypted_content"] == sealed
        first, last = await page.flows()
        for flow, message in ((first, "response"), (last, "request")):
            shown = (await page.client.get(f"/flows/{flow['id']}/{message}/content/auto.json")).json()["text"]
            assert len(sealed) > 500
            assert sealed[:60] not in shown
            assert "reasoning" in shown


async def test_two_of_them_run_side_by_side(start: Start, cast: Cast) -> None:
    ports = [free_port(), free_port()]
    proxies = [
        await start("--no-web-open-browser", "--web-port", str(port), tool="mitmweb", web_password="letmein", **cast.options)
        for port in ports
    ]  # fmt: skip
    for number, (proxy, port) in enumerate(zip(proxies, ports, strict=True), 1):
        async with logged_in(port) as page, cast.client(proxy.url) as client:
            for _ in range(number):
                assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200
            assert len(await page.flows()) == number
    assert len({proxy.ports[0] for proxy in proxies}) == 2
