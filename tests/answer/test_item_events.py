from typing import Any

import msgspec
import pytest

from codex_proxy.answer.item_events import ItemEvents
from codex_proxy.answer.reading import readable

ADDED = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {"type": "message", "id": "msg_1", "content": []},
}
PART = {"type": "response.content_part.added", "output_index": 0, "item_id": "msg_1", "content_index": 0, "part": {"type": "output_text", "text": ""}}  # fmt: skip
DELTA = {"type": "response.output_text.delta", "output_index": 0, "item_id": "msg_1", "content_index": 0, "delta": "Hello"}  # fmt: skip
TEXT_DONE = {"type": "response.output_text.done", "output_index": 0, "item_id": "msg_1", "content_index": 0, "text": "Hello"}  # fmt: skip
DONE = {"type": "response.output_item.done", "output_index": 0, "item": {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hello"}]}}  # fmt: skip
CALL_DELTA = {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc_1", "delta": "{}"}
CALL = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": ""}}  # fmt: skip


def told(*events: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """For each event what the client gets."""
    of, got = ItemEvents(), []
    for event in events:
        data, read = readable(msgspec.json.encode(event))
        said, own = of.told(event["type"], data, read)
        made = [{"type": kind, **msgspec.json.decode(msgspec.json.encode(fields))} for kind, fields in said]
        got.append(made + ([msgspec.json.decode(own)] if own else []))
    return got


def test_events_that_lack_nothing_stay() -> None:
    events = [ADDED, PART, DELTA, TEXT_DONE]
    assert told(*events) == [[event] for event in events]


@pytest.mark.parametrize(
    "events, kinds",
    [
        ([DELTA], ["output_item.added", "content_part.added", "output_text.delta"]),
        ([ADDED, DELTA], ["content_part.added", "output_text.delta"]),
        ([ADDED, TEXT_DONE], ["content_part.added", "output_text.delta", "output_text.done"]),
        ([PART], ["output_item.added", "content_part.added"]),
        ([ADDED, ADDED], []),
        ([ADDED, PART, PART], []),
        ([DONE, DELTA], []),
        ([DONE, DONE], []),
        ([CALL_DELTA], []),
        ([CALL_DELTA, CALL], ["output_item.added", "function_call_arguments.delta"]),
        ([{**DELTA, "delta": 5}], []),
        ([{**DONE, "item": 5}], ["output_item.done"]),
        ([{**PART, "part": {"type": "odd"}}], ["content_part.added"]),
    ],
)
def test_what_is_missing_comes_before_an_event(events: list[dict[str, Any]], kinds: list[str]) -> None:
    assert [each["type"] for each in told(*events)[-1]] == [f"response.{kind}" for kind in kinds]


@pytest.mark.parametrize("lacks", ["output_index", "item_id", "content_index"])
def test_an_event_says_where_it_stands(lacks: str) -> None:
    event = {key: value for key, value in DELTA.items() if key != lacks}
    assert told(ADDED, PART, event)[-1] == [DELTA]


def test_an_item_keeps_the_id_it_began_with() -> None:
    other = {**DONE, "item": {**DONE["item"], "id": "other"}}  # type: ignore[dict-item]
    assert told(ADDED, PART, DELTA, other)[-1][-1]["item"]["id"] == "msg_1"
