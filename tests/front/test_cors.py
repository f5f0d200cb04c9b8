import pytest

from codex_proxy.front import cors

ORIGINS: list[tuple[str, str]] = [
    ("http://localhost:5173", "http://localhost:5173"), ("https://app.example", "https://app.example"),
    ("https://App.Example/", "https://app.example"), ("https://app.example:443", "https://app.example"),
    ("http://app.example:80", "http://app.example"), ("http://app.example:443", "http://app.example:443"),
    ("chrome-extension://abcdefghijklmnop", "chrome-extension://abcdefghijklmnop"), ("app://obsidian.md", "app://obsidian.md"),
    ("tauri://localhost", "tauri://localhost"), ("http://[::1]:3000", "http://[::1]:3000"), (" http://a ", "http://a"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "origin"), ORIGINS)
def test_an_origin_as_a_browser_writes_it(entry: str, origin: str) -> None:
    assert cors.parse([entry]) == {origin}


WRONG: list[tuple[str, str]] = [
    ("*", "every web page"), ("null", "sandboxed"), ("NULL", "sandboxed"), ("", "not an origin"), ("localhost:5173", "not an origin"),
    ("http://a/b", "not an origin"), ("http://*.example", "not an origin"), ("http://user@a", "not an origin"), ("https://", "not an origin"),
    ("http://a, http://b", "not an origin"), ("file://", "not an origin"), ("http://a:", "not an origin"), ("http://a\r\nx: y", "not an origin"),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "why"), WRONG)
def test_what_is_no_origin_is_refused_with_the_reason(entry: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"^[*n']") as e:
        cors.parse(["http://localhost:5173", entry])
    assert why in str(e.value)


def test_none_is_none() -> None:
    assert cors.parse([]) == frozenset()


ASKED = {"origin": "http://a", "access-control-request-method": "POST"}


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("OPTIONS", ASKED, True), ("POST", ASKED, False), ("OPTIONS", {"origin": "http://a"}, False),
        ("OPTIONS", {"access-control-request-method": "POST"}, False),
    ],
)  # fmt: skip
def test_a_preflight_is_known(method: str, headers: dict[str, str], expected: bool) -> None:
    assert cors.is_preflight(method, headers) is expected


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("authorization,content-type,x-stainless-os", "authorization,content-type,x-stainless-os"),
        ("", "authorization, content-type"), ("a b", "authorization, content-type"), ("a,,b", "authorization, content-type"),
        ("x\r\nset-cookie: y", "authorization, content-type"),
    ],
)  # fmt: skip
def test_the_headers_a_preflight_asks_for_are_allowed(wanted: str, allowed: str) -> None:
    assert cors.preflight({"access-control-request-headers": wanted})["Access-Control-Allow-Headers"] == allowed


def test_a_private_network_is_allowed_when_asked_for() -> None:
    name = "Access-Control-Allow-Private-Network"
    assert name not in cors.preflight({})
    assert cors.preflight({"access-control-request-private-network": "true"})[name] == "true"


def test_no_page_may_send_cookies() -> None:
    assert not [name for name in cors.answer("http://a") | cors.preflight({}) if "Credentials" in name]
