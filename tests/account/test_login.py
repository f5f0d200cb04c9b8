import base64
import secrets
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.account.login import Grant, Login, LoginState, claims, describe, read, renewed
from codex_proxy.errors import LoginError

from ..properties import examples

NOW = 1_795_518_000.0
EIGHT_DAYS = 691_200.0
AUTH = "https://api.openai.com/auth"


def token(**of_token: Any) -> str:
    return jwt.encode(of_token, secrets.token_hex(32))


def nested(**tokens: Any) -> dict[str, Any]:
    return {"tokens": {"access_token": "opaque", **tokens}}


def account(name: str) -> str:
    return token(**{AUTH: {"chatgpt_account_id": name}})


# The forms a login comes in.


def test_the_official_clients_file_is_read() -> None:
    access = token(exp=int(NOW) + 100, **{AUTH: {"chatgpt_account_id": "other"}})
    document = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {"id_token": account("x"), "access_token": access, "refresh_token": "r", "account_id": "acc"},
        "last_refresh": "2026-11-21T00:00:00Z",
    }
    assert read(document, "f") == Login(access, "r", "acc", NOW + 100)


@pytest.mark.parametrize(
    "document, login",
    [
        ({"tokens": {"access_token": "a", "refresh_token": "r"}}, Login("a", "r")),
        (
            {"access_token": "a", "refresh_token": "r", "account_id": "acc", "expires_at": NOW},
            Login("a", "r", "acc", NOW),
        ),
        ({"access_token": "a"}, Login("a")),
        ({"access_token": "a", "refresh_token": ""}, Login("a")),
        ({"access_token": " a\n", "refresh_token": "r\r\n", "account_id": "acc\n"}, Login("a", "r", "acc")),
        ({"tokens": {"access_token": "a", "refresh_token": "\n", "account_id": " "}}, Login("a")),
        ({"personal_access_token": "at-1\n", "account_id": "acc\n"}, Login("at-1", account_id="acc")),
        ({"tokens": {}, "access_token": "a"}, Login("a")),
        ({"tokens": None, "access_token": "a"}, Login("a")),
        ({"OPENAI_API_KEY": "k", "tokens": {"access_token": "a"}}, Login("a")),
        ({"personal_access_token": "at-1", "account_id": "acc"}, Login("at-1", account_id="acc")),
        ({"auth_mode": "personalAccessToken", "personal_access_token": "at-1"}, Login("at-1")),
    ],
)
def test_the_forms_of_other_tools_are_read(document: Any, login: Login) -> None:
    assert read(document, "f") == login


@pytest.mark.parametrize(
    "document, code, words",
    [
        ([], "login_unreadable", "does not hold a login"),
        ("text", "login_unreadable", "does not hold a login"),
        (None, "login_unreadable", "does not hold a login"),
        ({}, "login_missing", "holds no login"),
        ({"tokens": {"access_token": ""}}, "login_missing", "holds no login"),
        ({"tokens": {"refresh_token": "r"}}, "login_missing", "holds no login"),
        ({"OPENAI_API_KEY": "key"}, "login_missing", "API key"),
        ({"agent_identity": {}, "OPENAI_API_KEY": None}, "login_missing", "no login"),
        ({"agent_identity": {"agent_runtime_id": "x"}}, "login_missing", "agent identity"),
    ],
)
def test_a_document_without_a_login_says_what_it_holds(document: Any, code: str, words: str) -> None:
    with pytest.raises(LoginError) as e:
        read(document, "/home/me/auth.json", "Run: it")
    assert e.value.code == code
    assert words in e.value.message and "/home/me/auth.json" in e.value.message and e.value.message.endswith("Run: it")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
CLAIMS = st.dictionaries(st.sampled_from(["exp", AUTH, "chatgpt_account_id"]), JSON | st.dictionaries(st.sampled_from(["organizations", "chatgpt_account_id"]), JSON))  # fmt: skip
TOKENS = JSON | CLAIMS.map(lambda of_token: token(**of_token))
FIELDS = st.dictionaries(
    st.sampled_from(["access_token", "refresh_token", "id_token", "account_id", "expires_at"]), TOKENS
)


@given(JSON | FIELDS | st.fixed_dictionaries({"tokens": FIELDS | JSON}, optional={"last_refresh": JSON}))
@examples(200)
def test_no_document_makes_us_fail_in_another_way(document: Any) -> None:
    try:
        read(document, "f")
    except LoginError as e:
        assert e.code in ("login_missing", "login_unreadable")


# Whose account it is.


