import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.printable import UNSAFE, in_json, lines, printable, whole

from .properties import examples

ANY = st.text(st.characters(codec=None), max_size=30)


@given(ANY)
@examples(300)
def test_any_text_becomes_one_line_that_is_printed(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() and len(shown.splitlines()) <= 1


@given(ANY)
@examples(300)
def test_any_text_of_several_lines_has_nothing_a_terminal_follows(text: str) -> None:
    shown = lines(text)
    assert not UNSAFE.search(shown) and shown.count("\n") == text.count("\n")
    assert UNSAFE.search(text) or shown == text


@given(ANY)
@examples(300)
def test_any_text_can_be_written_as_utf_8(text: str) -> None:
    assert whole(text).encode().decode() == whole(text)


@given(ANY)
@examples(300)
def test_json_keeps_its_meaning(text: str) -> None:
    shown = in_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert not UNSAFE.search(shown) and json.loads(shown) == {text: [text]}


@pytest.mark.parametrize(
    "text, shown",
    [
        ("gpt-6-sol", "gpt-6-sol"),
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x7fb", "a\\x7fb"),
        ("\u202egnp", "\\u202egnp"),
        ("\u2066x", "\\u2066x"),
        ("a\u2028b\u2029c\u0085d", "a\\u2028b\\u2029c\\x85d"),
        ("\ud83d", "\\ud83d"),
        ("\udcff", "\\xff"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("naïve → 模型", "naïve → 模型"),
    ],
)
def test_what_is_not_seen_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
