import json
from typing import Any

import msgspec
import pytest

from codex_proxy.chat.parts import flat
from codex_proxy.raw_json import Object

TABLE: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({"type": "image_url", "image_url": "https://x"}, {"type": "input_image", "image_url": "https://x"}),
    (
        {"type": "image_url", "image_url": {"url": "https://x", "detail": "low", "other": 1}},
        {"type": "input_image", "image_url": "https://x", "detail": "low"},
    ),
    ({"type": "image_url", "image_url": {"url": "https://x", "detail": None}}, {"type": "input_image", "image_url": "https://x"}),
    ({"type": "file", "file": {"filename": "a", "file_data": "x"}}, {"type": "input_file", "file_data": "x", "filename": "a"}),
    ({"type": "file", "file": "x"}, None),
    ({"type": "image_url"}, None),
    ({"type": "text", "text": {}}, None),
    ({"type": 5}, None),
]  # fmt: skip


@pytest.mark.parametrize(("part", "becomes"), TABLE)
def test_an_image_or_a_file_in_the_flat_form(part: dict[str, Any], becomes: Any) -> None:
    found = flat(msgspec.json.decode(json.dumps(part), type=Object))
    assert (found and json.loads(msgspec.json.encode(found))) == becomes
