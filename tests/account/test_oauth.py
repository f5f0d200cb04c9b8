import json
import secrets
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.account import oauth
from codex_proxy.account.login import Grant
from codex_proxy.account.oauth import Unfinished, exchange, exchanged, granted, revoke
from codex_proxy.errors import IssuerError, LoginError
from codex_proxy.net import http_client
from codex_proxy.net.http_client import Answer
from standin import Standin

from ..properties import examples

ISSUER = "https://auth.example"

# A token whose claims ask for a header that can't be.
RESIDENT = jwt.encode({"https://api.openai.com/auth": {"chatgpt_compute_residency": "e\u2013u"}}, secrets.token_hex(32))


def answer(status: int, body: Any, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()], data)


@pytest.mark.parametrize(
    "body, grant",
    [
        (
            {"access_token": "a", "refresh_token": "r", "id_token": "i", "expires_in": 3600, "token_type": "bearer", "scope": "x"},
            Grant("a", "r", "i", 3600.0),
        ),
        ({"access_token": "a"}, Grant("a")),
        ({"access_token": "a", "refresh_token": None, "id_token": None, "expires_in": None}, Grant("a")),
        ({"access_token": "a", "expires_in": 1.5}, Grant("a", expires_in=1.5)),
        ({"access_token": "a", "expires_in": "3600"}, Grant("a")),
        ({"access_token": "a", "expires_in": 10**400}, Grant("a")),
        ({"refresh_token": "r"}, Grant(refresh_token="r")),
        ({"id_token": "i"}, Grant(id_token="i")),
        ({"access_token": 5, "refresh_token": "r", "id_token": ["i"]}, Grant(refresh_token="r")),
        ({"access_token": "", "refresh_token": "r"}, Grant(refresh_token="r")),
        ({"access_token": "a\r\nX-Injected: 1", "refresh_token": "r"}, Grant(refresh_token="r")),
        ({"access_token": "a", "refresh_token": "r\0", "id_token": "\ud800"}, Grant("a")),
        ({"access_token": RESIDENT, "refresh_token": "r"}, Grant(refresh_token="r")),
    ],
)  # fmt: skip
def test_what_the_server_grants_is_taken_over(body: Any, grant: Grant) -> None:
    assert granted(answer(200, body), ISSUER) == grant


@pytest.mark.parametrize(
    "status, body, code",
    [
        (401, {"error": {"message": "m", "code": "refresh_token_reused"}}, "refresh_token_reused"),
        (400, {"error": {"message": "m", "code": "refresh_token_reused"}}, "refresh_token_reused"),
        (401, {"error": {"code": "refresh_token_expired"}}, "refresh_token_expired"),
        (400, {"error": {"code": "refresh_token_invalidated"}}, "refresh_token_invalidated"),
        (400, {"error": {"code": "Refresh_Token_Invalidated"}}, "refresh_token_invalidated"),
        (400, {"error": "invalid_grant", "error_description": "Token was revoked."}, "invalid_grant"),
        (403, {"code": "invalid_grant"}, "invalid_grant"),
        (401, {"error": {"message": "m", "code": None}, "code": "refresh_token_expired"}, "refresh_token_expired"),
        (401, {"error": {"message": "m"}}, "login_refused"),
        (401, {"error": {"code": "novel"}}, "novel"),
        (401, {}, "login_refused"),
        (401, b"", "login_refused"),
        (400, {"error": {"message": "Invalid 'refresh_token': empty string. Expected a string with minimum length 1."}}, "login_refused"),
    ],
)  # fmt: skip
def test_a_refresh_token_that_is_dead_asks_for_a_new_login(status: int, body: Any, code: str) -> None:
    with pytest.raises(LoginError) as e:
        granted(answer(status, body), ISSUER)
    assert (e.value.status, e.value.code) == (401, code)
    assert e.value.message.startswith("The login can't be renewed: ")


