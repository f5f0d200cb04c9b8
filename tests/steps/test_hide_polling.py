import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.steps.hide_polling import HidePolling
from codex_proxy.steps.route import Route

from .flows import asked

pytestmark = pytest.mark.usefixtures("context")


@pytest.mark.parametrize(
    ("method", "path", "hidden"),
    [
        ("GET", "/?live", True),
        ("GET", "/v1?live", True),
        ("GET", "/v1/?live", True),
        ("GET", "/", False),
        ("GET", "/?live=1", False),
        ("GET", "/?a&live", False),
        ("GET", "/healthz?live", False),
        ("GET", "/v1/models?live", False),
        ("GET", "/nothing?live", False),
    ],
)
def test_only_the_polling_of_the_page_is_hidden(method: str, path: str, hidden: bool) -> None:
    flow, exchange = asked(method, path)
    try:
        Route().requestheaders(flow, exchange)
    except ProxyError:
        assert path.startswith("/nothing")
    HidePolling().requestheaders(flow, exchange)
    assert exchange.hidden is hidden
