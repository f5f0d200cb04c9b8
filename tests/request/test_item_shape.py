import json
from typing import Any

import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.request.item_shape import look


def looked(item: Any) -> Any:
    return look(msgspec.Raw(json.dumps(item).encode()))


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"type": "function_call", "role": "user"}, "function_call"),
        ({"role": "user", "content": "x"}, "message"),
        ({"id": "msg_1"}, "item_reference"),
        ({}, ""),
    ],
)
def test_an_item_without_a_type_is_known_by_its_keys(item: Any, kind: str) -> None:
    assert looked(item).kind == kind


@pytest.mark.parametrize("item", ["text", 1, None, [], {"type": 5}, {"encrypted_content": 5}, {"call_id": {}}])
def test_what_no_rule_knows_is_none(item: Any) -> None:
    assert looked(item) is None


@pytest.mark.parametrize(("content", "is_it"), [("x", True), ("", False), (None, False)])
def test_reasoning_is_encrypted_where_it_has_content(content: Any, is_it: bool) -> None:
    assert looked({"type": "reasoning", "encrypted_content": content}).is_encrypted is is_it


def test_the_keys_of_an_item_are_bounded() -> None:
    with pytest.raises(ProxyError) as e:
        looked({f"k{n}": n for n in range(1001)})
    assert e.value.code == "too_much"
