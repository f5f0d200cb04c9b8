import pytest
from mitmproxy import exceptions
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from codex_proxy.layers.option_checks import reject, seconds, size
from codex_proxy.output import redact


@pytest.mark.parametrize("text, value", [("1", 1.0), ("0.25", 0.25), (" 20 ", 20.0), ("1e3", 1000.0), ("1_0", 10.0)])
def test_a_time_span_is_a_number_of_seconds(text: str, value: float) -> None:
    assert seconds("codex_idle_timeout", text) == value


@pytest.mark.parametrize("text", ["", "0", "-1", "-0.0", "5s", "five", "1,5", "-inf", "nan", "inf"])
def test_anything_else_is_rejected_by_the_options_name(text: str) -> None:
    with taddons.context(loadcore=False), pytest.raises(exceptions.OptionsError, match="codex_idle_timeout"):
        seconds("codex_idle_timeout", text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("7", 7), ("500k", 512_000), ("64m", 64 << 20), ("1g", 1 << 30), ("1M", None), ("", None), ("much", None), ("1x", None), ("m", None)],
)  # fmt: skip
def test_a_size_has_the_letters_of_mitmproxys_options(text: str, value: int | None) -> None:
    assert size("codex_memory", text) == value


@pytest.mark.parametrize(
    ("has_server", "is_running", "raised"),
    [
        (False, False, exceptions.OptionsError),
        (True, False, SystemExit),
        (True, True, exceptions.OptionsError),
    ],
)
def test_at_the_start_the_process_ends_and_later_the_old_value_stays(
    has_server: bool, is_running: bool, raised: type[BaseException]
) -> None:
    with taddons.context(loadcore=False) as context:
        if has_server:
            context.master.addons.add(server := Proxyserver())
            server.is_running = is_running
        with pytest.raises(raised, match="it is wrong"):
            reject("it is wrong")


def test_no_secret_is_repeated() -> None:
    redact.KNOWN.know("token", "a-secret-that-is-known")
    with taddons.context(loadcore=False), pytest.raises(exceptions.OptionsError) as told:
        reject("codex_x=a-secret-that-is-known\x1b[31m is wrong")
    assert "a-secret-that-is-known" not in str(told.value) and "\x1b" not in str(told.value)
