import pytest

from codex_proxy import clock

NOW = 1_795_518_000.0  # 2026-11-24 11:00 UTC


@pytest.mark.parametrize(
    "date, ahead",
    [
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 10:58:01 GMT", 0.0),
        ("Tue, 24 Nov 2026 08:00:00 GMT", 10800.0),
        ("Tue, 24 Nov 2026 08:00:00", 10800.0),
        ("Tue, 24 Nov 2026 14:00:00 +0000", -10800.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", NOW),
        ("", None),
        ("soon", None),
        ("Tue, 99 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_how_far_the_clock_is_ahead_is_known_from_a_date(date: str, ahead: float | None) -> None:
    assert clock.ahead(date, NOW) == ahead


@pytest.mark.parametrize(
    "ahead, words",
    [(10800, "3 hours ahead"), (-10800, "3 hours behind"), (86400 * 400, "400 days ahead"), (-300, "5 minutes behind")],
)
def test_a_wrong_clock_is_told_as_one(ahead: float, words: str) -> None:
    assert clock.describe(ahead) == f"This machine's clock is {words}: set it."


@pytest.mark.parametrize(
    "message, is_time",
    [
        ("Certificate verify failed: certificate is not yet valid", True),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1028)", True),
        ("Certificate verify failed: self-signed certificate", False),
        ("Connect call failed", False),
    ],
)
def test_a_certificate_of_another_time_is_told_with_the_clock(message: str, is_time: bool) -> None:
    doubt = clock.doubt(message, NOW)
    assert doubt == (
        "By this machine's clock it is 2026-11-24 11:00 UTC: if that is wrong, set the clock." if is_time else ""
    )
