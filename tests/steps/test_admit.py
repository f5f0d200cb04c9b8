import base64

import pytest
from mitmproxy import http

from codex_proxy.net.listeners import is_loopback
from codex_proxy.steps.admit import host_of, is_of_another_site, presented_key


@pytest.mark.parametrize(
    "header, host",
    [
        ("localhost", "localhost"),
        ("localhost:9090", "localhost"),
        ("127.0.0.1:9090", "127.0.0.1"),
        ("[::1]:9090", "[::1]"),
        ("[::1]", "[::1]"),
        ("evil.example:9090", "evil.example"),
        ("", ""),
        (":9090", ""),
    ],
)
def test_a_host_header_names_a_host_without_its_port(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize("header", ["[::1", "[", "[]", "[::1]evil.example", "localhost@evil.example", "localhost/"])
def test_a_host_header_that_is_odd_is_not_taken_for_more_than_it_says(header: str) -> None:
    assert not is_loopback(host_of(header)) or host_of(header) == "[::1]"


def basic(said: str) -> str:
    return "Basic " + base64.b64encode(said.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "elsewhere", "at_the_page"),
    [
        ("Bearer open", "open", "open"),
        (basic("anybody:open"), "", "open"),
        (basic(":open"), "", "open"),
        (basic("a:open:sesame"), "", "open:sesame"),
        (basic("a:öpen"), "", "öpen"),
        (basic("a:open").replace("Basic", "bAsIc"), "", "open"),
        (basic("open"), "", ""),
        ("Basic open", "", ""),
        ("Basic !!!!", "", ""),
        ("Basic", "", ""),
        ("", "", ""),
    ],
)
def test_a_password_is_a_key_at_the_page_alone(authorization: str, elsewhere: str, at_the_page: str) -> None:
    headers = http.Headers(authorization=authorization)
    assert [presented_key(headers, is_page=False), presented_key(headers, is_page=True)] == [elsewhere, at_the_page]


@pytest.mark.parametrize(
    ("site", "kind", "refused"),
    [
        ("cross-site", "image", True),
        ("cross-site", "script", True),
        ("cross-site", "iframe", True),
        ("cross-site", "empty", True),
        ("cross-site", "", True),
        ("same-site", "image", True),  # another port of this machine
        ("cross-site", "document", False),
        ("same-origin", "empty", False),
        ("none", "document", False),
        ("", "", False),
    ],
)
def test_a_page_of_another_site_may_link_here_and_load_nothing(site: str, kind: str, refused: bool) -> None:
    given = [("sec-fetch-site", site), ("sec-fetch-dest", kind), ("sec-fetch-mode", "no-cors")]
    headers = http.Headers([(name.encode(), value.encode()) for name, value in given if value])
    assert is_of_another_site(headers) is refused
