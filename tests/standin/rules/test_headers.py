"""What the stand-in asks of the headers of a request (docs/backend.md, 2, 7.2)."""

import base64
import gzip
import json

import httpx2
import pytest
import zstandard

from ..kit import CODEX, good, running

LEAKED = [
    ("x-stainless-lang", "python", "x-stainless-lang"),
    ("OpenAI-Organization", "org", "openai-organization"),
    ("OpenAI-Project", "p", "openai-project"),
    ("x-api-key", "sk", "x-api-key"),
    ("api-key", "sk", "api-key"),
    ("X-Forwarded-For", "127.0.0.1", "x-forwarded-for"),
    ("forwarded", "for=127.0.0.1", "forwarded"),
    ("via", "1.1 proxy", "via"),
    ("X-Nanobot-Internal-Request-Type", "title", "x-nanobot-internal-request-type"),
    ("cookie", "session=1", "cookie session"),
    ("cookie", "__cf_bm=1; __oailb=2", "cookie __oailb"),
]


@pytest.mark.parametrize(("name", "value", "told"), LEAKED)
async def test_what_leaks_from_a_client_is_refused(name: str, value: str, told: str) -> None:
    async with running() as c:
        answer = await c.ask(headers={name: value})
        assert answer.status_code == 400
        assert answer.json() == {"detail": f"leaked client header: {told}"}
        assert c.s.requests[0].refusal == f"leaked client header: {told}"


async def test_cloudflares_cookies_are_welcome() -> None:
    async with running() as c:
        answer = await c.ask(headers={"cookie": "__cf_bm=1; _cfuvid=2; cf_chl_rc_i=3"})
        assert answer.status_code == 200


TWICE = ["authorization", "chatgpt-account-id", "originator", "user-agent", "content-type", "openai-beta", "accept"]


@pytest.mark.parametrize("name", TWICE)
async def test_a_header_sent_twice_is_refused(name: str) -> None:
    async with running() as c:
        headers = [*c.headers.items(), ("content-type", "application/json"), (name, "a"), (name, "b")]
        answer = await c.http.post(f"{c.s.upstream}/responses", content=json.dumps(good()), headers=headers)
        assert answer.status_code == 400
        assert answer.json() == {"detail": f"header sent more than once: {name}"}


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonl"])
async def test_only_json_is_taken(content_type: str) -> None:
    async with running() as c:
        answer = await c.ask(headers={"content-type": content_type})
        assert (answer.status_code, answer.json()) == (400, {"detail": "Unsupported content type"})


async def test_a_charset_does_not_hurt() -> None:
    async with running() as c:
        assert (await c.ask(headers={"content-type": "Application/JSON; charset=utf-8"})).status_code == 200


async def test_without_a_bearer_it_is_unauthorized() -> None:
    async with running() as c:
        answer = await c.http.post(f"{c.s.upstream}/responses", json=good())
        assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})
        assert answer.headers["x-openai-authorization-error"] == "missing_authorization_header"
        assert json.loads(base64.b64decode(answer.headers["x-error-json"]))["error"]["code"]


async def test_a_foreign_bearer_cannot_be_parsed() -> None:
    async with running() as c:
        answer = await c.ask(headers={"authorization": "Bearer dummy"})
        text = "Could not parse your authentication token. Please try signing in again."
        assert (answer.status_code, answer.json()) == (401, {"detail": text})


async def test_an_expired_bearer_is_told_so() -> None:
    async with running() as c:
        c.login = c.s.login(expires_in=-1)
        answer = await c.ask()
        error = {
            "message": "Provided authentication token is expired. Please try signing in again.",
            "type": None,
            "code": "token_expired",
            "param": None,
        }
        assert (answer.status_code, answer.json()) == (401, {"error": error, "status": 401})


async def test_a_token_expires_when_its_time_has_come() -> None:
    clock = [1_800_000_000.0]
    async with running(now=lambda: clock[0]) as c:
        assert (await c.ask()).status_code == 200
        clock[0] += 864_000
        assert (await c.ask()).json()["error"]["code"] == "token_expired"


async def test_a_revoked_bearer_is_invalidated() -> None:
    async with running() as c:
        c.s.revoke(c.login["tokens"]["access_token"])
        answer = await c.ask()
        error = {
            "message": "Your authentication token has been invalidated. Please try signing in again.",
            "type": "invalid_request_error",
            "code": "token_invalidated",
            "param": None,
        }
        assert (answer.status_code, answer.json()) == (401, {"error": error, "status": 401})


