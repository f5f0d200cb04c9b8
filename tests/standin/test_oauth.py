"""The OAuth server: refresh, code grant, device, revoke (docs/backend.md, 8), and the claims of its tokens."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from .kit import CLIENT_ID, Client, running

AUTH = "https://api.openai.com/auth"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REDIRECT = "http://localhost:1455/auth/callback"


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


async def test_a_login_has_the_form_of_the_clis_file() -> None:
    async with running() as c:
        login = c.s.login(email="a@example.org", plan="pro", account_id="acc", fedramp=True, residency="eu")
        assert list(login) == ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"]
        assert (login["auth_mode"], login["OPENAI_API_KEY"]) == ("chatgpt", None)
        assert list(login["tokens"]) == ["id_token", "access_token", "refresh_token", "account_id"]
        identity, access = claims(login["tokens"]["id_token"]), claims(login["tokens"]["access_token"])
        assert identity["email"] == access["https://api.openai.com/profile"]["email"] == "a@example.org"
        assert identity[AUTH]["chatgpt_account_id"] == access[AUTH]["chatgpt_account_id"] == "acc"
        assert identity[AUTH]["chatgpt_plan_type"] == access[AUTH]["chatgpt_plan_type"] == "pro"
        assert identity[AUTH]["chatgpt_account_is_fedramp"] is True
        assert access[AUTH]["chatgpt_data_residency"] == "eu"
        assert access["exp"] - access["iat"] == 864_000
        assert identity["exp"] - identity["iat"] == 3600
        assert login["last_refresh"].endswith("Z")


@pytest.mark.parametrize("form", [False, True])
async def test_a_refresh_token_is_good_once(form: bool) -> None:
    async with running() as c:
        answer = await c.refresh(form)
        given = answer.json()
        assert answer.status_code == 200
        assert given["refresh_token"] != c.login["tokens"]["refresh_token"]
        assert (given["token_type"], given["expires_in"]) == ("Bearer", 864_000)
        again = await c.refresh(form)
        error = {
            "message": "Your refresh token has already been used to generate a new access token. Please try signing in again.",
            "type": "invalid_request_error",
            "param": None,
            "code": "refresh_token_reused",
        }
        assert (again.status_code, again.json()) == (401, {"error": error})
        c.login["tokens"] |= {key: given[key] for key in ("access_token", "refresh_token")}
        assert (await c.ask()).status_code == 200
        assert (await c.refresh(form)).status_code == 200
        assert [seen.status for seen in c.s.refresh_calls] == [200, 401, 200]
        assert c.s.refresh_calls[0].json["grant_type"] == "refresh_token"


EMPTY = (
    "Invalid 'refresh_token': empty string. Expected a string with minimum length 1, but got an empty string instead."
)
WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"refresh_token": ""}, 400, EMPTY),
    ({"refresh_token": ...}, 400, "invalid_request: refresh_token is missing"),
    ({"refresh_token": 5}, 400, "invalid_request: refresh_token is missing"),
    ({"refresh_token": "unknown"}, 400, "invalid_grant: Unknown refresh token"),
    ({"client_id": ...}, 401, "invalid_client"),
    ({"client_id": "mine"}, 401, "invalid_client"),
    ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ({"grant_type": "authorization_code"}, 400, "invalid_request: the code exchange has to be a form"),
]


@pytest.mark.parametrize(("changes", "status", "refusal"), WRONG)
async def test_a_wrong_refresh_is_refused(changes: dict[str, Any], status: int, refusal: str) -> None:
    async with running() as c:
        answer = await c.refresh(**changes)
        assert (answer.status_code, c.s.refresh_calls[0].refusal) == (status, refusal)
        assert "error" in answer.json()


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_nonsense_is_answered(body: bytes) -> None:
    async with running() as c:
        for content_type in ("application/json", "text/plain"):
            answer = await c.http.post(
                f"{c.s.issuer}/oauth/token", content=body, headers={"content-type": content_type}
            )
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_revoked_refresh_token_is_invalidated() -> None:
    async with running() as c:
        token = c.login["tokens"]["refresh_token"]
        fields = {"token": token, "token_type_hint": "refresh_token"}
        assert (await c.http.post(f"{c.s.issuer}/oauth/revoke", json=fields)).status_code == 400
        assert (
            await c.http.post(f"{c.s.issuer}/oauth/revoke", json=fields | {"client_id": CLIENT_ID})
        ).status_code == 200
        answer = await c.refresh()
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "refresh_token_invalidated")


async def test_a_revoked_access_token_is_invalidated() -> None:
    async with running() as c:
        fields = {"token": c.login["tokens"]["access_token"], "token_type_hint": "access_token"}
        assert (await c.http.post(f"{c.s.issuer}/oauth/revoke", json=fields)).status_code == 200
        assert (await c.ask()).json()["error"]["code"] == "token_invalidated"


def authorization(**changes: Any) -> dict[str, Any]:
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "scope": "openid profile email offline_access",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "s1",
        **changes,
    }
    return {key: value for key, value in query.items() if value is not ...}


async def code_of(c: Client, **changes: Any) -> str:
    answer = await c.http.get(f"{c.s.issuer}/oauth/authorize", params=authorization(**changes))
    assert answer.status_code == 302
    target = urlsplit(answer.headers["location"])
    assert parse_qs(target.query)["state"] == ["s1"]
    return parse_qs(target.query)["code"][0]


def exchange(code: str, **changes: Any) -> dict[str, Any]:
    fields = {"grant_type": "authorization_code", "client_id": CLIENT_ID, "code": code, "redirect_uri": REDIRECT}
    return {**fields, "code_verifier": VERIFIER, **changes}


async def test_a_code_is_exchanged_once() -> None:
    async with running() as c:
        code = await code_of(c)
        answer = await c.http.post(f"{c.s.issuer}/oauth/token", data=exchange(code))
        assert {"id_token", "access_token", "refresh_token"} <= set(answer.json())
        account = claims(answer.json()["id_token"])[AUTH]["chatgpt_account_id"]
        c.login["tokens"] = answer.json() | {"account_id": account}
        assert (await c.ask()).status_code == 200
        again = await c.http.post(f"{c.s.issuer}/oauth/token", data=exchange(code))
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes", [{"code_verifier": "w" * 64}, {"redirect_uri": "http://localhost:1457/auth/callback"}]
)
async def test_a_code_is_bound_to_its_request(changes: dict[str, Any]) -> None:
    async with running() as c:
        answer = await c.http.post(f"{c.s.issuer}/oauth/token", data=exchange(await code_of(c), **changes))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


NOT_AUTHORIZED: list[dict[str, Any]] = [
    {"response_type": "token"},
    {"client_id": "mine"},
    {"redirect_uri": "http://localhost:5000/auth/callback"},
    {"scope": "openid"},
    {"code_challenge": ...},
    {"code_challenge_method": "plain"},
    {"state": ...},
]


@pytest.mark.parametrize("changes", NOT_AUTHORIZED)
async def test_a_wrong_authorization_is_refused(changes: dict[str, Any]) -> None:
    async with running() as c:
        answer = await c.http.get(f"{c.s.issuer}/oauth/authorize", params=authorization(**changes))
        assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=UTF-8")


async def test_a_device_waits_for_its_person() -> None:
    async with running(device_interval=1) as c:
        base = f"{c.s.issuer}/api/accounts/deviceauth"
        asked = (await c.http.post(f"{base}/usercode", json={"client_id": CLIENT_ID})).json()
        assert asked["interval"] == "1"
        poll = {"device_auth_id": asked["device_auth_id"], "user_code": asked["user_code"]}
        pending = await c.http.post(f"{base}/token", json=poll)
        assert (pending.status_code, pending.json()["error"]["code"]) == (403, "deviceauth_authorization_unknown")
        assert (await c.http.get(f"{c.s.issuer}/codex/device")).status_code == 200
        assert (await c.http.post(f"{c.s.issuer}/codex/device", data={"user_code": "no"})).status_code == 400
        await c.http.post(f"{c.s.issuer}/codex/device", data={"user_code": asked["user_code"].lower()})
        done = (await c.http.post(f"{base}/token", json=poll)).json()
        changes = {"redirect_uri": f"{c.s.issuer}/deviceauth/callback", "code_verifier": done["code_verifier"]}
        granted = await c.http.post(f"{c.s.issuer}/oauth/token", data=exchange(done["authorization_code"], **changes))
        assert granted.json()["refresh_token"]
        assert (await c.http.post(f"{base}/token", json=poll)).status_code == 403


async def test_a_device_can_be_let_in_by_a_test() -> None:
    async with running() as c:
        assert c.s.approve_device() is False
        await c.http.post(f"{c.s.issuer}/api/accounts/deviceauth/usercode", json={"client_id": CLIENT_ID})
        assert c.s.approve_device() is True


async def test_a_device_of_another_client_is_refused() -> None:
    async with running() as c:
        url = f"{c.s.issuer}/api/accounts/deviceauth/usercode"
        assert (await c.http.post(url, json={"client_id": "mine"})).status_code == 401
        assert (await c.http.post(url, data={"client_id": CLIENT_ID})).status_code == 400


async def test_a_browser_may_be_asked_first() -> None:
    async with running(consent=True) as c:
        url, query = f"{c.s.issuer}/oauth/authorize", authorization(originator="<b>mine")
        page = await c.http.get(url, params=query)
        assert page.status_code == 200 and "&lt;b&gt;mine" in page.text and "Deny" in page.text
        yes = await c.http.post(url, params=query, data={"answer": "allow"})
        code = parse_qs(urlsplit(yes.headers["location"]).query)["code"][0]
        assert (await c.http.post(f"{c.s.issuer}/oauth/token", data=exchange(code))).status_code == 200
        no = await c.http.post(url, params=query, data={"answer": "deny"})
        told = parse_qs(urlsplit(no.headers["location"]).query)
        assert told == {"error": ["access_denied"], "error_description": ["The person said no"], "state": ["s1"]}


async def test_a_browser_may_come_back_to_other_ports_if_that_is_switched_on() -> None:
    async with running(callback_ports=(5000,)) as c:
        url = f"{c.s.issuer}/oauth/authorize"
        for host in ("localhost", "127.0.0.1"):
            query = authorization(redirect_uri=f"http://{host}:5000/auth/callback")
            assert (await c.http.get(url, params=query)).status_code == 302
        assert (await c.http.get(url, params=authorization())).status_code == 400


async def test_a_device_login_can_be_off_or_denied() -> None:
    async with running() as c:
        base = f"{c.s.issuer}/api/accounts/deviceauth"
        asked = (await c.http.post(f"{base}/usercode", json={"client_id": CLIENT_ID})).json()
        c.s.deny_devices()
        poll = {"device_auth_id": asked["device_auth_id"], "user_code": asked["user_code"]}
        denied = await c.http.post(f"{base}/token", json=poll)
        assert (denied.status_code, denied.json()["error"]["code"]) == (401, "authorization_declined")
    async with running(device_login=False) as c:
        url = f"{c.s.issuer}/api/accounts/deviceauth/usercode"
        assert (await c.http.post(url, json={"client_id": CLIENT_ID})).status_code == 404
