import errno
import logging

import pytest

from codex_proxy.errors import LoginError, ProxyError
from codex_proxy.net import few_files


@pytest.mark.parametrize(
    ("fd", "most", "kept_back"),
    [
        (47, 64, False),
        (48, 64, True),
        (223, 256, False),
        (224, 256, True),
        (900_000, 1 << 20, False),
        (5000, None, False),
    ],
)
def test_the_last_files_are_kept_for_the_backend(fd: int, most: int | None, kept_back: bool) -> None:
    assert few_files.is_for_the_backend(fd, most) is kept_back


def raised(cause: BaseException, error: ProxyError) -> ProxyError:
    try:
        try:
            raise cause
        except BaseException as e:
            raise error from e
    except ProxyError as e:
        return e


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_an_error_that_the_lack_of_files_caused_says_that(number: int) -> None:
    found = raised(
        raised(OSError(number, "Too many open files"), LoginError("login_unreadable", "x")),
        ProxyError("proxy_failed", "z"),
    )
    assert few_files.instead(found).code == "proxy_out_of_files" and few_files.is_cause(found)


@pytest.mark.parametrize("cause", [OSError(errno.ENOENT, "No such file"), ValueError("x")])
def test_another_error_is_left_as_it_is(cause: BaseException) -> None:
    found = raised(cause, LoginError("login_unreadable", "x"))
    assert few_files.instead(found) is found


def test_what_happens_thousands_of_times_is_said_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rarely = few_files.RateLimitedLog(60)
    with caplog.at_level(logging.WARNING):
        for _ in range(11_312):
            rarely.say("few", now=0.0)
        rarely.say("few", now=61.0)
    assert [record.getMessage() for record in caplog.records] == [
        "few",
        "few (11311 more times since the last such line)",
    ]
