import base64

import pytest

from codex_proxy import __version__
from codex_proxy.upstream import OutgoingProxy, Upstream, outgoing_proxy, parse, user_agent


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
        ("", "no http"),
        ("chatgpt.com", "no http"),
        ("ftp://chatgpt.com", "no http"),
        ("https://", "no http"),
        ("https:///path", "no http"),
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


CHATGPT = parse("https://chatgpt.com/backend-api/codex")
LOCAL = parse("http://127.0.0.1:8080")


def environment(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "values, proxy",
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, OutgoingProxy("http", "proxy", 3128, "")),
        ({"https_proxy": "http://proxy:3128"}, OutgoingProxy("http", "proxy", 3128, "")),
        ({"HTTPS_PROXY": "proxy:3128"}, OutgoingProxy("http", "proxy", 3128, "")),
        ({"HTTPS_PROXY": "http://proxy/"}, OutgoingProxy("http", "proxy", 80, "")),
        ({"HTTPS_PROXY": "https://proxy"}, OutgoingProxy("https", "proxy", 443, "")),
        ({"ALL_PROXY": "http://proxy:1"}, OutgoingProxy("http", "proxy", 1, "")),
        ({"ALL_PROXY": "http://all:1", "HTTPS_PROXY": "http://own:2"}, OutgoingProxy("http", "own", 2, "")),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "chatgpt.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "localhost,.com"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "chatgpt.com:443"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "gpt.com"}, OutgoingProxy("http", "proxy", 1, "")),
    ],
)
def test_the_outgoing_proxy_is_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], proxy: OutgoingProxy | None
) -> None:
    environment(monkeypatch, **values)
    assert outgoing_proxy(CHATGPT) == proxy


@pytest.mark.parametrize(
    "values, proxy",
    [
        ({"HTTPS_PROXY": "http://proxy:1"}, None),
        ({"HTTP_PROXY": "http://proxy:1"}, OutgoingProxy("http", "proxy", 1, "")),
        ({"HTTP_PROXY": "http://proxy:1", "NO_PROXY": "127.0.0.1"}, None),
    ],
)
def test_a_backend_without_tls_goes_by_the_other_variable(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], proxy: OutgoingProxy | None
) -> None:
    environment(monkeypatch, **values)
    assert outgoing_proxy(LOCAL) == proxy


@pytest.mark.parametrize(
    "who, pair",
    [("me:word", b"me:word"), ("me", b"me:"), ("m%40e:w%3Ao%2Frd", b"m@e:w:o/rd"), ("me:w\u00e9", "me:wé".encode())],
)
def test_user_and_password_of_the_proxy_become_its_authorization(
    monkeypatch: pytest.MonkeyPatch, who: str, pair: bytes
) -> None:
    environment(monkeypatch, HTTPS_PROXY=f"http://{who}@proxy:3128")
    found = outgoing_proxy(CHATGPT)
    assert found is not None and (found.host, found.port) == ("proxy", 3128)
    scheme, _, value = found.authorization.partition(" ")
    assert scheme == "Basic" and base64.b64decode(value) == pair


@pytest.mark.parametrize("address", ["socks5://proxy:1080", "http://", "ftp://proxy"])
def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    environment(monkeypatch, HTTPS_PROXY=address)
    with pytest.raises(ValueError, match="outgoing proxy"):
        outgoing_proxy(CHATGPT)


def test_we_say_who_we_are() -> None:
    assert user_agent("nanobot-proxy").startswith(f"nanobot-proxy/{__version__} (")
    assert user_agent("nanobot-proxy").isprintable()
