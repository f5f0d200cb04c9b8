import pytest
from mitmproxy import http

from codex_proxy.steps.page_access import let_read
from codex_proxy.walk.exchange import Exchange

PAGE = "http://localhost:5173"


@pytest.mark.parametrize(
    ("page", "before", "vary", "allowed"),
    [
        ("", {}, None, None),
        ("", {"vary": "Accept"}, "Accept", None),
        (PAGE, {}, "Origin", PAGE),
        (PAGE, {"vary": "Accept"}, "Accept, Origin", PAGE),
        (PAGE, {"vary": "Origin"}, "Origin", PAGE),
        (PAGE, {"access-control-allow-origin": "*"}, "Origin", PAGE),
    ],
)
def test_a_page_that_may_call_can_read_its_answer(
    page: str, before: dict[str, str], vary: str | None, allowed: str | None
) -> None:
    response = http.Response.make(200, b"", before)
    let_read(Exchange(page=page), response)
    headers = response.headers
    assert (headers.get("vary"), headers.get("access-control-allow-origin")) == (vary, allowed)
    assert ("x-request-id" in headers.get("access-control-expose-headers", "")) is bool(page)
    assert "access-control-allow-credentials" not in headers


def test_what_is_said_twice_stands_there_once() -> None:
    response = http.Response.make(200)
    for _ in range(2):
        let_read(Exchange(page=PAGE), response)
    assert response.headers.get_all("vary") == ["Origin"]
    assert response.headers.get_all("access-control-allow-origin") == [PAGE]
