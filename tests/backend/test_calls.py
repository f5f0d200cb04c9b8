import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.account.login_file import LoginFile
from codex_proxy.backend import calls as backend_calls
from codex_proxy.backend.calls import BackendCalls
from codex_proxy.errors import IssuerError, LoginError, ProxyError
from codex_proxy.net import http_client
from codex_proxy.net.policy import Limits
from standin import Standin

LIMITS = Limits(silence=5.0, total=20.0, largest=1 << 20)


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin() as server:
        yield server


def calls(standin: Standin, tmp_path: Path, document: Any, issuer: str = "") -> BackendCalls:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps(document))
    store = backend_calls.token_store(LoginFile(path), issuer or standin.issuer, "nanobot-proxy")
    return BackendCalls(standin.upstream, "nanobot-proxy", store)


def usage(standin: Standin) -> str:
    return f"{standin.origin}/backend-api/wham/usage"


async def test_a_request_is_signed_as_the_proxys_are(standin: Standin, tmp_path: Path) -> None:
    document = standin.login()
    answer = await calls(standin, tmp_path, document).get(usage(standin), LIMITS)
    assert answer.status == 200 and json.loads(answer.body)["plan_type"] == "plus"
    (request,) = standin.requests
    assert request.header("authorization") == f"Bearer {document['tokens']['access_token']}"
    assert request.header("chatgpt-account-id") == document["tokens"]["account_id"]
    assert request.header("originator") == "nanobot-proxy" and request.header("accept") == "application/json"
    assert (request.header("user-agent") or "").startswith("nanobot-proxy/")


async def test_cloudflares_cookies_come_back(standin: Standin, tmp_path: Path) -> None:
    asked = calls(standin, tmp_path, standin.login())
    for _ in range(2):
        await asked.get(f"{standin.upstream}/models?client_version=0.169.0", LIMITS)
    # Its cookies are for TLS alone, and the stand-in has none here.
    assert [request.header("cookie") for request in standin.requests] == [None, None]
    assert asked.jar.header(standin.upstream.replace("http:", "https:"))


async def test_a_token_that_is_about_to_end_is_renewed_and_kept(standin: Standin, tmp_path: Path) -> None:
    document = standin.login(expires_in=60)
    answer = await calls(standin, tmp_path, document).get(usage(standin), LIMITS)
    assert answer.status == 200 and len(standin.refresh_calls) == 1
    written = json.loads((tmp_path / "auth.json").read_text())
    assert written["tokens"]["refresh_token"] != document["tokens"]["refresh_token"]


async def test_a_refused_token_is_replaced_once(standin: Standin, tmp_path: Path) -> None:
    document = standin.login()
    standin.revoke(document["tokens"]["access_token"])
    answer = await calls(standin, tmp_path, document).get(usage(standin), LIMITS)
    assert answer.status == 200 and [each.status for each in standin.requests] == [401, 200]


async def test_a_region_is_no_matter_of_the_token(standin: Standin, tmp_path: Path) -> None:
    standin.fail("unauthorized-region", times=None)
    asked = calls(standin, tmp_path, standin.login())
    body = {"model": "gpt-6-sol", "instructions": "", "input": [], "store": False, "stream": True}
    body["input"] = [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]
    answer = await asked.post(f"{standin.upstream}/responses", json.dumps(body).encode(), LIMITS)
    assert answer.status == 401 and standin.refresh_calls == []
    assert backend_calls.problem(answer).code == "wrong_region"


async def test_a_spent_login_is_told(standin: Standin, tmp_path: Path) -> None:
    standin.fail("refresh-invalidated")
    with pytest.raises(LoginError):
        await calls(standin, tmp_path, standin.login(expires_in=-5)).get(usage(standin), LIMITS)
    assert standin.requests == []


async def test_an_issuer_that_is_away_is_told(standin: Standin, tmp_path: Path) -> None:
    with pytest.raises(IssuerError):
        await calls(standin, tmp_path, standin.login(expires_in=-5), "http://127.0.0.1:1").get(usage(standin), LIMITS)


async def test_a_backend_that_is_away_is_told(standin: Standin, tmp_path: Path) -> None:
    asked = calls(standin, tmp_path, standin.login())
    asked.base = "http://127.0.0.1:1/backend-api/codex"
    with pytest.raises(ProxyError) as raised:
        await asked.get("http://127.0.0.1:1/backend-api/wham/usage", LIMITS)
    assert raised.value.code == "backend_unreachable"


async def test_a_silent_backend_is_told(standin: Standin, tmp_path: Path) -> None:
    standin.hold(kind="models", before_headers=True)
    with pytest.raises(ProxyError) as raised:
        await calls(standin, tmp_path, standin.login()).get(
            f"{standin.upstream}/models?client_version=0.169.0", LIMITS._replace(silence=0.3)
        )
    assert raised.value.code == "backend_timeout"
    standin.release()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/backend-api/codex", "https://{host}/x", "http://localhost:{port}/x"]
)
async def test_the_token_goes_to_no_other_host(url: str, standin: Standin, tmp_path: Path) -> None:
    asked = calls(standin, tmp_path, standin.login())
    with pytest.raises(ValueError, match="no other host"):
        await asked.get(url.format(host=standin.origin.removeprefix("http://"), port=standin.port), LIMITS)


NO_ANSWERS = [
    (202, b'{"models": []}', {}, "status 202, and not with what was requested"),
    (204, b"", {}, "status 204 and an empty body"),
    (206, b"part", {}, "status 206 and text that is not JSON: part"),
    (302, b"", {"Location": "https://elsewhere.example/login"}, "a redirect to elsewhere.example"),
    (304, b"", {}, "status 304 and no body"),
    (200, b"<html></html>", {"Content-Type": "text/html"}, "a web page"),
]


@pytest.mark.parametrize(("status", "body", "headers", "says"), NO_ANSWERS)
def test_what_is_no_answer_is_the_backends_fault(status: int, body: bytes, headers: dict[str, str], says: str) -> None:
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    error = backend_calls.problem(http_client.Answer(status, fields, body))
    assert error.status == 502 and error.code == "backend_error" and says in error.message
