import subprocess
import sys

import pytest

from codex_proxy.front import caller

ONE = {"authorization": "Bearer one"}


def test_the_same_credentials_are_the_same_caller() -> None:
    assert caller.name(ONE) == caller.name({**ONE, "user-agent": "x", "cookie": "y"})


@pytest.mark.parametrize(
    "other",
    [{}, {"authorization": "Bearer two"}, {"x-api-key": "Bearer one"}, {"api-key": "Bearer one"}, {**ONE, "x-api-key": "k"}],
)  # fmt: skip
def test_others_are_others(other: dict[str, str]) -> None:
    assert caller.name(other) != caller.name(ONE)


def test_a_name_says_nothing_of_the_credentials_and_is_another_after_a_start() -> None:
    again = subprocess.run(
        [
            sys.executable,
            "-c",
            "from codex_proxy.front import caller; print(caller.name({'authorization': 'Bearer one'}))",
        ],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert len(caller.name(ONE)) == 16 and again.stdout.strip() != caller.name(ONE)


def test_credentials_of_odd_bytes_have_a_name_too() -> None:
    assert caller.name({"authorization": "Bearer \udcff"}) != caller.name(ONE)
