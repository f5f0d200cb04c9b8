import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.views.difference import LINE, LINES, body_lines, parts, request_lines, unified

from ..properties import examples

NAMES = ("sent", "went up")


def both(before: object, after: object) -> str:
    return unified(body_lines(json.dumps(before)), body_lines(json.dumps(after)), NAMES)


def test_a_request_is_its_head_by_name_and_its_body_as_json() -> None:
    assert request_lines("POST", "/v1", [["Accept-Encoding", "c"], ["User-Agent", "a"], ["Accept", "b"]], '{"x":[1]}') == [
        "POST /v1", "accept: b", "accept-encoding: c", "user-agent: a", "", "{", ' "x": [', "  1", " ]", "}",
    ]  # fmt: skip


def test_values_stay_as_they_were_written() -> None:
    assert body_lines('{"a":1e3,"b":"\\u00fc","c":1.0}') == ["{", ' "a": 1e3', ' "b": "\\u00fc"', ' "c": 1.0', "}"]


@pytest.mark.parametrize("body", ["", "no json", "{", '{"a":1}x', "two\nlines", "\ud800"])
def test_what_is_no_json_stays_as_lines(body: str) -> None:
    assert body_lines(body) == body.splitlines()


def test_what_is_alike_has_no_difference() -> None:
    assert both({"a": [1, 2]}, {"a": [1, 2]}) == ""


def test_a_field_that_was_taken_off_and_one_that_was_put_on() -> None:
    assert both({"a": 1, "b": 2, "c": 3, "d": 4}, {"a": 1, "b": 2, "d": 4, "e": 5}).splitlines() == [
        "--- sent",
        "+++ went up",
        "@@ -2 +2 @@",
        '  "a": 1',
        '  "b": 2',
        '- "c": 3',
        '  "d": 4',
        '+ "e": 5',
        " }",
    ]


def test_lines_are_compared_inside_an_item_that_was_changed() -> None:
    before = {"input": [{"role": "system", "content": "x"}, {"role": "user", "content": "y"}]}
    after = {"input": [{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]}
    assert [line for line in both(before, after).splitlines() if line[0] in "-+"][2:] == [
        '-   "role": "system"',
        '+   "role": "developer"',
    ]


def test_items_behind_one_that_was_taken_off_are_known_again() -> None:
    items = [{"role": "user", "content": f"{number}"} for number in range(100)]
    told = both({"input": items}, {"input": items[:40] + items[45:]})
    assert sum(line.startswith("-") for line in told.splitlines()) == 5 * 4 + 1
    assert sum(line.startswith("+") for line in told.splitlines()) == 1  # the head: `+++`


def test_far_apart_changes_are_hunks_of_their_own() -> None:
    before = [str(number) for number in range(20)]
    after = ["x", *before[1:18], "y", "19"]
    assert unified(before, after, NAMES).splitlines()[2:] == [
        "@@ -1 +1 @@", "-0", "+x", " 1", " 2", "@@ -17 +17 @@", " 16", " 17", "-18", "+y", " 19",
    ]  # fmt: skip


def test_a_long_difference_is_cut_and_says_so() -> None:
    told = unified(["a"], [f"{number}" for number in range(3 * LINES)], NAMES).splitlines()
    assert len(told) == LINES + 3 and told[-1] == "… more is left out …"


def test_a_long_line_is_cut_and_says_so() -> None:
    told = unified(["a"], ["x" * (LINE + 500)], NAMES).splitlines()
    assert told[-1] == "+" + "x" * (LINE - 1) + " … 501 characters more …"


LINE_TEXTS = st.lists(st.sampled_from(["{", " a", " b", "  {", "   x", "   y", "  }", " ]", "}", ""]), max_size=40)


@given(LINE_TEXTS, LINE_TEXTS, st.integers(0, 3))
@examples(300)
def test_both_requests_are_in_the_difference_whole(before: list[str], after: list[str], context: int) -> None:
    whole = unified(before, after, NAMES, context=1000).splitlines()[3:]
    if before != after:
        assert [line[1:] for line in whole if line[0] in " -"] == before
        assert [line[1:] for line in whole if line[0] in " +"] == after
    told = unified(before, after, NAMES, context).splitlines()[2:]
    changed = [line for line in whole if line[0] in "-+"]
    assert [line for line in told if line[0] in "-+"] == changed
    for header in (line for line in told if line.startswith("@@")):
        start, first = header.split()[1], told[told.index(header) + 1]
        if first[0] in " -":
            assert before[-int(start) - 1] == first[1:]


@given(LINE_TEXTS)
@examples(100)
def test_parts_hold_every_line_once(lines: list[str]) -> None:
    assert [line for part in parts(lines) for line in part] == lines
