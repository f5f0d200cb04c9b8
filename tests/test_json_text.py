from typing import Any

import pytest

from codex_proxy.json_text import DEEPEST, NotJson, decode, is_deeper


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"\xff\xfe\x00",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b"1" * 10_000,
        "[\ud800]",
    ],
    ids=["empty", "half", "not utf-8", "half utf-16", "deep", "deep and half", "a little too deep", "a huge number", "half a character"],
)  # fmt: skip
def test_whatever_is_wrong_it_is_refused_in_one_way(data: bytes | str) -> None:
    with pytest.raises(NotJson):
        decode(data)


@pytest.mark.parametrize(
    "data, value",
    [
        (b"null", None),
        (b'{"a": [1, {"b": "\\ud800"}]}', {"a": [1, {"b": "\ud800"}]}),
        ("[" * 50 + "]" * 50, None),
        (b"\xef\xbb\xbf{}", {}),
    ],
    ids=["null", "half a character", "nested", "with a mark in front"],
)
def test_everything_else_is_decoded(data: bytes | str, value: Any) -> None:
    decoded = decode(data)
    assert decoded == value or value is None


@pytest.mark.parametrize(
    "value, deep", [(1, False), ([], False), ([[]], False), ([[[]]], True), ({"a": {"b": [1]}}, True)]
)
def test_depth_is_lists_and_objects_inside_each_other(value: Any, deep: bool) -> None:
    assert is_deeper(value, 2) is deep
