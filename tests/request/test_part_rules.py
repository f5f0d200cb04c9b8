import json
from typing import Any

import msgspec
import pytest

from codex_proxy.request.part_rules import are_parts, put_output_right, put_right

TABLE: list[tuple[str, list[dict[str, Any]], list[dict[str, Any]], list[str]]] = [
    ("assistant", [{"type": "input_text", "text": "a"}], [{"type": "output_text", "text": "a"}], ["content of assistant input_text → output_text"]),
    ("assistant", [{"type": "text", "text": "a"}], [{"type": "output_text", "text": "a"}], ["content of assistant text → output_text"]),
    ("user", [{"type": "output_text", "text": "a"}], [{"type": "input_text", "text": "a"}], ["content of user output_text → input_text"]),
    ("developer", [{"type": "text", "text": "a"}], [{"type": "input_text", "text": "a"}], ["content of developer text → input_text"]),
    ("assistant", [{"type": "output_text", "text": "a", "parsed": {}}], [{"type": "output_text", "text": "a"}], ["-parsed of content"]),
    # Keys that a part does not have.
    ("developer", [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}], [{"type": "input_text", "text": "a"}],
     ["-prompt_cache_breakpoint of content"]),
    ("user", [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], [{"type": "input_text", "text": "a"}],
     ["content of user text → input_text", "-cache_control of content"]),
    ("user", [{"type": "input_image", "image_url": "https://x", "index": 0}], [{"type": "input_image", "image_url": "https://x"}], ["-index of content"]),
    ("user", [{"type": "input_file", "file_data": "x", "filename": "a", "detail": "low", "id": 1}],
     [{"type": "input_file", "file_data": "x", "filename": "a", "detail": "low"}], ["-id of content"]),
    ("assistant", [{"type": "refusal", "refusal": "no", "text": ""}], [{"type": "refusal", "refusal": "no"}], ["-text of content"]),
    # Parts of a chat.
    ("user", [{"type": "image_url", "image_url": "https://x", "cache_control": {}}], [{"type": "input_image", "image_url": "https://x"}],
     ["content of user image_url → input_image", "-cache_control of content"]),
    ("system", [{"type": "image_url", "image_url": {"url": "https://x"}, "detail": "low"}], [{"type": "input_image", "image_url": "https://x", "detail": "low"}],
     ["content of system image_url → input_image"]),
    ("user", [{"type": "file", "file": {"filename": "a", "file_data": "x"}}], [{"type": "input_file", "file_data": "x", "filename": "a"}],
     ["content of user file → input_file"]),
    ("user", [{"type": "input_image", "image_url": {"url": "https://x", "detail": "high"}}], [{"type": "input_image", "image_url": "https://x", "detail": "high"}],
     ["content of user image_url flattened"]),
]  # fmt: skip


@pytest.mark.parametrize(("role", "parts", "expected", "told"), TABLE)
def test_a_part_is_put_right_for_its_role(role: str, parts: Any, expected: Any, told: list[str]) -> None:
    changes: list[Any] = []
    found = put_right(role, msgspec.Raw(json.dumps(parts).encode()), changes)
    assert found is not None and [json.loads(bytes(memoryview(part))) for part in found] == expected
    assert [change.short for change in changes] == told


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'"text"',
        b"[1]",
        b"[]",
        b'[{"type": "input_text", "text": "a"}, {"type": "input_image"}]',
        b'[{"text": "a", "cache_control": 1}]',
        b'[{"type": "novel", "cache_control": 1}]',
        b'[{"type": "image_url", "image_url": 5}]',
        b'[{"type": "file"}]',
        b'[{"type": ["text"]}]',
    ],
)
def test_what_needs_no_change_or_is_of_no_known_form_is_left_alone(content: bytes) -> None:
    assert put_right("user", msgspec.Raw(content), []) is None


def test_an_images_form_of_a_chat_is_not_an_assistants() -> None:
    image = msgspec.Raw(b'[{"type":"image_url","image_url":"https://x"}]')
    assert put_right("assistant", image, []) is None
    assert put_output_right("function_call_output", image, []) is not None


@pytest.mark.parametrize(
    ("content", "is_it"),
    [
        (b'[{"type":"novel"}]', True),
        (b"[]", True),
        (b"[{}]", False),
        (b'["a"]', False),
        (b'[{"type":5}]', False),
        (b'"text"', False),
    ],
)
def test_a_list_of_parts_is_told_from_any_other(content: bytes, is_it: bool) -> None:
    assert are_parts(msgspec.Raw(content)) is is_it
