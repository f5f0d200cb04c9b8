import json
import time
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from mitmproxy.test import taddons

from codex_proxy.front import routes
from codex_proxy.steps.client_key import ClientKey
from codex_proxy.steps.hide_polling import HidePolling
from codex_proxy.steps.login import Login
from codex_proxy.steps.models import Models
from codex_proxy.steps.recent_requests import RecentRequests
from codex_proxy.steps.status_page import StatusPage
from codex_proxy.steps.usage_windows import UsageWindows

from .flows import asked, configure, configured, finished


def page(login: Login, key: str = "") -> StatusPage:
    (known := ClientKey()).value = key
    return StatusPage(known, login, Models(login), UsageWindows(login), RecentRequests())


def logged_in(path: Path, seconds: float | None, refresh: str = "") -> Login:
    """A login whose token lives so long; None for no login at all."""
    if seconds is not None:
        token = jwt.encode({"exp": int(time.time() + seconds)}, "not a secret of anybody's, and long enough")
        tokens = {"access_token": token, "account_id": "acc-1"} | ({"refresh_token": refresh} if refresh else {})
        path.write_bytes(msgspec.json.encode({"tokens": tokens}))
    configure(login := Login(), codex_auth_file=str(path), codex_upstream="http://127.0.0.1:9/backend-api/codex")
    return login


async def answered(step: StatusPage, path: str, accept: str = "") -> tuple[int, str, str]:
    """Status, content type and body."""
    flow, exchange = asked("GET", path, headers=[("accept", accept)] if accept else [], route=routes.find("GET", path))
    HidePolling().requestheaders(flow, exchange)
    assert await finished(step.requestheaders(flow, exchange))
    assert flow.response
    headers, body = flow.response.headers, flow.response.text or ""
    return flow.response.status_code, headers["content-type"], body


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("key", ["", "a key"])
@pytest.mark.parametrize(
    ("seconds", "refresh", "status", "state"),
    [
        (3600, "", 200, "ok"),
        (-10, "", 503, "login_expired"),
        (-10, "made-up", 200, "expired, will be renewed with the next request"),
        (None, "", 503, "login_missing"),
    ],
)
async def test_health_says_whether_a_request_could_be_sent(
    tmp_path: Path, seconds: float | None, refresh: str, status: int, state: str, key: str
) -> None:
    step = page(logged_in(tmp_path / "auth.json", seconds, refresh), key)
    told, _, body = await answered(step, "/healthz")
    document = json.loads(body)
    assert (told, document["status"]) == (status, "ok" if status == 200 else "no usable login")
    # It is answered to whoever asks; where a key is wanted, nothing else is said.
    assert not key or set(document["login"]) == {"state"}
    assert str(tmp_path) not in body or not key
    assert document["login"]["state"] == state


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/", "", "application/json"),
        ("/", "*/*", "application/json"),
        ("/", "application/json", "application/json"),
        ("/", "text/html,application/xhtml+xml", "text/html"),
        ("/v1", "text/html", "text/html"),
        ("/?live", "text/html", "application/json"),
    ],
)
async def test_a_browser_gets_a_page_and_a_program_json(login: Login, path: str, accept: str, kind: str) -> None:
    status, told, body = await answered(page(login), path, accept)
    assert status == 200 and told.startswith(kind)
    assert body.startswith("<!") if kind == "text/html" else json.loads(body)["name"] == "codex proxy"
    # What the page asks for again and again is short.
    assert ("\n  " in body) is (path != "/?live")


async def test_nothing_secret_is_told(login: Login) -> None:
    tokens = await login.store.fresh()
    _, _, body = await answered(page(login, "the client's key"), "/")
    assert tokens.access_token not in body and "acc-1" not in body and "the client's key" not in body


@pytest.mark.parametrize(
    ("option", "key", "field", "value"),
    [
        ({}, "", "needs_key", False),
        ({}, "k", "needs_key", True),
        ({}, "", "dry_run", False),
        ({"codex_dry_run": True}, "", "dry_run", True),
        ({}, "", "backend", "http://127.0.0.1:9/backend-api/codex"),
        ({}, "", "base_urls", ["http://127.0.0.1:9090", "http://127.0.0.1:9090/v1"]),
        ({}, "", "requests", []),
        ({}, "", "models", []),
        ({}, "", "usage", []),
    ],
)
async def test_the_proxy_says_what_it_is(
    login: Login, option: dict[str, Any], key: str, field: str, value: object
) -> None:
    configured(**option)
    assert json.loads((await answered(page(login, key), "/"))[2])[field] == value


async def test_every_path_is_told(context: taddons.context, login: Login) -> None:
    told = json.loads((await answered(page(login), "/"))[2])["paths"]
    assert {path.partition(" ")[2] for path in told} == {*routes.ROUTES, "/responses (WebSocket)"}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/responses"])
async def test_other_paths_are_left_alone(login: Login, path: str) -> None:
    flow, exchange = asked(path=path, route=routes.find("GET" if path == "/v1/models" else "POST", path))
    assert not await finished(page(login).requestheaders(flow, exchange)) and flow.response is None