@pytest.mark.parametrize(
    "tokens, account_id",
    [
        ({"account_id": "file", "id_token": account("id"), "access_token": account("access")}, "file"),
        ({"id_token": account("id"), "access_token": account("access")}, "id"),
        ({"account_id": "", "id_token": account("id")}, "id"),
        ({"account_id": None, "access_token": account("access")}, "access"),
        ({"id_token": "no jwt", "access_token": account("access")}, "access"),
        ({"access_token": token(chatgpt_account_id="top")}, "top"),
        ({"id_token": token(**{AUTH: {"organizations": [{"id": "org"}, {"id": "other"}]}})}, "org"),
        ({"access_token": token(**{AUTH: {"organizations": [{"id": "org"}]}})}, "org"),
        ({"id_token": token(**{AUTH: {"organizations": []}}), "access_token": token(**{AUTH: {"organizations": [{"id": "org"}]}})}, "org"),
        ({"access_token": token(**{AUTH: {"organizations": []}})}, None),
        ({"access_token": token(**{AUTH: {"organizations": ["org"]}})}, None),
        ({"access_token": token(**{AUTH: {"organizations": {"id": "org"}}})}, None),
        ({"access_token": token(**{AUTH: "odd"})}, None),
        ({"access_token": token(**{AUTH: {"chatgpt_account_id": 5}})}, None),
        ({}, None),
    ],
    ids=lambda v: "tokens" if isinstance(v, dict) else str(v),
)  # fmt: skip
def test_the_account_is_found_in_the_file_or_the_claims(tokens: dict[str, Any], account_id: str | None) -> None:
    assert read(nested(**tokens), "f").account_id == account_id


@pytest.mark.parametrize(
    "tokens, fedramp",
    [
        ({"id_token": token(**{AUTH: {"chatgpt_account_is_fedramp": True}})}, True),
        ({"access_token": token(**{AUTH: {"chatgpt_account_is_fedramp": True}})}, True),
        ({"access_token": token(**{AUTH: {"chatgpt_account_is_fedramp": False}})}, False),
        ({}, False),
    ],
    ids=["id token", "access token", "false", "absent"],
)
def test_a_fedramp_account_is_known(tokens: dict[str, Any], fedramp: bool) -> None:
    assert read(nested(**tokens), "f").fedramp is fedramp


@pytest.mark.parametrize(
    "claim, residency", [("us", "us"), ("eu", "eu"), ("no_constraint", None), (None, None), (5, None)]
)
def test_a_residency_is_kept_where_there_is_one(claim: Any, residency: str | None) -> None:
    assert read(nested(access_token=token(**{AUTH: {"chatgpt_compute_residency": claim}})), "f").residency == residency


# When it ends.


@pytest.mark.parametrize(
    "tokens, more, end",
    [
        ({"access_token": token(exp=123), "expires_at": 456}, {"last_refresh": "2026-11-21T00:00:00Z"}, 123.0),
        ({"expires_at": 1795518000}, {"last_refresh": "2026-11-21T00:00:00Z"}, NOW),
        ({"expires_at": 1795518000.5}, {}, NOW + 0.5),
        ({"expires_at": 1795518000000}, {}, NOW),
        ({"expires_at": "1795518000"}, {}, NOW),
        ({"expires_at": "1795518000000"}, {}, NOW),
        ({"expires_at": "²"}, {}, None),
        ({"expires_at": 10**400}, {}, None),
        ({"expires_at": 1e17}, {}, None),
        ({"expires_at": float("nan")}, {}, None),
        ({"access_token": token(exp=10**400)}, {}, None),
        ({"access_token": token(exp=1795518000000)}, {}, NOW),
        ({"expires_at": "2026-11-24T11:00:00Z"}, {}, NOW),
        ({"expires_at": "2026-11-24T12:00:00+01:00"}, {}, NOW),
        ({"expires_at": 0}, {}, 0.0),
        ({"expires_at": "soon"}, {}, None),
        ({"expires_at": True}, {}, None),
        ({"expires_at": None}, {"last_refresh": "2026-11-24T11:00:00Z"}, NOW + EIGHT_DAYS),
        (
            {"access_token": token(sub="x")},
            {"last_refresh": "2026-11-24T11:00:00.123456Z"},
            NOW + 0.123456 + EIGHT_DAYS,
        ),
        ({"access_token": "at-1"}, {"last_refresh": "2026-11-24T11:00:00Z"}, None),
        ({"access_token": token(exp="soon")}, {}, None),
        ({}, {"last_refresh": None}, None),
        ({}, {}, None),
    ],
    ids=lambda v: "" if isinstance(v, dict) else str(v),
)
def test_the_end_is_what_the_token_says_then_the_file_then_a_guess(tokens: Any, more: Any, end: float | None) -> None:
    assert read(nested(**tokens) | more, "f").expires_at == end


def test_a_login_whose_end_nobody_knows_does_not_end() -> None:
    assert Login("a").seconds_left(NOW) == float("inf")
    assert Login("a", expires_at=NOW + 5).seconds_left(NOW) == 5


