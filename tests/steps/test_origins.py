import pytest
from mitmproxy import exceptions

from codex_proxy.steps.origins import Origins

from .flows import configure

pytestmark = pytest.mark.usefixtures("context")

PAGE = "http://localhost:5173"


@pytest.mark.parametrize(
    ("entries", "allowed"),
    [
        ([], set()),
        ([PAGE], {PAGE}),
        ([f" {PAGE}/ "], {PAGE}),
        (["HTTP://LocalHost:5173"], {PAGE}),
        (["https://a.example:443"], {"https://a.example"}),
        ([PAGE, "chrome-extension://abc"], {PAGE, "chrome-extension://abc"}),
    ],
)
def test_the_origins_that_may_call_are_those_of_the_option(entries: list[str], allowed: set[str]) -> None:
    origins = Origins()
    configure(origins, codex_allow_origins=entries)
    assert origins.allowed == allowed


@pytest.mark.parametrize("entry", ["*", "null", "localhost:5173", "http://a.example/path", ""])
def test_what_is_no_origin_is_refused_and_the_old_ones_stay(entry: str) -> None:
    configure(origins := Origins(), codex_allow_origins=[PAGE])
    with pytest.raises(exceptions.OptionsError, match="codex_allow_origins"):
        configure(origins, codex_allow_origins=[PAGE, entry])
    assert origins.allowed == {PAGE}
