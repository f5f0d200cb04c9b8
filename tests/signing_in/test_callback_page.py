import re

import pytest

from codex_proxy.signing_in import callback_page
from codex_proxy.signing_in.callback_page import Page, answer, done, failed

EVIL = "<script>alert(1)</script>\"'&{title}"


@pytest.mark.parametrize("page", [done(EVIL), failed(EVIL), Page(EVIL, EVIL)])
def test_everything_that_comes_from_elsewhere_is_escaped(page: Page) -> None:
    assert "<script" not in str(page) and "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;{title}" in str(page)


@pytest.mark.parametrize("page", [done("p…n@example.org"), failed("x"), callback_page.USED, callback_page.NOT_OURS])
def test_a_page_loads_nothing_and_runs_nothing(page: Page) -> None:
    assert not re.search(r"<script|@import|url\(|https?:|src=| on\w+=", str(page))
    assert re.findall(r'href="([^"]*)"', str(page)) == ["data:,"]
    assert '<html lang="en">' in str(page) and "width=device-width" in str(page)


def test_the_browser_is_told_to_keep_it_to_itself() -> None:
    head, _, body = answer(200, done("x")).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "HTTP/1.1 200 OK"
    assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["connection"] == "close" and int(headers["content-length"]) == len(body)


def test_head_gets_the_length_and_no_body() -> None:
    head, _, body = answer(404, callback_page.NOTHING_HERE, "HEAD").partition(b"\r\n\r\n")
    assert b"404 Not Found" in head and b"content-length: 0" not in head and body == b""


def test_good_and_bad_can_be_told_apart() -> None:
    assert done("x").good and not failed("x").good
    assert "You are logged in" in str(done("x")) and "did not work" in str(failed("x"))