@pytest.mark.parametrize("text", [None, "", "opaque", "a.b.c", "eyJ.eyJ.x", "é.é.é", ".."])
def test_a_token_that_is_no_jwt_has_no_claims(text: str | None) -> None:
    assert claims(text) == {}


def test_half_a_jwt_has_no_claims() -> None:
    assert claims(token(a=1).rpartition(".")[0][:-4]) == {}


def test_the_claims_of_a_token_are_read_whoever_signed_it_and_whenever_it_ended() -> None:
    assert claims(token(exp=1, nbf=2**40, aud="x", sub="y")) == {"exp": 1, "nbf": 2**40, "aud": "x", "sub": "y"}


def test_a_login_does_not_show_whose_it_is() -> None:
    shown = repr(Login("secret-a", "secret-r", "secret-account")) + repr(Grant("secret-a", "secret-r", "secret-i"))
    assert "secret" not in shown


# The same document with new tokens.

GRANT = Grant("new-a", "new-r", "new-i", 600.0)


def test_the_official_clients_file_keeps_its_form() -> None:
    document: dict[str, Any] = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "unknown": [1],
        "tokens": {"id_token": "i", "access_token": "a", "x": {}, "refresh_token": "r", "account_id": "acc"},
        "last_refresh": "2026-11-01T00:00:00Z",
        "agent_identity": None,
    }
    after = renewed(document, GRANT, NOW)
    assert after == document | {
        "tokens": {
            "id_token": "new-i",
            "access_token": "new-a",
            "x": {},
            "refresh_token": "new-r",
            "account_id": "acc",
        },
        "last_refresh": "2026-11-24T11:00:00Z",
    }
    assert (list(after), list(after["tokens"])) == (list(document), list(document["tokens"]))


@pytest.mark.parametrize(
    "grant, tokens",
    [
        (Grant("new-a"), {"id_token": "i", "access_token": "new-a", "refresh_token": "r"}),
        (Grant("new-a", "new-r"), {"id_token": "i", "access_token": "new-a", "refresh_token": "new-r"}),
        (Grant("new-a", None, "new-i"), {"id_token": "new-i", "access_token": "new-a", "refresh_token": "r"}),
        (Grant("new-a", "", ""), {"id_token": "i", "access_token": "new-a", "refresh_token": "r"}),
        (Grant(), {"id_token": "i", "access_token": "a", "refresh_token": "r"}),
    ],
)
def test_what_the_server_left_out_stays(grant: Grant, tokens: dict[str, Any]) -> None:
    document = {"tokens": {"id_token": "i", "access_token": "a", "refresh_token": "r"}}
    assert renewed(document, grant, NOW)["tokens"] == tokens


def test_a_document_without_an_id_token_gets_one_only_in_the_official_form() -> None:
    assert "id_token" in renewed(nested(), GRANT, NOW)["tokens"]
    assert "id_token" not in renewed({"access_token": "a"}, GRANT, NOW)
    assert renewed({"access_token": "a", "id_token": "i"}, GRANT, NOW)["id_token"] == "new-i"


@pytest.mark.parametrize(
    "document", [{"access_token": "a"}, {"tokens": {"access_token": "a"}}], ids=["flat", "official"]
)
def test_a_document_without_a_refresh_token_gets_the_one_that_was_granted(document: dict[str, Any]) -> None:
    after = renewed(document, GRANT, NOW)
    assert after.get("tokens", after)["refresh_token"] == "new-r"


def test_the_flat_form_stays_flat() -> None:
    document = {"type": "oauth", "access_token": "a", "refresh_token": "r", "account_id": "acc", "expires_at": 1}
    after = renewed(document, GRANT, NOW)
    assert after == document | {"access_token": "new-a", "refresh_token": "new-r", "expires_at": int(NOW) + 600}
    assert list(after) == list(document)


def test_the_document_that_was_given_is_not_changed() -> None:
    document = nested(expires_at=1)
    renewed(document, GRANT, NOW)
    assert document == nested(expires_at=1)


@pytest.mark.parametrize(
    "old, new",
    [
        (1, int(NOW) + 600),
        (1.5, int(NOW) + 600),
        (None, int(NOW) + 600),
        (1700000000000, (int(NOW) + 600) * 1000),
        ("1700000000", str(int(NOW) + 600)),
        ("1700000000000", str((int(NOW) + 600) * 1000)),
        ("2026-01-01T00:00:00Z", "2026-11-24T11:10:00Z"),
        ("2026-01-01T00:00:00+01:00", "2026-11-24T11:10:00Z"),
        ("²", str(int(NOW) + 600)),
        (10**400, int(NOW) + 600),
    ],
)
def test_an_end_is_written_as_it_was_written_before(old: Any, new: Any) -> None:
    assert renewed(nested(expires_at=old), GRANT, NOW)["tokens"]["expires_at"] == new


