import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.backend.cookies import LONGEST, Jar
from codex_proxy.message import field_values

from ..properties import examples

URL = "https://chatgpt.com/backend-api/codex/responses"


def jar(*cookies: str, url: str = URL) -> Jar:
    kept = Jar()
    kept.keep(url, [(b"Set-Cookie", cookie.encode()) for cookie in cookies])
    return kept


@pytest.mark.parametrize(
    "name",
    [
        "__cf_bm", "__cflb", "__cfruid", "__cfseq", "__cfwaitingroom", "_cfuvid", "cf_clearance", "cf_ob_info",
        "cf_use_ob", "cf_chl_rc_i",
    ],
)  # fmt: skip
def test_cloudflares_cookies_are_sent_back(name: str) -> None:
    assert jar(f"{name}=v1; path=/; domain=.chatgpt.com; HttpOnly; Secure").header(URL) == f"{name}=v1"


@pytest.mark.parametrize(
    "name", ["__oailb", "session", "__Secure-next-auth.session-token", "x__cf_bm", "cf_chl_", "__cf_bmx"]
)
def test_no_other_cookie_is_kept(name: str) -> None:
    assert jar(f"{name}=v1; path=/").header(URL) == ""


def test_a_newer_value_takes_the_place_of_the_older() -> None:
    kept = jar("__cf_bm=old; path=/")
    kept.keep(URL, [(b"set-cookie", b"__cf_bm=new; path=/")])
    assert kept.header(URL) == "__cf_bm=new"


def test_several_cookies_of_one_answer_are_kept() -> None:
    kept = jar("__cf_bm=a; path=/", "other=x; path=/", "_cfuvid=b; path=/")
    assert sorted(kept.header(URL).split("; ")) == ["__cf_bm=a", "_cfuvid=b"]


@pytest.mark.parametrize(
    "cookie, url, sent",
    [
        ("__cf_bm=a; path=/; Secure", "http://chatgpt.com/", False),
        ("__cf_bm=a; path=/", "https://auth.openai.com/", False),
        ("__cf_bm=a; path=/; domain=.chatgpt.com", "https://ab.chatgpt.com/", True),
        ("__cf_bm=a; path=/; domain=.openai.com", URL, False),
        ("__cf_bm=a; path=/other", URL, False),
        ("__cf_bm=a; path=/; Max-Age=0", URL, False),
        ("__cf_bm=a; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT", URL, False),
        ("__cf_bm=a; path=/; Max-Age=1800", URL, True),
    ],
)
def test_a_cookie_goes_only_where_it_belongs(cookie: str, url: str, sent: bool) -> None:
    assert jar(cookie).header(url) == ("__cf_bm=a" if sent else "")


def test_a_cookie_of_a_stand_in_on_this_machine_works_as_well() -> None:
    url = "http://127.0.0.1:8080/backend-api/codex/responses"
    assert jar("__cf_bm=a; path=/", url=url).header(url) == "__cf_bm=a"


def test_an_answer_without_cookies_changes_nothing() -> None:
    kept = jar("__cf_bm=a; path=/")
    kept.keep(URL, [(b"content-type", b"text/html"), (b"set-cookie", b"\xff\xfe")])
    assert kept.header(URL) == "__cf_bm=a"


def test_an_empty_jar_gives_nothing() -> None:
    assert Jar().header(URL) == ""


@pytest.mark.parametrize(
    "cookie",
    [
        b"__cf_bm=a\rX-Injected: 1; path=/",
        b"__cf_bm=a\nX-Injected: 1; path=/",
        b"__cf_bm=a\0b; path=/",
        b"__cf_bm=a\x1b[31m; path=/",
        b"__cf_bm=\xff\xfe; path=/",
        b"__cf_bm=" + b"x" * 5000 + b"; path=/",
    ],
    ids=["CR", "LF", "NUL", "ESC", "not ASCII", "long"],
)
def test_a_cookie_that_would_break_every_request_is_not_kept(cookie: bytes) -> None:
    kept = jar("_cfuvid=b; path=/")
    kept.keep(URL, [(b"Set-Cookie", cookie)])
    assert kept.header(URL) == "_cfuvid=b"


def test_cookies_never_grow_into_a_header_that_no_server_reads() -> None:
    kept = Jar()
    for number in range(100):
        kept.keep(URL, [(b"Set-Cookie", f"cf_chl_{number}={'x' * 1000}; path=/".encode())])
        assert len(kept.header(URL)) <= LONGEST


@given(st.binary(max_size=30))
@examples(200)
def test_whatever_is_set_the_header_is_one(value: bytes) -> None:
    kept = Jar()
    kept.keep(URL, [(b"Set-Cookie", b"__cf_bm=" + value)])
    assert field_values.malformed([(b"Cookie", kept.header(URL).encode("latin-1"))]) is None