async def test_the_account_has_to_be_that_of_the_token() -> None:
    async with running() as c:
        other = c.s.login()["tokens"]["account_id"]
        answer = await c.ask(headers={"chatgpt-account-id": other})
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "account_id_mismatch"


@pytest.mark.parametrize(("required", "status"), [(True, 401), (False, 200)])
async def test_the_account_header_may_be_required(required: bool, status: int) -> None:
    async with running(require_account=required) as c:
        headers = {"authorization": c.headers["authorization"]}
        answer = await c.http.post(f"{c.s.upstream}/responses", json=good(), headers=headers)
        assert answer.status_code == status
        assert bool(c.s.notes) is not required


async def test_a_workspace_of_a_region_wants_the_region() -> None:
    async with running() as c:
        c.login = c.s.login(residency="us")
        refused = await c.ask()
        error = refused.json()
        assert (refused.status_code, error["status"]) == (401, 401)
        assert error["error"]["message"] == "Workspace is not authorized in this region."
        assert (await c.ask(headers={"x-openai-internal-codex-residency": "us"})).status_code == 200


BODY = json.dumps(good()).encode()
ENCODED = [
    ("identity", BODY, None),
    ("gzip", gzip.compress(BODY), None),
    ("zstd", zstandard.compress(BODY), None),
    ("zstd", zstandard.ZstdCompressor(write_content_size=False).compress(BODY), None),
    ("br", BODY, "Unsupported content encoding: br"),
    ("gzip", BODY, "The body is not gzip"),
    ("gzip", gzip.compress(BODY)[:-9], "The body is not gzip"),
    ("zstd", BODY, "The body is not zstd"),
    ("identity", gzip.compress(BODY), "The body is not valid JSON"),
    ("identity", b'{"a": NaN}', "The body is not valid JSON"),
    ("identity", b"[]", "The body is not a JSON object"),
    ("identity", b"[" * 100_000, "The body is nested too deeply"),
]


@pytest.mark.parametrize(("encoding", "body", "refusal"), ENCODED)
async def test_bodies_are_decoded(encoding: str, body: bytes, refusal: str | None) -> None:
    async with running() as c:
        headers = c.headers | {"content-type": "application/json", "content-encoding": encoding}
        answer = await c.http.post(f"{c.s.upstream}/responses", content=body, headers=headers)
        assert c.s.requests[0].refusal == refusal
        assert answer.status_code == (400 if refusal else 200)
        if refusal is None:
            assert c.s.requests[0].json == good()
            assert c.s.requests[0].body == BODY


AGENTS = [("python-httpx/1", 403), ("Go-http-client/1.1", 403), ("", 403), ("nanobot-proxy/1.0 (Linux)", 200)]


@pytest.mark.parametrize(("agent", "status"), AGENTS)
async def test_bare_agents_can_be_challenged(agent: str, status: int) -> None:
    async with running(refuse_bare_agents=True) as c:
        assert (await c.ask(headers={"user-agent": agent})).status_code == status


ORDER = [
    ({"content-type": "text/plain"}, 400),
    ({"authorization": "", "content-encoding": "br"}, 401),
    ({"content-encoding": "br"}, 400),
]


@pytest.mark.parametrize(("headers", "status"), ORDER)
async def test_the_order_is_type_bearer_body(headers: dict[str, str], status: int) -> None:
    async with running() as c:
        answer = await c.ask(body={}, headers=headers)
        assert answer.status_code == status


PATHS = [
    ("GET", "/", 404, "Not Found"),
    ("POST", "/backend-api/responses", 404, "Not Found"),
    ("POST", f"{CODEX}/v1/responses", 404, "Not Found"),
    ("POST", f"{CODEX}/chat/completions", 404, "Not Found"),
    ("GET", f"{CODEX}/responses", 405, "Method Not Allowed"),
    ("PUT", f"{CODEX}/responses", 405, "Method Not Allowed"),
    ("GET", f"{CODEX}/responses/resp_1", 403, "Forbidden"),
    ("POST", f"{CODEX}/responses/input_tokens", 403, "Forbidden"),
]


@pytest.mark.parametrize(("method", "path", "status", "text"), PATHS)
async def test_other_paths_are_refused(method: str, path: str, status: int, text: str) -> None:
    async with running() as c:
        answer = await c.http.request(method, c.s.origin + path, headers=c.headers)
        assert (answer.status_code, answer.json()) == (status, {"detail": text})


async def test_refusals_can_be_found_again_by_the_support() -> None:
    async with running() as c:
        answer: httpx2.Response = await c.ask(store=True)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["cf-ray"]
