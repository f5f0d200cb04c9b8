import io
import logging
import secrets
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mitmproxy.log import MitmFormatter

from codex_proxy.addons.journal import JournalFormatter
from codex_proxy.output import redact
from codex_proxy.output.known_secrets import KnownSecrets
from codex_proxy.output.log_record import KEEPS_LINES, LONGEST, LogRecord

ANY = st.text(st.characters(codec=None), max_size=40)


@pytest.fixture(autouse=True)
def records() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(LogRecord)
    yield
    logging.setLogRecordFactory(before)


def logged(formatter: logging.Formatter, *message: object, name: str = "test_log_record", **more: object) -> str:
    """What a handler writes for a call of `logger.info`."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logger = logging.Logger(name)
    logger.addHandler(handler)
    logger.info(*message, **more)  # type: ignore[arg-type]
    return out.getvalue().removesuffix("\n")


FORMATTERS = [MitmFormatter(colorize=False), JournalFormatter(), logging.Formatter()]


@given(ANY)
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_is_one_line_that_is_printed(text: str) -> None:
    for formatter in FORMATTERS:
        for call in ((text,), ("%s", text), ("got %s and %r", text, text.encode("utf-8", "surrogatepass"))):
            line = logged(formatter, *(text.replace("%", "%%") if len(call) == 1 else each for each in call))
            assert line.isprintable()
            line.encode()


def test_a_line_of_the_log_can_not_be_forged() -> None:
    line = logged(MitmFormatter(colorize=False), "POST gpt\n[12:00:00.000] Logged in as\x1b[32m x 200")
    assert line.count("\n") == 0 and line.endswith("POST gpt\\n[12:00:00.000] Logged in as\\x1b[32m x 200")


@pytest.mark.parametrize("formatter", FORMATTERS, ids=["mitmproxy's", "journal", "Python's"])
def test_a_traceback_keeps_its_lines_and_none_of_them_looks_like_one_of_the_log(formatter: logging.Formatter) -> None:
    said = "bad\n[12:00:00.000] for" + "ged\x1b[31m \ud800"
    try:
        raise ValueError(said)
    except ValueError as e:
        lines = logged(formatter, "It failed.", exc_info=e).split("\n")
    assert "It failed." in lines[0] and "Traceback" in lines[1]
    assert all(line.removeprefix("<6>").startswith("    ") and line.isprintable() for line in lines[1:])
    assert sum("forged" in line for line in lines) == 1


def test_what_mitmproxy_says_of_its_own_listeners_keeps_its_lines() -> None:
    text = logged(logging.Formatter(), "---\n[Interface]\nPrivateKey = x", name=KEEPS_LINES)
    assert text == "---\n    [Interface]\n    PrivateKey = x"


def test_secrets_are_hidden_by_form_and_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "KNOWN", KnownSecrets())
    redact.KNOWN.know("account", account := secrets.token_hex(8))
    key = "sk-" + secrets.token_hex(16)
    line = logged(logging.Formatter(), "refused: %s %s", account, key)
    assert line == f"refused: {redact.HIDDEN} {redact.HIDDEN}"


def test_a_message_of_any_length_is_bounded() -> None:
    assert len(logged(logging.Formatter(), "x" * 10_000_000)) == LONGEST


@pytest.mark.parametrize("arguments", [("%d", "x"), ("%s %s", "x"), ("no place", "x")])
def test_a_format_that_does_not_fit_is_told_and_raises_nothing(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert logged(logging.Formatter(), *arguments)
    assert capsys.readouterr().err == ""


def test_a_record_of_another_process_is_taken_as_well() -> None:
    record = logging.makeLogRecord({"msg": "a\nb", "args": (), "levelno": logging.INFO, "levelname": "INFO"})
    assert logging.Formatter().format(record) == "a\\nb"
