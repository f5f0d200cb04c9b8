import pytest

from codex_proxy.changes import LONGEST, MOST, Change, merged, put, taken_off


def test_what_is_taken_off_reads_as_a_minus_in_the_log_line() -> None:
    assert taken_off("top_p", "refused") == Change("top_p", "taken off", "refused", "-top_p")


def test_what_is_put_in_is_told_with_the_field_in_the_log_line() -> None:
    assert put("store", "set to false", "must") == Change("store", "set to false", "must", "store set to false")


A, B = taken_off("a", "why"), put("b", "set", "why")


@pytest.mark.parametrize(
    "changes, told",
    [
        ([], []),
        ([A], ["-a"]),
        ([A, B], ["-a", "b set"]),
        ([A, A], ["-a (x2)"]),
        ([B, A, B, A, B], ["b set (x3)", "-a (x2)"]),
    ],
)
def test_the_same_change_is_told_once_with_a_count(changes: list[Change], told: list[str]) -> None:
    assert [change.short for change in merged(changes)] == told


def test_the_count_stands_in_the_sentence_as_well() -> None:
    assert merged([A, A]) == [Change("a", "taken off (x2)", "why", "-a (x2)")]


def test_changes_with_other_reasons_are_counted_apart() -> None:
    assert merged([A, taken_off("a", "another")]) == [A, taken_off("a", "another")]


def test_a_clients_words_are_told_up_to_a_length() -> None:
    for change in (taken_off("k" * 1_000_000, "why"), put("model", "m" * 1_000_000, "why")):
        assert max(map(len, change)) <= 2 * LONGEST and "…" in change.short


def test_of_very_many_different_changes_some_are_told() -> None:
    told = merged([*(taken_off(f"k{n}", "why") for n in range(10_000)), *[taken_off("k1", "why")] * 3])
    assert len(told) == MOST + 1
    assert (told[1].short, told[-1].short) == ("-k1 (x4)", f"request {10_000 - MOST} more changes")
