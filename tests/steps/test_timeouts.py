import pytest
from mitmproxy import exceptions

from codex_proxy.net import policy
from codex_proxy.steps.timeouts import Timeouts

from .flows import configure

pytestmark = pytest.mark.usefixtures("context")

# A fault: it is not a number of seconds, and is taken.

DEFAULTS = (policy.CONNECT_TIMEOUT, policy.IDLE_TIMEOUT)


@pytest.mark.parametrize(
    ("options", "timeouts"),
    [
        ({}, DEFAULTS),
        ({"codex_connect_timeout": "5"}, (5.0, DEFAULTS[1])),
        ({"codex_idle_timeout": "0.5"}, (DEFAULTS[0], 0.5)),
        ({"codex_connect_timeout": "2", "codex_idle_timeout": "1e3"}, (2.0, 1000.0)),
        ({"codex_stop_timeout": "7"}, DEFAULTS),
    ],
)
def test_each_option_is_its_timeout(options: dict[str, str], timeouts: tuple[float, float]) -> None:
    configure(known := Timeouts(), **options)
    assert (known.connect, known.idle) == timeouts


@pytest.mark.parametrize("name", ["codex_connect_timeout", "codex_idle_timeout"])
@pytest.mark.parametrize("text", ["", "0", "-1", "soon", "nan", "5s"])
def test_what_is_no_time_span_is_refused_and_the_old_one_stays(name: str, text: str) -> None:
    known = Timeouts()
    with pytest.raises(exceptions.OptionsError, match=f"{name}={text!r} is not a number of seconds"):
        configure(known, **{name: text})
    assert (known.connect, known.idle) == DEFAULTS
