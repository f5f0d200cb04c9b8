import msgspec
import pytest

from codex_proxy.steps.stopping import Stopping, stopped


def test_nobody_has_asked_for_the_end_at_first() -> None:
    asked, other = Stopping(), Stopping()
    asked.is_asked = True
    assert not other.is_asked


@pytest.mark.parametrize("why", ["it takes no new requests", "its answer was not complete in time", "x"])
@pytest.mark.parametrize("headers", [None, {}, {"connection": "close"}])
def test_who_asks_on_is_told_to_try_again(why: str, headers: dict[str, str] | None) -> None:
    error = stopped(why, headers)
    told = msgspec.json.decode(error.body())["error"]
    assert (error.status, error.code, told["code"]) == (503, "stopping", "stopping")
    assert told["message"] == f"The proxy is being stopped, and {why}. Try again."
    assert dict(headers or {}).items() <= dict(error.headers).items()
