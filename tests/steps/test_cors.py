import pytest
from mitmproxy import http

from codex_proxy.steps.cors import Cors

from .flows import asked

PAGE = "http://localhost:5173"


@pytest.mark.parametrize("hook", ["responseheaders", "response"])
@pytest.mark.parametrize("page, status, may_read", [("", 200, False), (PAGE, 200, True), (PAGE, 400, True), (PAGE, 503, True)])  # fmt: skip
def test_an_answer_can_be_read_by_the_page_that_may_call(hook: str, page: str, status: int, may_read: bool) -> None:
    flow, exchange = asked(page=page)
    flow.response = http.Response.make(status)
    getattr(Cors(), hook)(flow, exchange)
    assert ("access-control-allow-origin" in flow.response.headers) is may_read
