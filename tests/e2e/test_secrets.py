"""The token is nowhere but on the wire: not in mitmweb, not in files, not in the log, at no moment."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from free_port import free_port
from standin import Standin

from .harness import PATIENCE, QUESTION, Proxy, Start, ask, new_client


def secrets_of(login_file: Path, standin: Standin) -> list[str]:
    tokens = json.loads(login_file.read_text())["tokens"]
    return [
        tokens["access_token"],
        tokens["refresh_token"],
        tokens["id_token"],
        tokens["account_id"],
        "dummy-key-of-the-client",
    ]


def assert_clean(where: str, text: str, secrets: list[str]) -> None:
    for secret in secrets:
        assert secret not in text, where
        # A part of a JWT would do as well.
        for part in secret.split("."):
            assert len(part) < 20 or part not in text, where


@pytest.fixture
async def web(start: Start, standin: Standin, login_file: Path, tmp_path: Path) -> Proxy:
    proxy = await start(
        "--no-web-open-browser", "--web-port", str(free_port()), "-w", str(tmp_path / "web.flows"), tool="mitmweb", web_password="letmein",
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
    )  # fmt: skip
    return proxy


async def web_client(proxy: Proxy) -> httpx2.AsyncClient:
    found = await proxy.logged(r"Web server listening at (http://\S+?)/?(\?\S+)?$")
    client = httpx2.AsyncClient(base_url=found.group(1), trust_env=False, timeout=PATIENCE, follow_redirects=True)
    await client.get("/", params={"token": "letmein"})
    # tornado compares the cookie with the header, and takes any token.
    client.headers["x-xsrftoken"] = "ab" * 16
    client.cookies.set("_mitmproxy_xsrf", "ab" * 16)
    return client


async def all_that_mitmweb_tells(client: httpx2.AsyncClient) -> str:
    flows = await client.get("/flows")
    assert flows.status_code == 200
    told = flows.text
    for flow in flows.json():
        # Asked for the response of a flow that has none yet, mitmweb 12.2.3 answers 500 with a traceback in its log.
        for message in ("request", "response") if flow.get("response") else ("request",):
            told += (await client.get(f"/flows/{flow['id']}/{message}/content.data")).text
        for form in ("curl", "httpie", "raw_request", "raw"):
            command = {"arguments": [form, f"~u {flow['id']} | ~all"]}
            told += (await client.post("/commands/export", json=command)).text
    for page in ("/events", "/options", "/state", "/flows/dump"):
        told += (await client.get(page)).text
    return told


async def test_mitmweb_never_sees_the_token(web: Proxy, standin: Standin, login_file: Path, tmp_path: Path) -> None:
    secrets = secrets_of(login_file, standin)
    viewer = await web_client(web)
    standin.hold(before_headers=True)
    async with new_client(web) as client:
        asking = asyncio.create_task(
            client.post("/responses", json=QUESTION, headers={"x-api-key": "dummy-key-of-the-client"})
        )
        # While the backend thinks, the request is on the wire and its flow in mitmweb's list.
        await asyncio.wait_for(standin.held.wait(), PATIENCE)
        meanwhile = await all_that_mitmweb_tells(viewer)
        assert "/backend-api/codex/responses" in meanwhile
        assert_clean("while the backend thinks", meanwhile, secrets)
        standin.release()
        assert (await asking).status_code == 200
    after = await all_that_mitmweb_tells(viewer)
    assert_clean("after the answer", after, secrets)
    assert "__cf_bm" not in after
    await viewer.aclose()
    await web.stop()
    assert_clean("the flow file", (tmp_path / "web.flows").read_bytes().decode("latin-1"), secrets)
    assert_clean("the log", web.log, secrets)
    assert any(
        value.startswith("Bearer ey") for name, value in standin.requests[0].headers if name.lower() == "authorization"
    )


async def test_an_intercepted_flow_shows_no_token_and_goes_on_with_it(
    web: Proxy, standin: Standin, login_file: Path
) -> None:
    secrets = secrets_of(login_file, standin)
    viewer = await web_client(web)
    assert (await viewer.put("/options", json={"intercept": "~q"})).status_code == 200
    async with new_client(web) as client:
        asking = asyncio.create_task(client.post("/responses", json=QUESTION))
        async with asyncio.timeout(PATIENCE):
            held: list[dict[str, Any]] = []
            while not held:
                held = [flow for flow in (await viewer.get("/flows")).json() if flow["intercepted"]]
        assert_clean("intercepted", await all_that_mitmweb_tells(viewer), secrets)
        shown = {name.lower(): value for name, value in held[0]["request"]["headers"]}
        assert shown["authorization"] == "[hidden by the proxy]"
        assert standin.requests == []
        assert (await viewer.post(f"/flows/{held[0]['id']}/resume")).status_code == 200
        assert (await asking).status_code == 200
    assert standin.requests[0].status == 200
    await viewer.aclose()


FAILURES = ["unauthorized", "cloudflare", "json-500", "model-refused", "reset", "garbage", "invalid-encrypted"]


@pytest.mark.parametrize("failure", FAILURES)
async def test_no_error_and_no_log_line_tells_a_secret(
    failure: str, start: Start, standin: Standin, login_file: Path
) -> None:
    proxy = await start(
        "--set", "termlog_verbosity=debug", "--set", "flow_detail=4", "--set", "proxy_debug=true",
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file,
    )  # fmt: skip
    secrets = secrets_of(login_file, standin)
    standin.fail(failure, times=2)
    async with new_client(proxy) as client:
        answer = await ask(client, "/responses", QUESTION, **{"x-api-key": "dummy-key-of-the-client"})

    assert_clean("the answer", answer.text + str(answer.headers), secrets)
    await proxy.logged(r"POST /responses")
    assert_clean("the log", proxy.log, [*secrets, json.loads(login_file.read_text())["tokens"]["access_token"]])


async def test_a_dead_login_is_told_without_its_tokens(start: Start, standin: Standin, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps(standin.login(expires_in=-1)))
    secrets: list[Any] = secrets_of(path, standin)
    standin.fail("refresh-invalidated", times=None)
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path)
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)
        pages = (await client.get("/")).text + (await client.get("/healthz")).text

    assert answer.status_code == 401
    assert_clean("answer, pages, log", answer.text + pages + proxy.log, secrets)
    assert not re.search(r"eyJ\w", answer.text + pages + proxy.log)


async def test_a_key_in_a_query_is_taken_off_of_a_refused_request_too(
    start: Start, standin: Standin, login_file: Path
) -> None:
    proxy = await start("--set", "flow_detail=3", codex_upstream=standin.upstream, codex_auth_file=login_file)
    async with new_client(proxy) as client:
        assert (await client.post("/v1/embeddings?key=my-own-key&api-key=my-own-key", json={})).status_code == 404
        assert (await client.get("/?key=my-own-key")).status_code == 200

    await proxy.logged("GET / 200")
    assert "my-own-key" not in proxy.log
