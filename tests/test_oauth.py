import json
import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_proxy.errors import IssuerError, LoginError
from codex_proxy.login import Grant
from codex_proxy.oauth import granted
from codex_proxy.outbound import Answer

ISSUER = "https://auth.example"


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
    assert "codex login" in e.value.message


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
@settings(max_examples=200, deadline=None, derandomize=True)
def test_no_answer_makes_us_fail_in_another_way(status: int, body: Any) -> None:
    with pytest.raises((LoginError, IssuerError)):
        granted(answer(status, body), ISSUER)
