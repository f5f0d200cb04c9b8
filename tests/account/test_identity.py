import secrets
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.account.identity import Identity, of, shown_account, shown_email
from codex_proxy.account.login import AUTH_CLAIM

from ..properties import examples

PROFILE = "https://api.openai.com/profile"
ACCOUNT = "1234abcd-0000-4000-8000-000000000000"


def token(**claims: Any) -> str:
    return jwt.encode(claims, secrets.token_hex(32))


def auth(**claims: Any) -> dict[str, Any]:
    return {AUTH_CLAIM: {f"chatgpt_{name}": value for name, value in claims.items()}}


ID = token(email="id@example.org", **auth(plan_type="plus", account_id="of-id"))
ACCESS = token(**{PROFILE: {"email": "access@example.org"}}, **auth(plan_type="pro", account_id="of-access"))


@pytest.mark.parametrize(
    "document, identity",
    [
        ({"tokens": {"id_token": ID, "access_token": ACCESS}}, Identity("id@example.org", "plus", "of-id", "chatgpt")),
        ({"tokens": {"id_token": "odd", "access_token": ACCESS}}, Identity("access@example.org", "pro", "of-access", "chatgpt")),
        ({"tokens": {"access_token": "opaque", "account_id": "a"}}, Identity(None, None, "a", "chatgpt")),
        ({"access_token": ACCESS}, Identity("access@example.org", "pro", "of-access", "chatgpt")),
        ({"access_token": "opaque", "OPENAI_API_KEY": "k"}, Identity(None, None, None, "chatgpt")),
        ({"tokens": {"access_token": token(email=5, **{PROFILE: "odd", AUTH_CLAIM: []})}}, Identity(None, None, None, "chatgpt")),
        ({"personal_access_token": "at-1", "account_id": "a"}, Identity(None, None, "a", "personal access token")),
        ({"OPENAI_API_KEY": "key", "tokens": None}, Identity(None, None, None, "api key")),
        ({"agent_identity": {"email": "a@b", "plan_type": "team", "account_id": "a"}}, Identity("a@b", "team", "a", "agent identity")),
        ({"agent_identity": token(email="a@b")}, Identity("a@b", None, None, "agent identity")),
        ({"tokens": {"access_token": ""}, "OPENAI_API_KEY": None}, Identity(None, None, None, "none")),
        ({}, Identity(None, None, None, "none")),
    ],
)  # fmt: skip
def test_whose_login_it_is_comes_from_the_claims(document: dict[str, Any], identity: Identity) -> None:
    assert of(document) == identity


@pytest.mark.parametrize(
    "identity, shown",
    [
        (Identity("person@example.org", "plus", ACCOUNT, "chatgpt"), "p…n@example.org (plus, account 1234abcd…)"),
        (Identity("person@example.org", None, None, "chatgpt"), "p…n@example.org"),
        (Identity(None, "plus", None, "chatgpt"), "a ChatGPT login (plus)"),
        (Identity(None, None, ACCOUNT, "chatgpt"), "a ChatGPT login (account 1234abcd…)"),
        (Identity(None, None, None, "api key"), "an API key"),
        (Identity(None, None, None, "personal access token"), "a personal access token"),
        (Identity(None, None, None, "agent identity"), "an agent identity"),
        (Identity(None, None, None, "none"), "no login"),
        (Identity("a\x1b[2Jbc@d", "pl\nus", "\x07cc", "chatgpt"), "a…c@d (pl?us, account ?cc…)"),
    ],
)
def test_a_person_knows_it_by_a_part(identity: Identity, shown: str) -> None:
    assert str(identity) == shown


@pytest.mark.parametrize(
    "email, shown",
    [
        ("person@example.org", "p…n@example.org"),
        ("abc@d", "a…c@d"),
        ("ab@d", "a…@d"),
        ("a@d", "…@d"),
        ("@d", "…@d"),
        ("no-address", "n…s"),
        ("a@b@example.org", "a…b@example.org"),
        ("", "…"),
    ],
)
def test_an_email_is_shortened(email: str, shown: str) -> None:
    assert shown_email(email) == shown


def test_an_account_is_shortened() -> None:
    assert shown_account(ACCOUNT) == "1234abcd…"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
NAMES = ["tokens", "access_token", "id_token", "OPENAI_API_KEY", "personal_access_token", "agent_identity"]
FIELDS = st.dictionaries(st.sampled_from(NAMES), JSON)


@given(FIELDS | FIELDS.map(lambda fields: {"tokens": fields}))
@examples(200)
def test_no_document_is_too_odd(document: dict[str, Any]) -> None:
    assert str(of(document)).isprintable()
