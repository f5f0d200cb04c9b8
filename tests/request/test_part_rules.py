import json
from typing import Any

import msgspec
import pytest

from codex_proxy.request.part_rules import put_right

TABLE: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]], list[str]]] = [
    ("assistant", [{"type": "input_text", "text": "a"}], [{"type": "output_text", "text": "a"}], ["content of assistant input_text → output_text"]),
    ("assistant", [{"type": "text", "text": "a"}], [{"type": "output_text", "text": "a"}], ["content of assistant text → output_text"]),
    ("user", [{"type": "output_text", "text": "a"}], [{"type": "input_text", "text": "a"}], ["content of user output_text → input_text"]),
    ("developer", [{"type": "text", "text": "a"}], [{"type": "input_text", "text": "a"}], ["content of developer text → input_text"]),
    ("assistant", [{"type": "output_text", "text": "a", "parsed": {}}], [{"type": "output_text", "text": "a"}], ["-parsed of content"]),
]  # fmt: skip


@pytest.mark.parametrize(("role", "parts", "expected", "told"), TABLE)
def test_a_part_is_put_right_for_its_role(role: str, parts: Any, expected: Any, told: list[str]) -> None:
    changes: list[Any] = []
    found = put_right(role, msgspec.Raw(json.dumps(parts).encode()), changes)
    assert found is not None and [json.loads(bytes(memoryview(part))) for part in found] == expected
    assert [change.short for change in changes] == told


@pytest.mark.parametrize(
    "content", [b"", b'"text"', b"[1]", b"[]", b'[{"type": "input_text", "text": "a"}, {"type": "input_image"}]']
)
def test_what_needs_no_change_or_is_of_no_known_form_is_left_alone(content: bytes) -> None:
    assert put_right("user", msgspec.Raw(content), []) is None