@pytest.mark.parametrize("old", [1, "1700000000", "2026-01-01T00:00:00Z", None])
@pytest.mark.parametrize(
    "grant", [Grant("opaque", expires_in=1e300), Grant("opaque", expires_in=float("inf")), Grant(refresh_token="r2")]
)
def test_an_end_that_can_not_be_or_is_not_new_leaves_the_old_one(grant: Grant, old: Any) -> None:
    assert renewed(nested(expires_at=old), grant, NOW)["tokens"]["expires_at"] == old


@pytest.mark.parametrize(
    "grant, end",
    [
        (Grant("opaque", expires_in=60.0), NOW + 60),
        (Grant("opaque"), NOW + 3600),
        (Grant(token(exp=int(NOW) + 7), expires_in=60.0), NOW + 7),
        (Grant(token(exp="odd"), expires_in=60.0), NOW + 60),
    ],
    ids=["as granted", "an hour", "its own claim", "odd claim"],
)
def test_the_end_of_a_new_token_is_its_own_claim_then_what_was_granted(grant: Grant, end: float) -> None:
    assert renewed(nested(expires_at=1), grant, NOW)["tokens"]["expires_at"] == end


@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5), max_size=5),
    st.permutations(["id_token", "access_token", "refresh_token", "account_id", "x"]),
    st.booleans(),
)
@examples(100)
def test_unknown_keys_and_all_order_stay(more: dict[str, Any], order: list[str], flat: bool) -> None:
    tokens = {name: f"old {name}" for name in order}
    more = {name: value for name, value in more.items() if name not in ("tokens", "last_refresh", *order)}
    document = {**more, **tokens} if flat else {**more, "tokens": tokens, "last_refresh": None}
    after = renewed(document, GRANT, NOW)
    assert list(after) == list(document)
    inner = after if flat else after["tokens"]
    assert [name for name in inner if name in order] == order
    assert (inner["x"], inner["account_id"]) == ("old x", "old account_id")
    assert {name: after[name] for name in more} == more


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
@examples(50)
def test_a_renewed_login_can_be_read_again(when: datetime) -> None:
    after = renewed(nested(expires_at="2026-01-01T00:00:00Z"), GRANT, when.timestamp())
    login = read(after, "f")
    assert login.access_token == "new-a" and login.refresh_token == "new-r"
    assert login.seconds_left(when.timestamp()) == pytest.approx(600)


# What may be told of it.


@pytest.mark.parametrize(
    "login, told",
    [
        (Login("a", "r", "acc", NOW + 90.7), LoginState("ok", 90)),
        (Login("a", expires_at=NOW + 0.5), LoginState("ok", 0)),
        (Login("a"), LoginState("ok", None)),
        (Login("a", expires_at=NOW), LoginState("expired", 0)),
        (Login("a", "r", expires_at=NOW - 5), LoginState("expired, will be renewed with the next request", 0)),
    ],
)
def test_a_login_is_described_without_saying_whose_it_is(login: Login, told: LoginState) -> None:
    assert describe(login, NOW) == told


def test_without_a_time_the_description_is_of_this_moment() -> None:
    assert describe(Login("a", expires_at=1.0)).state == "expired"
    assert describe(Login("a", expires_at=1e11)).state == "ok"


# What can't go into a header.

WRONG = ["a\r\nX-Injected: 1", "a\0b", "acc\u20131", "é", "\ud800", "a\x1b[31m"]


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize("name", ["access_token", "refresh_token", "account_id"])
def test_a_part_that_no_header_can_carry_makes_it_unreadable(name: str, value: str) -> None:
    with pytest.raises(LoginError) as raised:
        read(nested(**{name: value}), "/home/x/auth.json", "Run: scripts/login")
    assert raised.value.code == "login_unreadable"
    assert name.replace("_", " ") in raised.value.message and "/home/x/auth.json" in raised.value.message
    assert value not in raised.value.message and "Run: " in raised.value.message


@pytest.mark.parametrize("value", WRONG[2:4])
@pytest.mark.parametrize("name", ["chatgpt_account_id", "chatgpt_compute_residency"])
def test_a_claim_that_no_header_can_carry_does_so_too(name: str, value: str) -> None:
    with pytest.raises(LoginError, match="no header can carry"):
        read({"tokens": {"access_token": token(**{AUTH: {name: value}})}}, "f")


def test_a_personal_access_token_is_looked_at_as_well() -> None:
    with pytest.raises(LoginError, match="no header can carry"):
        read({"personal_access_token": "at-1\n2"}, "f")


def test_claims_nested_without_end_are_none() -> None:
    def coded(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    for deep in ("[" * 100_000, "[" * 200 + "]" * 200):
        assert claims(f"{coded('{"alg": "none"}')}.{coded(f'{{"a": {deep}}}')}.x") == {}
    assert claims("\ud800.a.b") == {}
