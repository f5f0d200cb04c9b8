import secrets
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.account import identity
from codex_proxy.account.credentials import KINDS, Kind, kind, tokens
from codex_proxy.account.login import read
from codex_proxy.errors import LoginError

from ..properties import examples

# As the CLI 0.169.0 writes and reads them (docs/backend.md, 9), then what it does not take either, and what is damaged.
DOCUMENTS: list[tuple[Any, Kind]] = [
    ({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": {"access_token": "a.b.c"}}, "chatgpt"),
    ({"auth_mode": "chatgptAuthTokens", "tokens": {"access_token": "a.b.c", "refresh_token": ""}}, "chatgpt"),
    ({"access_token": "a.b.c"}, "chatgpt"),
    ({"tokens": {"access_token": "at-1"}}, "personal access token"),
    ({"access_token": "at-1"}, "personal access token"),
    ({"auth_mode": "personalAccessToken", "personal_access_token": "at-1"}, "personal access token"),
    ({"auth_mode": "apikey", "OPENAI_API_KEY": "k"}, "api key"),
    ({"auth_mode": "agentIdentity", "agent_identity": "a.b.c"}, "agent identity"),
    ({"agent_identity": {"email": "a@example.org"}}, "agent identity"),
    ({"auth_mode": "bedrockApiKey", "bedrock_api_key": {"api_key": "k", "region": "r"}}, "bedrock key"),
    ({"auth_mode": "bedrockAccessKeys", "bedrock_access_keys": {"x": "k"}}, "bedrock key"),
    ({"auth_mode": "headers"}, "elsewhere"),
    ({"auth_mode": "chatgptAuthTokens", "OPENAI_API_KEY": None}, "elsewhere"),
    ({"auth_mode": "somethingNew", "something_new": "x"}, "unknown"),
    ({"codex": {"access_token": "a.b.c", "refresh_token": "r", "expires_at": 1, "account_id": "acc"}}, "chatgpt"),
    ({"openai": {"type": "oauth", "access": "a.b.c", "refresh": "r", "expires": 1, "accountId": "acc"}}, "chatgpt"),
    ({"openai": {"type": "api", "key": "k"}}, "api key"),
    ({"anthropic": {"type": "oauth", "access": "a.b.c"}}, "none"),
    ({"codex": {"access_token": ""}, "openai": "a.b.c"}, "none"),
    ({"codex": {"access_token": "a.b.c", "client_id": "oaiapp_1"}}, "sign in"),
    ({"openai": {"access": "a.b.c", "scopes": ["openid", "chatgpt.tokens.use.direct"]}}, "sign in"),
    ({"access_token": "a.b.c", "scope": "openid chatgpt.tokens.use.direct"}, "sign in"),
    ({"auth_mode": "chatgpt", "OPENAI_API_KEY": None}, "none"),
    ({"auth_mode": "apikey", "OPENAI_API_KEY": ""}, "none"),
    ({"auth_mode": ["apikey"], "OPENAI_API_KEY": ["k"]}, "none"),
    ({"tokens": {"access_token": 5, "refresh_token": "r"}}, "none"),
    ({"tokens": [], "personal_access_token": {"x": 1}}, "none"),
    ({}, "none"),
    ([], "none"),
    (None, "none"),
    ("text", "none"),
]


@pytest.mark.parametrize("document, found", DOCUMENTS)
def test_what_a_login_is(document: Any, found: Kind) -> None:
    assert kind(document) == found == identity.of(document).kind


@pytest.mark.parametrize("document, found", DOCUMENTS)
def test_what_is_of_no_use_is_told_and_what_is_is_used(document: Any, found: Kind) -> None:
    if found in ("chatgpt", "personal access token"):
        assert read(document, "the file").access_token in ("a.b.c", "at-1")
        return
    with pytest.raises(LoginError) as caught:
        read(document, "the file", "Run: it")
    said = caught.value.message
    assert said.startswith("The file ")
    assert said.endswith(" and set codex_auth_file to that file." if found == "sign in" else " Run: it")
    if isinstance(document, dict):
        assert f"The file holds {KINDS[found].name}. {KINDS[found].about}".strip() in said


def test_each_kind_is_known() -> None:
    assert set(KINDS) == set(get_args(Kind)) == {found for _, found in DOCUMENTS}


def test_tokens_are_taken_from_under_tokens_first() -> None:
    assert tokens({"access_token": "b", "tokens": {"access_token": "a"}}) == {"access_token": "a"}
    assert tokens({"access_token": "b", "tokens": {"access_token": ""}, "x": 1}) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("at-x"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = ["auth_mode", "tokens", "access_token", "id_token", "OPENAI_API_KEY", "personal_access_token", "agent_identity",
         "bedrock_api_key", "account_id", "last_refresh", "expires_at"]  # fmt: skip
FIELDS = st.dictionaries(st.sampled_from(NAMES), JSON)


@given(JSON | FIELDS | FIELDS.flatmap(lambda fields: FIELDS.map(lambda more: more | {"tokens": fields})))
@examples(300)
def test_nothing_is_too_odd(document: Any) -> None:
    found = identity.of(document)
    try:
        assert read(document, "x", "Run: it").access_token and found.kind in ("chatgpt", "personal access token")
    except LoginError as e:
        is_login = found.kind in ("chatgpt", "personal access token")
        assert e.code == ("login_unreadable" if is_login else "login_missing") or not isinstance(document, dict)
        assert "Run: " in e.message


def test_no_secret_is_told() -> None:
    secret = secrets.token_hex(12)
    for name in ("OPENAI_API_KEY", "agent_identity", "bedrock_api_key"):
        with pytest.raises(LoginError) as caught:
            read({name: secret}, "x")
        assert secret not in caught.value.message