@pytest.mark.parametrize(
    "response, code",
    [
        (answer(500, {"error": "temporary-failure"}), "issuer_unavailable"),
        (answer(503, b"upstream"), "issuer_unavailable"),
        (answer(429, {"error": {"code": "rate_limit_exceeded"}}), "issuer_unavailable"),
        (answer(403, b"<html>Just a moment...", content_type="text/html; charset=UTF-8"), "issuer_unavailable"),
        (answer(403, b"", cf_mitigated="challenge"), "issuer_unavailable"),
        (answer(401, b"", cf_mitigated="challenge"), "issuer_unavailable"),
        (answer(429, {"error": {"code": "invalid_grant"}}), "issuer_unavailable"),
        (answer(401, b"<html>", Content_Type="text/html"), "issuer_unavailable"),
        (answer(500, {"error": {"code": "invalid_grant"}}), "issuer_unavailable"),
        (answer(403, {"error": {"code": "unsupported_country_region_territory", "message": "No."}}), "issuer_refuses_country"),
        (answer(401, {"error": {"code": "unsupported_country_region_territory"}}), "issuer_refuses_country"),
        (answer(400, {"error": {"code": "novel", "message": "Odd."}}), "issuer_unavailable"),
        (answer(404, b"Not found"), "issuer_unavailable"),
        (answer(200, {"token": "x"}), "issuer_unavailable"),
        (answer(200, {"access_token": 5}), "issuer_unavailable"),
        (answer(200, {"access_token": "", "refresh_token": None, "expires_in": 3600}), "issuer_unavailable"),
        (answer(200, b"not json"), "issuer_unavailable"),
        (answer(200, b"[]"), "issuer_unavailable"),
        (answer(302, b""), "issuer_unavailable"),
        (answer(204, {"access_token": "a"}), "issuer_unavailable"),
    ],
    ids=lambda v: f"{v.status} {v.body[:30]!r}" if isinstance(v, Answer) else v,
)  # fmt: skip
def test_a_failure_that_may_pass_keeps_the_login(response: Answer, code: str) -> None:
    with pytest.raises(IssuerError) as e:
        granted(response, ISSUER)
    assert (e.value.status, e.value.code) == (503, code)
    assert ISSUER in e.value.message and "codex login" not in e.value.message


def test_the_servers_words_are_told_without_tokens_in_them() -> None:
    secret = "rt_" + secrets.token_hex(16)
    with pytest.raises(IssuerError) as e:
        granted(answer(400, {"error": {"message": f"What is {secret} supposed to be?"}}), ISSUER)
    assert "supposed to be?" in e.value.message and secret not in e.value.message


def test_the_grant_does_not_show_its_tokens() -> None:
    assert "secret" not in repr(granted(answer(200, {"access_token": "secret-a", "refresh_token": "secret-r"}), ISSUER))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["error", "code", "message", "x"]), inner)
    ),
    max_leaves=5,
)


@given(st.sampled_from([200, 400, 401, 403, 429, 500]), st.fixed_dictionaries({"error": JSON}) | JSON)
@examples(200)
def test_no_answer_makes_us_fail_in_another_way(status: int, body: Any) -> None:
    with pytest.raises((LoginError, IssuerError)):
        granted(answer(status, body), ISSUER)


# A code for tokens.

IDENTITY = jwt.encode({"email": "person@example.org"}, secrets.token_hex(32))
WHOLE = {"access_token": "a", "refresh_token": "r", "id_token": IDENTITY}


def test_a_code_is_good_for_all_three_tokens() -> None:
    assert exchanged(answer(200, WHOLE | {"expires_in": 60}), ISSUER) == Grant("a", "r", IDENTITY, 60.0)


@pytest.mark.parametrize(
    "response, words",
    [
        *[(answer(200, {**WHOLE, name: value}), "all the tokens") for name in WHOLE for value in (None, "", 5)],
        (answer(200, WHOLE | {"id_token": "no jwt"}), "all the tokens"),
        (answer(200, b"no json"), "all the tokens"),
        (answer(400, {"error": "invalid_grant", "error_description": "Unknown code."}), "says: Unknown code. Try"),
        (answer(401, {"error": {"code": "odd", "message": "No."}}), "says: No. Try"),
        (answer(400, b"?"), "says: status 400. Try"),
    ],
    ids=lambda v: v.body.decode()[:60] if isinstance(v, Answer) else "",
)  # fmt: skip
def test_a_code_that_is_good_for_nothing_asks_for_another_try(response: Answer, words: str) -> None:
    with pytest.raises(Unfinished) as e:
        exchanged(response, ISSUER)
    assert words in e.value.message and ISSUER in e.value.message


