import json
from typing import Any

import msgspec
import pytest

from codex_proxy.answer.events import EVENT, UNREADABLE, chunk_part, decoded
from codex_proxy.raw_json import ABSENT


def test_large_values_stay_undecoded_and_absent_ones_are_known() -> None:
    item = b'{"id":"msg_1","type":"message"}'
    event = EVENT.decode(b'{"type":"response.output_item.done","sequence_number":4,"other":[1],"item":' + item + b"}")
    assert (event.type, event.sequence_number, bytes(event.item)) == ("response.output_item.done", 4, item)
    assert event.response == ABSENT and event.choices is None and event.delta is None


def test_a_chunk_of_a_chat_completion_has_choices() -> None:
    tool = {"index": 1, "id": "c", "function": {"arguments": "{"}}
    delta = {"role": "assistant", "content": None, "tool_calls": [tool]}
    event = EVENT.decode(json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode())
    assert event.type == "" and event.choices and event.choices[0].delta
    assert event.choices[0].delta.tool_calls and event.choices[0].delta.tool_calls[0].index == 1


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b'{"type":3}', b'{"a":' + b"[" * 5000, b'{"type":"\xff"}'])
def test_what_is_no_event_is_unreadable(data: bytes) -> None:
    with pytest.raises(UNREADABLE):
        EVENT.decode(data)


def test_a_value_that_cannot_be_read_is_shown_as_such() -> None:
    assert decoded(msgspec.Raw(b'{"a":1}')) == {"a": 1}
    assert decoded(msgspec.Raw(b'{"a":')) == {"type": "unreadable item"}


CHUNKS = [
    ({"choices": [{"delta": {"role": "assistant", "content": None}}]}, "begins"),
    ({"choices": [{"delta": {"content": "a"}}]}, "content"),
    ({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}, "tool_calls"),
    ({"choices": [{"delta": {}, "finish_reason": "stop"}]}, "finish_reason"),
    ({"choices": [], "usage": {}}, "usage"),
    ({"choices": [], "usage": None}, ""),
    ({"type": "response.created"}, ""),
]


@pytest.mark.parametrize(("event", "part"), CHUNKS)
def test_what_a_chunk_brings(event: dict[str, Any], part: str) -> None:
    assert chunk_part(EVENT.decode(json.dumps(event).encode())) == part
