from typing import Any

import msgspec
import pytest

from codex_proxy.chat.reading import Part, annotations, read, usage

USAGE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 2}, "output_tokens": 3,
         "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 8},
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens": 3,
         "completion_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 8},
    ),
    ({"input_tokens": 5, "output_tokens": 3}, {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}),
]  # fmt: skip


@pytest.mark.parametrize(("told", "chat"), USAGE)
def test_usage(told: dict[str, Any], chat: dict[str, Any]) -> None:
    assert usage(told) == chat


def test_citations_by_their_places_in_the_whole_text() -> None:
    cited = {"type": "url_citation", "start_index": 1, "end_index": 2, "url": "https://x", "title": "X"}
    parts = [Part("output_text", "ab", "", [cited, {"type": "file_citation"}]), Part("output_text", "cd", "", [cited])]

    found = annotations(parts, 10)

    assert [one["url_citation"]["start_index"] for one in found] == [11, 13]
    assert found[0] == {
        "type": "url_citation",
        "url_citation": {"start_index": 11, "end_index": 12, "title": "X", "url": "https://x"},
    }


@pytest.mark.parametrize("raw", [b"", b"1", b'{"type": 1}', b'{"type": "tool_search_call", "arguments": {}}'])
def test_what_is_no_item_of_a_chats(raw: bytes) -> None:
    assert read(msgspec.Raw(raw)) is None
