import json

import pytest

from codex_proxy import bounds
from codex_proxy.errors import ProxyError
from codex_proxy.request import opening
from codex_proxy.websocket import turns


@pytest.mark.parametrize("read", [opening.opened, turns.read])
def test_what_comes_over_either_transport_is_of_one_meaning_and_within_bounds(read: object) -> None:
    assert callable(read)
    for body, code in (
        (b'{"type":"response.create","model":"m","type":"x"}', "duplicate_key"),
        (b'{"type":"x","model":"m","typ\\u0065":"response.create"}', "duplicate_key"),
        (b'{"response":{"model":"m","model":"n"}}', "duplicate_key"),
        (json.dumps({f"k{n}": 1 for n in range(bounds.FIELDS + 1)}).encode(), "too_much"),
        (json.dumps({"model": "m" * 1000}).encode(), "too_much"),
        (b'{"model":"\xff"}', "invalid_json"),
        (b"[]", "not_an_object"),
        (b" ", "empty_body"),
    ):
        with pytest.raises(ProxyError) as e:
            read(body)
        assert (e.value.status, e.value.code) == (400, code)


def test_a_body_with_half_a_character_is_looked_at_as_it_is_mended() -> None:
    with pytest.raises(ProxyError, match="occurs twice"):
        opening.opened(b'{"a":"\\ud83d","b":1,"b":2}')
    assert bytes(opening.opened(b'{"a":"\\ud83d"}')["a"]) == b'"\\ufffd"'