@pytest.mark.parametrize(
    "response, code",
    [
        (answer(500, {"error": "temporary-failure"}), "issuer_unavailable"),
        (answer(429, b""), "issuer_unavailable"),
        (answer(403, b"<html>", content_type="text/html"), "issuer_unavailable"),
        (answer(403, {"error": {"code": "unsupported_country_region_territory"}}), "issuer_refuses_country"),
    ],
)
def test_a_server_that_can_not_just_now_is_told(response: Answer, code: str) -> None:
    with pytest.raises(IssuerError) as e:
        exchanged(response, ISSUER)
    assert e.value.code == code and ISSUER in e.value.message


# Ending a token.

WHO = {"originator": "nanobot-proxy", "user_agent": "nanobot-proxy/0 (x; y)"}


async def test_a_token_is_ended_as_the_cli_does() -> None:
    async with Standin() as standin:
        tokens = standin.login()["tokens"]
        await revoke(standin.issuer, tokens["refresh_token"], **WHO)
        await revoke(standin.issuer + "/", tokens["access_token"], hint="access_token", **WHO)
        assert standin.tokens.states[tokens["refresh_token"]] == "revoked"
        assert tokens["access_token"] in standin.tokens.invalidated
        sent = [json.loads(seen.body) for seen in standin.requests]
        assert [list(body) for body in sent] == [
            ["token", "token_type_hint", "client_id"],
            ["token", "token_type_hint"],
        ]
        assert standin.requests[0].header("originator") == "nanobot-proxy"


@pytest.mark.parametrize("status, words", [(400, "says: No."), (500, "says: No."), (302, "says: No.")])
async def test_a_token_that_is_not_known_to_be_ended_is_told(
    status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def says_no(*_: object) -> Answer:
        return answer(status, {"error": {"message": "No."}})

    monkeypatch.setattr(http_client, "send", says_no)
    with pytest.raises(IssuerError, match=f"can't be ended at the server: {ISSUER} {words}"):
        await revoke(ISSUER, "r", **WHO)


@pytest.mark.parametrize(
    "gave_up, code, words",
    [
        ("total", "issuer_unavailable", "did not answer in time (why). Try again."),
        ("idle", "issuer_unavailable", "did not answer in time"),
        ("size", "issuer_unavailable", "sent an answer that could not be used"),
        ("connect", "issuer_unreachable", "can't be reached"),
        ("", "issuer_unreachable", "can't be reached (why)"),
    ],
)
def test_without_a_whole_answer_it_is_told_which_limit_was_reached(gave_up: str, code: str, words: str) -> None:
    error = oauth.unreachable(http_client.Failed("why", gave_up), ISSUER, "The token can't be renewed")
    assert error.code == code and error.message.startswith(f"The token can't be renewed: {ISSUER} ")
    assert words in error.message


async def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(IssuerError, match=r"can't be ended at the server.*can't be reached"):
        await revoke("http://127.0.0.1:1", "r", **WHO)
    with pytest.raises(IssuerError, match=r"can't be finished.*can't be reached"):
        await exchange("http://127.0.0.1:1", "c", redirect_uri="u", verifier="v", user_agent="x")


@pytest.mark.parametrize(
    "body",
    [
        b'{"access_token": "a\\r\\nb"}',
        b"[" * 100_000,
        b'{"error": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"error": {"code": "\\ud800", "message": "\\udfff"}}',
        b"\xff\xfe\x00",
    ],
    ids=["a token of two lines", "deep", "deep error", "half characters", "half utf-16"],
)
@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_that_is_nothing_is_told_and_the_login_kept(status: int, body: bytes) -> None:
    with pytest.raises(IssuerError) as raised:
        granted(answer(status, body), ISSUER)
    assert raised.value.status == 503 and json.loads(raised.value.body())


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token"])
def test_a_new_login_has_to_have_tokens_that_can_be_used(name: str) -> None:
    tokens = {"access_token": "a", "refresh_token": "r", "id_token": jwt.encode({"a": 1}, secrets.token_hex(32))}
    assert exchanged(answer(200, tokens), ISSUER).access_token == "a"
    with pytest.raises(Unfinished):
        exchanged(answer(200, tokens | {name: "a\nb"}), ISSUER)
