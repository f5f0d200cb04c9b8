from collections.abc import Callable

import msgspec
import pytest

from codex_proxy import bounds
from codex_proxy.errors import ProxyError


def many(what: bytes, number: int) -> bytes:
    return b"[" + b",".join([what] * number) + b"]"


# More than is counted, so that texts with commas and quotes in them are told from values.
TEXT = b'"a, b, \\", \\\\"'

COUNTED = {
    "numbers": (many(b"123456", bounds.VALUES + 2), "more than 200,000 values"),
    "objects": (many(b'{"a":1}', bounds.VALUES + 2), "more than 200,000 values"),
    "behind texts": (b"[" + TEXT + b"," + many(b'"xyz"', bounds.VALUES + 2) + b"]", "more than 200,000 values"),
    "backslashes at the ends": (many(b'"a\\\\"', bounds.VALUES + 2), "more than 200,000 values"),
    "escapes": (b'["' + b"\\n" * (bounds.ESCAPES + 1) + b'"]', "more than 2,000,000 escapes"),
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_holds_too_much_is_refused_before_it_is_decoded(name: str) -> None:
    data, told = COUNTED[name]
    with pytest.raises(ProxyError) as e:
        bounds.check_size(data)
    assert (e.value.status, e.value.code) == (400, "too_much") and told in e.value.message


FINE = {
    "commas of texts": many(TEXT, 150_000),
    "a long run of backslashes": b'["' + b"\\\\" * 900_000 + b'","' + b"," * 300_000 + b'"]',
    "an image": b'{"image_url":"' + b"A" * (8 << 20) + b'"}',
    "one comma": b"[" + b" " * (2 << 20) + b"1,2]",
}


@pytest.mark.parametrize("name", FINE)
def test_texts_may_be_long_and_hold_what_they_like(name: str) -> None:
    assert len(FINE[name]) > bounds.UNCOUNTED
    bounds.check_size(FINE[name])


@pytest.mark.parametrize("end", range(12))
def test_a_piece_may_end_anywhere(end: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'["' + b"x" * end + b'\\\\\\"\\\\",' + b'"\\"","\\\\","' + b"\\\\" * 20 + b'",1,2,"]"]'
    monkeypatch.setattr(bounds, "PIECE", 7)
    assert bounds._values(data) + 1 == len(msgspec.json.decode(data))


FIELDS: list[tuple[Callable[[], dict[str, str]], str]] = [
    (lambda: {f"k{n}": "" for n in range(bounds.FIELDS + 1)}, "has 1,001 fields; at most 1,000 are accepted"),
    (lambda: {"model": "m" * 1_000_000}, "`model` has 1,000,002 bytes; at most 512 are accepted"),
    (lambda: {"prompt_cache_key": "m" * 5000}, "`prompt_cache_key` has 5,002 bytes"),
]


@pytest.mark.parametrize(("body", "told"), FIELDS)
def test_fields_are_bounded(body: Callable[[], dict[str, str]], told: str) -> None:
    with pytest.raises(ProxyError) as e:
        bounds.check_fields({name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body().items()})
    assert told in e.value.message


def test_as_many_as_are_taken_are_taken() -> None:
    bounds.check_count("tools", [1, 2], 2)
    with pytest.raises(ProxyError, match="There are 3 tools; at most 2 are accepted"):
        bounds.check_count("tools", 3, 2)
