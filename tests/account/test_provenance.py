from typing import Any

import pytest

from codex_proxy.account import provenance
from codex_proxy.account.issuer import CLIENT_ID
from codex_proxy.account.provenance import Provenance

ISSUER = "https://auth.openai.com"
SAID = {"issuer": ISSUER, "client_id": "app_other"}


@pytest.mark.parametrize(
    "document, found",
    [
        ({"tokens": {"access_token": "a", "oauth_provenance": SAID}}, Provenance(ISSUER, "app_other")),
        ({"access_token": "a", "oauth_provenance": SAID}, Provenance(ISSUER, "app_other")),
        ({"tokens": {"access_token": "a"}, "oauth_provenance": SAID}, Provenance(ISSUER, "app_other")),
        ({"tokens": {"refresh_token": "r", "oauth_provenance": SAID}}, Provenance(ISSUER, "app_other")),
        ({"tokens": {"oauth_provenance": {"client_id": "c"}}}, Provenance(None, "c")),
        ({"tokens": {"oauth_provenance": {"issuer": ISSUER}}}, Provenance(ISSUER, CLIENT_ID)),
        ({"tokens": {"oauth_provenance": {"issuer": 1, "client_id": ["x"]}}}, Provenance()),
        ({"tokens": {"oauth_provenance": {"client_id": "a\r\nb"}}}, Provenance()),
        ({"tokens": {"oauth_provenance": {"client_id": "x" * 300}}}, Provenance()),
        ({"tokens": {"oauth_provenance": "x"}}, Provenance()),
        ({"tokens": []}, Provenance()),
        ([], Provenance()),
        (None, Provenance()),
    ],
)
def test_what_a_file_says_of_where_it_was_made(document: Any, found: Provenance) -> None:
    assert provenance.of(document) == found


@pytest.mark.parametrize(
    "made_at, is_it",
    [
        (None, True),
        (ISSUER, True),
        (f"{ISSUER}/", True),
        ("HTTPS://AUTH.OPENAI.COM:443", True),
        ("http://auth.openai.com", False),
        ("https://auth.openai.com.evil.example", False),
        ("https://auth.openai.com@evil.example", False),
        ("https://evil.example/https://auth.openai.com", False),
        ("https://auth.openai.com:8443", False),
        ("https://auth.openai.com/?x", False),
        ("https://auth.openai.com:x", False),
        ("auth.openai.com", False),
        ("file:///etc/passwd", False),
    ],
)
def test_a_refresh_token_is_for_the_issuer_that_is_set_alone(made_at: str | None, is_it: bool) -> None:
    trouble = provenance.trouble(Provenance(made_at), ISSUER, "Run: it")
    assert (trouble is None) is is_it
    if trouble:
        assert (trouble.status, trouble.code) == (401, "login_other_issuer")
        assert (
            str(made_at) in trouble.message
            and "codex_issuer" in trouble.message
            and trouble.message.endswith("Run: it")
        )
