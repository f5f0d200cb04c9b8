from typing import Any

import msgspec
import pytest

from codex_proxy.raw_json import ABSENT, encoded, first, text, value

NOT_GIVEN: Any = None


@pytest.mark.parametrize(
    "json, kind, decoded, as_text",
    [
        (b'"a \\u00e9"', b'"', "a é", "a é"),
        (b'""', b'"', "", ""),
        (b"{}", b"{", {}, ""),
        (b"[1,2]", b"[", [1, 2], ""),
        (b"null", b"n", None, ""),
        (b"true", b"t", True, ""),
        (b"false", b"f", False, ""),
        (b"1e3", b"1", 1000.0, ""),
        (b"-1", b"-", -1, ""),
        (b"", b"", NOT_GIVEN, ""),
    ],
)
def test_a_raw_value_tells_its_type_and_value(json: bytes, kind: bytes, decoded: Any, as_text: str) -> None:
    raw = msgspec.Raw(json)
    assert (first(raw), value(raw), text(raw)) == (kind, decoded, as_text)


def test_an_absent_value_is_not_null() -> None:
    assert first(ABSENT) == b""
    assert first(msgspec.Raw(b"null")) == b"n"


def test_what_is_encoded_is_compact_json_that_says_the_same() -> None:
    assert bytes(encoded({"a": ["é", None, 1]})) == '{"a":["é",null,1]}'.encode()
