import pytest

from codex_proxy import __version__
from codex_proxy.net.upstream import Upstream, parse, user_agent


@pytest.mark.parametrize(
    "address, upstream",
    [
        ("https://chatgpt.com/backend-api/codex", Upstream("https", "chatgpt.com", 443, "/backend-api/codex")),
        ("https://chatgpt.com/backend-api/codex/", Upstream("https", "chatgpt.com", 443, "/backend-api/codex")),
        ("HTTPS://ChatGPT.com", Upstream("https", "chatgpt.com", 443, "")),
        ("https://host:8443/a", Upstream("https", "host", 8443, "/a")),
        ("http://localhost:8080", Upstream("http", "localhost", 8080, "")),
        ("http://127.0.0.1", Upstream("http", "127.0.0.1", 80, "")),
        ("http://127.9.9.9:1/", Upstream("http", "127.9.9.9", 1, "")),
        ("http://[::1]:8080/x", Upstream("http", "::1", 8080, "/x")),
        ("https://[2001:db8::1]/x", Upstream("https", "2001:db8::1", 443, "/x")),
    ],
)
def test_a_base_address_is_taken_apart(address: str, upstream: Upstream) -> None:
    assert parse(address) == upstream


@pytest.mark.parametrize(
    "address, problem",
    [
        ("", "not an http"),
        ("chatgpt.com", "not an http"),
        ("ftp://chatgpt.com", "not an http"),
        ("https://", "not an http"),
        ("https:///path", "not an http"),
        ("https://user@chatgpt.com", "more than"),
        ("https://user:word@chatgpt.com", "more than"),
        ("https://chatgpt.com?a=b", "more than"),
        ("https://chatgpt.com/#a", "more than"),
        ("http://chatgpt.com", "unencrypted"),
        ("http://192.168.1.1:8080", "unencrypted"),
        ("http://127.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("http://localhost.example.com", "unencrypted"),
        ("http://[2001:db8::1]", "unencrypted"),
        ("https://host:99999", "Port"),
        ("https://host:port", "Port"),
        ("https://[::1", "Invalid"),
    ],
)
def test_an_address_that_will_not_do_is_told_why(address: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(address)


@pytest.mark.parametrize(
    "address, authority, url",
    [
        ("https://chatgpt.com/a/", "chatgpt.com", "https://chatgpt.com/a"),
        ("https://chatgpt.com:443/a", "chatgpt.com", "https://chatgpt.com/a"),
        ("https://chatgpt.com:80", "chatgpt.com:80", "https://chatgpt.com:80"),
        ("http://localhost:80", "localhost", "http://localhost"),
        ("http://localhost:443", "localhost:443", "http://localhost:443"),
        ("http://[::1]:8080/x", "[::1]:8080", "http://[::1]:8080/x"),
    ],
)
def test_an_address_is_put_together_again(address: str, authority: str, url: str) -> None:
    assert (parse(address).authority, parse(address).url) == (authority, url)


def test_we_say_who_we_are() -> None:
    assert user_agent("nanobot-proxy").startswith(f"nanobot-proxy/{__version__} (")
    assert user_agent("nanobot-proxy").isprintable()
