from typing import Any

import msgspec
import pytest

from codex_proxy.outcome import MARKS, Original, Outcome, Tokens, integer


@pytest.mark.parametrize(
    "name, value",
    [("accept", "a, b"), ("host", "h"), ("cookie", ""), ("Accept", "")],
    ids=["joined", "one", "none", "in lower case"],
)
def test_a_header_of_the_original_is_found_in_any_case_of_letters(name: str, value: str) -> None:
    original = Original(headers=[("Accept", "a"), ("HOST", "h"), ("ACCEPT", "b")])
    assert original.header(name) == value


def test_tokens_are_told_in_a_line_and_as_json() -> None:
    tokens = Tokens(input=1, cached=2, output=3, reasoning=4)
    assert tokens.line() == "tokens in 1 (cached 2) out 3 (reasoning 4)"
    assert msgspec.to_builtins(tokens) == {"in": 1, "cached": 2, "out": 3, "reasoning": 4}


@pytest.mark.parametrize(
    "refused, error, problem", [("", "", ""), ("r", "", "r"), ("", "e", "e"), ("r", "e", "r")]
)  # fmt: skip
def test_what_the_proxy_refused_is_told_before_what_the_backend_did(refused: str, error: str, problem: str) -> None:
    assert Outcome(refused=refused, error=error).problem == problem


def test_the_first_piece_and_the_last_are_kept() -> None:
    outcome = Outcome(sent_at=1.0)
    for now in (2.0, 3.0, 4.0):
        outcome.heard(now)
    assert (outcome.first_at, outcome.heard_at) == (2.0, 4.0)


@pytest.mark.parametrize(
    "sent_at, now, mark",
    [(10.0, 10.5, (7, 500)), (10.0, 10.0004, (7, 0)), (None, 10.5, (7, 0))],
)
def test_a_mark_is_a_place_and_milliseconds_since_it_was_sent(
    sent_at: float | None, now: float, mark: tuple[int, int]
) -> None:
    outcome = Outcome(sent_at=sent_at)
    outcome.mark(7, now)
    assert outcome.marks == [mark]


def test_of_many_marks_every_second_one_is_dropped_and_the_order_stays() -> None:
    outcome = Outcome(sent_at=1.0)
    for number in range(10 * MARKS):
        outcome.mark(number, 1.0 + number)
    assert MARKS // 2 <= len(outcome.marks) <= MARKS
    assert outcome.marks == sorted(outcome.marks)
    assert (outcome.marks[0], outcome.marks[-1]) == ((0, 0), (10 * MARKS - 1, 1000 * (10 * MARKS - 1)))


@pytest.mark.parametrize("value, count", [(3, 3), (0, 0), (None, 0), ("3", 0), (1.5, 0), ([], 0), ({}, 0)])
def test_a_count_that_is_no_number_is_none(value: Any, count: int) -> None:
    assert integer(value) == count
