import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codex_proxy.output.redact import redact
from codex_proxy.views.layout import WIDTH, block, bounded, clip, count, hidden, one_line, size, table, wrapped

from ..properties import examples

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"

NUMBERS = [
    (0, "0 B"),
    (999, "999 B"),
    (1000, "1.0 kB"),
    (9949, "9.9 kB"),
    (402_123, "402 kB"),
    (999_500, "1.0 MB"),
    (5e6, "5.0 MB"),
]


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_sizes_have_two_or_three_digits(number: int, text: str) -> None:
    assert size(int(number)) == text


def test_counts_know_one_from_many() -> None:
    assert [count(n, "item") for n in (0, 1, 2041)] == ["0 items", "1 item", "2,041 items"]


BLOCKS = [
    ("a\nb", "t: |\n  a\n  b"),
    ("a\r\nb\rc", "t: |\n  a\n  b\n  c"),
    ("a\n\nb\n", "t: |\n  a\n\n  b"),
    ("  a", "t: |2\n    a"),
    ("", 't: ""'),
    (" \n", 't: ""'),
]


@pytest.mark.parametrize(("text", "shown"), BLOCKS)
def test_a_text_becomes_a_block_of_yaml(text: str, shown: str) -> None:
    assert block("t", text) == shown
    if text.strip():
        assert YAML(typ="safe", pure=True).load(shown)["t"] == text.replace("\r\n", "\n").replace("\r", "\n").rstrip(
            "\n"
        )


def test_a_note_stands_behind_the_title_in_one_line() -> None:
    assert block("t", "a", "b\nc") == "t: |  # b c\n  a" and block("t", "", "b") == 't: ""  # b'


def test_a_text_in_one_line_has_no_line_ends() -> None:
    assert one_line("a\n  b\tc") == "a b c"
    assert len(one_line("word " * 100)) < 150


def test_the_columns_of_a_table_stand_below_each_other() -> None:
    assert table([["a", "bb", "c"], ["aaa", "b", ""]]) == "a    bb  c\naaa  b"


def test_of_a_long_text_beginning_and_end_are_left() -> None:
    text = "".join(f"{n} " for n in range(1000))
    assert clip(text, len(text)) == text
    short = clip(text, 400)
    assert short.startswith("0 1 2 ") and short.endswith(" 999 ") and " characters left out …\n" in short
    assert len(short) < 450


def test_sections_stand_one_below_the_other_and_are_bounded() -> None:
    assert bounded(["a", "", "b"]) == "a\n\nb\n"
    assert len(bounded(["word " * 1000] * 100, 1000)) <= 1000


@pytest.mark.parametrize(
    "text", [SECRET, f'"\\n{SECRET}"', f'"{{\\"a\\": \\"\\\\n{SECRET}\\"}}"', f'"\\u000a{SECRET}"']
)
def test_a_token_is_hidden_in_text_and_in_json_and_in_json_in_json(text: str) -> None:
    assert "abcdefghijkl" in text and "abcdefghijkl" not in hidden(text)


@pytest.mark.parametrize("limit", [100, 1000])
@pytest.mark.parametrize("at", range(0, 2000, 53))
def test_no_part_of_a_token_is_left_where_a_text_is_cut(limit: int, at: int) -> None:
    text = ("w " * 1000)[:at] + " " + SECRET + " " + ("v " * 1000)[at:]
    short = bounded([clip(text, limit)])
    assert not [n for n in range(9, len(SECRET) - 12) if SECRET[n : n + 12] in short]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("short", ["short"]),
        ("a" * WIDTH, ["a" * WIDTH]),
        ("word " * 30, ["word " * 13 + "word", "word " * 13 + "word", "word word"]),
        ("x" * 300, ["x" * 300]),
        ("a " + "x" * 300 + " b", ["a", "x" * 300, "b"]),
        ("one\n\n" + "two " * 30, ["one", "", ("two " * 18).rstrip(), ("two " * 12).rstrip()]),
        ("- " + "word " * 20, ["- " + "word " * 13 + "word", "word " * 5 + "word"]),
        (" " * 300, [""]),
        ("wörter 完 " * 12, ["wörter 完 " * 7 + "wörter 完", "wörter 完 " * 3 + "wörter 完"]),
    ],
)
def test_long_lines_are_broken_where_there_is_space(text: str, rows: list[str]) -> None:
    assert wrapped(text).split("\n") == rows


@pytest.mark.parametrize("before", ["bearer", "Bearer", "BASIC"])
@pytest.mark.parametrize("filled", range(WIDTH - 20, WIDTH + 2))
def test_no_line_is_broken_inside_a_credential(before: str, filled: int) -> None:
    text = f"{'a ' * (filled // 2)}{before} o1paque-value-without-a-form {SECRET} and more"
    assert redact(wrapped(text)).split() == redact(text).split()


@given(st.text(st.sampled_from("ab \t\nbearer完-"), max_size=400))
@examples(200)
def test_nothing_but_space_is_lost(text: str) -> None:
    assert wrapped(text).split() == text.split()
    assert all(len(row) <= WIDTH or " " not in row.partition(" ")[2] for row in wrapped(text).split("\n"))


def test_nothing_that_is_shown_drives_a_terminal() -> None:
    assert hidden("a\x1b[31m\r\nb\x9b\u202e\ud800 \\n") == "a\\x1b[31m\nb\\x9b\\u202e\\ud800 \\n"
