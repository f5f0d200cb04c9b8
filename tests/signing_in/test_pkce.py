import re
from urllib.parse import parse_qs, urlsplit

from codex_proxy.signing_in.pkce import Pkce, challenge_of

# RFC 7636, appendix B: verifier and challenge.
EXAMPLE = ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")


def asked(pkce: Pkce, **more: str) -> dict[str, str]:
    url = pkce.authorize_url("https://auth.example/", "http://127.0.0.1:1455/auth/callback", "nanobot-proxy", **more)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "auth.example", "/oauth/authorize")
    return {name: value for name, (value,) in parse_qs(parts.query).items()}


def test_the_challenge_is_that_of_the_standard() -> None:
    assert challenge_of(EXAMPLE[0]) == EXAMPLE[1]


def test_the_address_asks_for_what_the_cli_asks_for() -> None:
    pkce = Pkce()
    assert asked(pkce) == {
        "response_type": "code",
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "redirect_uri": "http://127.0.0.1:1455/auth/callback",
        "scope": "openid profile email offline_access api.connectors.read api.connectors.invoke",
        "code_challenge": challenge_of(pkce.verifier),
        "code_challenge_method": "S256",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "state": pkce.state,
        "originator": "nanobot-proxy",
    }


def test_a_workspace_is_asked_for_by_its_id() -> None:
    assert asked(Pkce(), workspace="one,two")["allowed_workspace_id"] == "one,two"


def test_each_is_new_and_long_enough() -> None:
    made = [Pkce() for _ in range(20)]
    assert all(re.fullmatch(r"[\w-]{86}", each.verifier) and re.fullmatch(r"[\w-]{43}", each.state) for each in made)
    assert len({each.verifier for each in made} | {each.state for each in made}) == 40


def test_the_verifier_is_nowhere_to_be_seen() -> None:
    pkce = Pkce()
    assert pkce.verifier not in repr(pkce) + str(asked(pkce)) and pkce.state not in repr(pkce)
