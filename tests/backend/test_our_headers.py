import pytest

from codex_proxy.account.login import Login
from codex_proxy.backend.our_headers import account_headers, client_headers


def test_we_say_who_we_are() -> None:
    headers = client_headers("nanobot-proxy", streams=True)
    assert headers["originator"] == "nanobot-proxy" and headers["User-Agent"].startswith("nanobot-proxy/")
    assert headers["Accept"] == "text/event-stream" and headers["Accept-Encoding"] == "identity"
    assert headers["OpenAI-Beta"] == "responses=experimental"


def test_what_has_no_events_is_asked_for_as_json() -> None:
    assert client_headers("x", streams=False)["Accept"] == "application/json"


def test_the_official_codex_sends_no_beta_header() -> None:
    assert "OpenAI-Beta" not in client_headers("codex_exec", streams=True, codex=True)


@pytest.mark.parametrize(
    "login, more",
    [
        (Login("a"), {}),
        (Login("a", account_id="acc"), {"ChatGPT-Account-ID": "acc"}),
        (Login("a", fedramp=True), {"X-OpenAI-Fedramp": "true"}),
        (Login("a", residency="eu"), {"x-openai-internal-codex-residency": "eu"}),
    ],
)
def test_the_login_says_whose_request_it_is(login: Login, more: dict[str, str]) -> None:
    assert account_headers(login) == {"Authorization": "Bearer a", **more}


def test_cloudflares_cookies_go_along() -> None:
    assert account_headers(Login("a"), "__cf_bm=1")["Cookie"] == "__cf_bm=1"
