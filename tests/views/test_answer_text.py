import json
from typing import Any

import pytest

from codex_proxy.views.answer_text import answer_item, answer_items, object_text, sections, usage_text
from codex_proxy.views.transcript import Transcript

from ..examples import REASONING, USAGE

PART = {"type": "output_text", "text": "Oslo is wet.", "annotations": [], "logprobs": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [PART]}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city": "Oslo"}'}

WHOLE = """\
reasoning: |  # encrypted, 906 B
  **Thinking** it over

text: |
  Oslo is wet.

call get_weather:  # call_1
  {"city": "Oslo"}

tokens: 1,234 in (1,024 cached), 56 out (12 reasoning), 1,290 in all"""


def shown(**body: Any) -> str:
    return object_text(json.dumps(body).encode())


def test_an_answer_in_one_object_is_shown_as_a_person_reads_it() -> None:
    text = shown(model="m", status="completed", output=[REASONING, MESSAGE, CALL], usage=USAGE.json())
    assert text.startswith("# m · completed · 3 items · ")
    assert text.partition("\n\n")[2].partition("\n\nraw JSON:")[0] == WHOLE
    assert "x" * 100 not in text


def test_a_chat_completion_in_one_object_is_shown_too() -> None:
    calls = [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]
    message = {"role": "assistant", "content": "Hi", "tool_calls": calls}
    text = shown(model="m", choices=[{"message": message, "finish_reason": "stop"}])
    assert text.startswith("# m · stop · 2 items · ") and "text: |\n  Hi\n" in text and "call f:  # c\n  {}" in text


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"{", b'{"error":{}}', b"\xff"])
def test_any_other_object_is_left_to_the_views_for_json(body: bytes) -> None:
    with pytest.raises(ValueError, match="no answer"):
        object_text(body)


def test_errors_stand_before_the_answer() -> None:
    text = shown(model="m", status="failed", error={"code": "server_error", "message": "Sorry"}, output=[MESSAGE])
    assert text.startswith("# m · failed · 1 item · ")
    assert "\n\nerror: |\n  server_error\n  Sorry\n\ntext: |\n  Oslo is wet.\n\nraw JSON:" in text


MESSAGES = [
    ([PART], "text: |\n  Oslo is wet."),
    ([{"type": "refusal", "refusal": "No, not that."}], "refusal: |\n  No, not that."),
    ([PART, {"type": "refusal", "refusal": "No."}], "text: |\n  Oslo is wet.\nrefusal: |\n  No."),
    (
        [{**PART, "annotations": [{"type": "url_citation", "title": "Met", "url": "https://met.no"}]}],
        "text: |\n  Oslo is wet.\n\n  [1] Met https://met.no",
    ),
    ("Oslo is wet.", "text: |\n  Oslo is wet."),
    ([], 'text: ""'),
]


@pytest.mark.parametrize(("content", "text"), MESSAGES)
def test_a_message_is_shown_by_what_it_says(content: Any, text: str) -> None:
    assert answer_item({**MESSAGE, "content": content}, 1000) == text


def test_the_phase_of_a_message_stands_behind_its_title() -> None:
    assert answer_item({**MESSAGE, "phase": "commentary"}, 1000) == "text: |  # commentary\n  Oslo is wet."


def test_many_items_share_the_room() -> None:
    items = [{**MESSAGE, "content": [{**PART, "text": "word " * 4_000}]} for _ in range(150)]
    lengths = [len(one) for one in answer_items(items)]
    assert lengths == sorted(lengths, reverse=True) and lengths[0] > 15_000 and lengths[-1] < 1000
    *_, last, more, _ = sections(Transcript(), items)
    assert last.startswith("text: |") and more == "# … more items …"


TOKENS = [
    (USAGE.json(), "tokens: 1,234 in (1,024 cached), 56 out (12 reasoning), 1,290 in all"),
    ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0}}, "tokens: 9 in (0 cached)"),
    ({"input_tokens": 9, "input_tokens_details": {"cache_write_tokens": 8}}, "tokens: 9 in (8 written to the cache)"),
    ({"completion_tokens": 5, "total_tokens": 14}, "tokens: 5 out, 14 in all"),
    ({"input_tokens": "many", "output_tokens": None}, ""),
    ({}, ""),
]


@pytest.mark.parametrize(("usage", "text"), TOKENS)
def test_tokens_are_told_in_a_line(usage: dict[str, Any], text: str) -> None:
    assert usage_text(usage) == text
