import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings

from codex_proxy.views.shortened import Shortener, binary, line, objects, parsed, pretty

from ..examples import JSON

PICTURE = "data:image/png;base64," + base64.b64encode(b"x" * 45_000).decode()


def test_binary_is_told_by_its_form() -> None:
    assert binary("data:image/png;base64,AAAA") == ("image/png", 3)
    assert binary("data:audio/wav;codecs=1;base64,AAAA") == ("audio/wav", 3)
    assert binary("A" * 800) == ("base64", 600)
    assert binary("word " * 200) is None and binary("AAAA") is None


def test_neither_base64_nor_encrypted_content_is_shown_in_full() -> None:
    text = pretty([{"image_url": PICTURE}, {"encrypted_content": "gAAAAB" + "y" * 1000}])
    assert '"image_url": "data:image/png;base64,eH… (image/png, 45 kB)"' in text
    assert '"encrypted_content": "gAAAAByyyyyyyyyy… (1,006 characters)"' in text


def test_a_value_in_one_line_has_no_line_ends() -> None:
    assert line("a\n  b\tc") == "a b c" and line({"a": "b\nc"}) == '{"a": "b\\nc"}'
    assert len(line("word " * 100)) < 150


def test_large_values_are_cut_short_at_every_level() -> None:
    nested: Any = "end"
    for _ in range(200):
        nested = [nested]
    assert "end" not in pretty(nested) and "…" in pretty(nested)
    assert "more …" in pretty(list(range(100_000))) and len(pretty(list(range(100_000)))) < 50_000
    assert "more" in pretty({str(n): n for n in range(100_000)})
    assert len(pretty(["word " * 1000] * 1000, 10_000)) < 300_000
    assert json.loads(pretty([1 << 70, -(1 << 70), 10**400, 1 << 63])) == [2.0**70, -(2.0**70), "…", 2.0**63]


@pytest.mark.parametrize(
    ("value", "text"), [([1, "a"], '[1, "a"]'), ({"a": "b" * 100}, '{\n  "a": "' + "b" * 100 + '"\n}')]
)
def test_what_is_short_stands_in_one_line(value: Any, text: str) -> None:
    assert pretty(value) == text


@pytest.mark.parametrize("text", ["", "{", "\ud800", '"\\ud800"', "[" * 5000])
def test_what_is_no_json_has_no_value(text: str) -> None:
    assert parsed(text) is None
    assert parsed('{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("value", [None, "x", 3, {"a": {}}, [None, 3, [{}]]])
def test_what_is_no_list_of_objects_holds_none(value: Any) -> None:
    assert objects(value) == []
    assert objects([value, {"a": 1}]) == [one for one in (value, {"a": 1}) if isinstance(one, dict)]


@settings(deadline=None)
@given(JSON)
def test_what_is_short_stays_as_it_is(value: Any) -> None:
    shown = Shortener()(value)
    assert shown == value or "…" in str(shown)
