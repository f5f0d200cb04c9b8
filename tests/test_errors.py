import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.errors import IssuerError, LoginError, ProxyError

from .properties import examples


@pytest.mark.parametrize(
    "status, kind",
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_from_the_status(status: int, kind: str) -> None:
    error = json.loads(ProxyError("a_code", "Words.", status=status, of_backend=True).body())
    assert error == {"error": {"message": "Words.", "type": kind, "param": None, "code": "a_code"}}


def test_a_type_that_is_given_wins() -> None:
    assert ProxyError("usage_limit_reached", "x", kind="usage_limit_reached").kind == "usage_limit_reached"


def test_what_the_backend_said_beside_the_message_goes_along() -> None:
    extra: dict[str, Any] = {"resets_at": 1, "param": "input"}
    assert json.loads(ProxyError(None, "x", status=400, of_backend=True, extra=extra).body())["error"] == {
        "message": "x",
        "type": "invalid_request_error",
        "param": "input",
        "code": None,
        "resets_at": 1,
    }


def test_headers_are_a_copy_of_the_ones_given() -> None:
    given = {"Allow": "GET"}
    error = ProxyError("wrong_method", "x", headers=given)
    error.headers["x"] = "y"
    assert given == {"Allow": "GET"}


@pytest.mark.parametrize(
    "code, given, status",
    [
        ("login_missing", None, 401),
        ("login_missing", 401, 401),
        ("unsupported_encoding", 415, 415),
        ("unsupported_encoding", 502, 502),
        ("backend_error", None, 502),
        ("backend_error", 418, 418),
    ],
)
def test_the_status_follows_from_the_code(code: str, given: int | None, status: int) -> None:
    assert ProxyError(code, "x", status=given).status == status


@pytest.mark.parametrize(
    "code, given",
    [("login_mising", None), ("login_mising", 401), (None, None), (None, 400), ("login_missing", 403), ("unsupported_encoding", None), ("unsupported_encoding", 400)],
)  # fmt: skip
def test_a_code_or_a_status_of_no_row_is_a_mistake(code: str | None, given: int | None) -> None:
    with pytest.raises(ValueError, match=r"error_codes\.py|comes with"):
        ProxyError(code, "x", status=given)


@pytest.mark.parametrize(
    "code, given, status",
    [("new", 418, 418), (None, 400, 400), ("login_missing", 403, 403), ("login_missing", None, 401)],
)
def test_what_the_backend_says_need_be_in_no_row(code: str | None, given: int | None, status: int) -> None:
    error = ProxyError(code, "x", status=given, of_backend=True)
    assert (error.code, error.status) == (code, status)


def test_a_login_that_the_server_refuses_with_its_own_code_is_a_401() -> None:
    error = LoginError("new", "Log in.", of_backend=True)
    assert (error.code, error.status, error.headers) == ("new", 401, {"x-should-retry": "false"})


def test_a_missing_login_is_a_401_that_no_sdk_tries_again() -> None:
    error = LoginError("login_missing", "Log in.")
    assert (error.status, error.headers) == (401, {"x-should-retry": "false"})
    assert str(error) == error.message == "Log in."


def test_an_oauth_server_out_of_reach_may_be_tried_again() -> None:
    error = IssuerError("issuer_unavailable", "Later.")
    assert isinstance(error, ProxyError) and not isinstance(error, LoginError)
    assert error.headers == {}


ANY_TEXT = st.text(st.characters(codec=None), max_size=20)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(ANY_TEXT, st.none() | ANY_TEXT, ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_JSON, max_size=3))
@examples(300)
def test_whatever_is_said_the_body_is_json(message: str, code: str | None, kind: str, extra: dict[str, Any]) -> None:
    more = {f"x{name}": value for name, value in extra.items()}
    error = ProxyError(code, message, status=400, of_backend=True, kind=kind, extra=more)
    error.message += message  # some add to it
    told = msgspec.json.decode(error.body())["error"]
    assert set(told) >= {"message", "type", "param", "code"}


def test_deep_values_beside_the_message_are_cut() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert msgspec.json.decode(ProxyError("not_supported", "y", extra={"deep": deep}).body())["error"]["message"] == "y"


@pytest.mark.parametrize(
    "said, shown",
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("a\r\nb\rc\0", "a\nb\\rc\\x00"),
        ("Host \udcff", "Host \\xff"),
        ("\ud800", "\\ud800"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("👩‍💻 می‌خواهم", "👩‍💻 می‌خواهم"),
    ],
)
def test_a_message_colours_no_terminal(said: str, shown: str) -> None:
    assert json.loads(ProxyError("not_supported", said).body())["error"]["message"] == shown
