r"""JSON of two meanings does not go up, at whatever depth; JSON of one goes up as it is."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.errors import ProxyError
from codex_proxy.request import one_meaning
from codex_proxy.request.body_rules import PatchOptions, patch
from codex_proxy.request.opening import opened

from ..properties import examples

LONG = "x" * (one_meaning.SMALL + 1)
BESIDE = f',"z":"{LONG}"'

# What stands twice; LONG makes it an object of the kind whose texts are skipped.
TWICE = [
    ('{"type":"a","type":"b"}', "type"),
    ('{"model":"a","x":1,"model":"a"}', "model"),
    (r'{"type":"a","typ\u0065":"b"}', "type"),
    (r'{"typ\u0065":"a","type":"b"}', "type"),
    ('{"a":1,"b":2,"b":3,"c":4}', "b"),
    ('{"a":12,"a":1}', "a"),
    ('{"a":1,"a":12}', "a"),
    ('{ "a" : 1 ,\n "a"\t: 2 }', "a"),
    ('{"":1,"":2}', ""),
    ('{"a":{"b":[{"c":1,"c":1}]}}', "c"),
    ('{"a":[[[[[[[[[[{"c":"\\u00e9","c":1}]]]]]]]]]]}', "c"),
    ('{"a":1e400,"b":{"c":1,"c":2}}', "c"),
    ('{"a":{"c":123456789012345678901234567890,"c":2}}', "c"),
    (r'{"a<":1,"a\u003c":2}', "a<"),
    (r'{"input":[{"text":"a \u003c b"},{"text":1,"text":"\u003e"}]}', "text"),
    ('{"input": [{"role": "user", "role": "system"}]}', "role"),
    ('{"é":1,"\\u00e9":2}', "é"),
]


@pytest.mark.parametrize(("text", "key"), TWICE)
@pytest.mark.parametrize("wrap", ["{}", '{{"a":{}' + BESIDE.replace("{", "{{") + "}}", '{{"a":[{},"' + LONG + '"]}}'])
def test_a_key_that_stands_twice_is_refused_wherever_it_stands(text: str, key: str, wrap: str) -> None:
    for body in (wrap.format(text), wrap.format(text[:-1] + BESIDE + "}")):
        with pytest.raises(ProxyError) as e:
            opened(body.encode())
        assert (e.value.status, e.value.code) == (400, "duplicate_key")
        assert f"The key {json.dumps(key)} occurs twice" in e.value.message


ONCE = [
    "{}",
    " { } ",
    '{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}',
    r'{"typ\u0065":1,"x\\":2,"x\"":3,"x":4}',
    '{"Type":1,"type":2}',
    '{"a" : 1e400 , "b":-0, "c":1E5,"d":0.10,"e":12345678901234567890123,"f":' + "9" * 5000 + "}",
    r'{"a":"\u003c\u003e\u0026\u2028\/\u00e9 \ud83d\ude00","b":"\\u003c"}',
    '{"a":"{\\"a\\":1,\\"a\\":2}"}',
    '{"é":"ü","":{"":1}}',
]


@pytest.mark.parametrize("text", ONCE)
@pytest.mark.parametrize("wrap", ["{}", '{{"a":{}' + BESIDE + "}}", '{{"a":[{},"' + LONG + '"]}}'])
def test_what_has_one_meaning_passes(text: str, wrap: str) -> None:
    opened(wrap.format(text).encode())
    if text.strip(" {}"):
        opened(wrap.format(text[:-1] + BESIDE + "}").encode())


NOT_JSON = {
    "no UTF-8": b'{"a":"\xff"}',
    "no UTF-8 in a long text": b'{"a":"' + LONG.encode() + b'\xff"}',
    "half a character of UTF-8": b'{"a":"' + LONG.encode() + b'\xe2\x82"}',
    "surrogates in UTF-8": b'{"a":"\xed\xa0\xbd"}',
    "too long a form": b'{"a":"\xc0\xaf"}',
    "no UTF-8 in a key": b'{"\xff":1}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "UTF-32": '{"a":1}'.encode("utf-32-le"),
    "two documents": b'{"a":1}{"a":2}',
    "something behind": b'{"a":1} x',
    "NUL behind": b'{"a":1}\x00',
    "NUL inside": b'{"a":"\x00"}',
    "line end in a text": b'{"a":"\n"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":[-Infinity]}',
    "comment": b'{"a":1/* "a":2 */}',
    "comma at the end": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "zero in front": b'{"a":01}',
    "100,000 levels": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_another_reader_may_take_for_something_is_refused(name: str) -> None:
    with pytest.raises(ProxyError) as e:
        opened(NOT_JSON[name])
    assert (e.value.status, e.value.code) == (400, "invalid_json")


def test_what_is_long_is_gone_down_so_far_only() -> None:
    deep = '{"a":' * 20 + f'"{LONG}"' + "}" * 20
    with pytest.raises(ProxyError, match="more than 16 levels deep") as e:
        opened(deep.encode())
    assert e.value.code == "too_much"
    opened(('{"a":' * 10 + f'"{LONG}"' + "}" * 10).encode())


NAMES = st.sampled_from(["a", "b", "type", "é", '"', "\\", "", "<"])
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(NAMES, v, max_size=4), max_leaves=20)


class Writer:
    """JSON as somebody may write it: with spaces, escapes, and one key once more where there is an object for it."""

    def __init__(self, draw: Any, twice: bool) -> None:
        self.draw, self.twice, self.is_twice = draw, twice, False

    def space(self) -> str:
        return str(self.draw(st.sampled_from(["", "", " ", "\n\t"])))

    def text(self, text: str) -> str:
        if self.draw(st.booleans()):
            return json.dumps(text)
        return '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else json.dumps(c)[1:-1] for c in text) + '"'

    def value(self, value: Any) -> str:
        if isinstance(value, dict):
            pairs = [(key, each) for key, each in value.items()]
            if pairs and self.twice and self.draw(st.booleans()):
                self.is_twice = True
                again = self.draw(st.sampled_from(pairs))[0], self.draw(LEAVES)
                pairs.insert(self.draw(st.integers(0, len(pairs))), again)
            inner = [self.space() + self.text(key) + self.space() + ":" + self.value(each) for key, each in pairs]
            return self.space() + "{" + ",".join(inner) + self.space() + "}"
        if isinstance(value, list):
            return self.space() + "[" + ",".join(self.value(each) for each in value) + self.space() + "]"
        return self.space() + (self.text(value) if isinstance(value, str) else json.dumps(value)) + self.space()


def has_one_meaning(data: bytes) -> bool:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    try:
        json.loads(data, object_pairs_hook=once)
    except AssertionError:
        return False
    return True


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), st.booleans(), st.booleans(), st.data())
@examples(400)
def test_a_body_is_refused_if_and_only_if_it_has_a_key_twice(body: Any, twice: bool, is_long: bool, data: Any) -> None:
    writer = Writer(data.draw, twice)
    text = writer.value({**body, "long": LONG} if is_long else body).encode()
    assert has_one_meaning(text) == (not writer.is_twice)
    try:
        opened(text)
    except ProxyError as e:
        assert e.code == "duplicate_key" and writer.is_twice
    else:
        assert not writer.is_twice


PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "input": lambda v: {"input": [{"type": "message", "role": "user", "content": [{"type": "text", "text": "x", "more": v}]}]},
    "item": lambda v: {"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": v}, {"type": "function_call_output", "call_id": "c", "output": "x"}]},
    "tools": lambda v: {"tools": [{"type": "function", "function": {"name": "f", "parameters": v}}], "input": "x"},
    "text": lambda v: {"text": {"format": v}, "reasoning": {"effort": "minimal", "more": v}, "input": "x"},
    "metadata": lambda v: {"metadata": v, "client_metadata": v, "unknown": v, "input": "x"},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("full", [True, False])
@given(VALUES, st.data())
@examples(60)
def test_nothing_that_goes_up_has_a_key_twice(place: str, full: bool, value: Any, data: Any) -> None:
    text = Writer(data.draw, True).value({"model": "gpt-6-sol", **PLACES[place](value)}).encode()
    try:
        sent = patch(text, PatchOptions(full=full)).body or text
    except ProxyError as e:
        assert e.code in ("duplicate_key", "invalid_json")
    else:
        assert has_one_meaning(sent)
