from typing import Any

import msgspec
import pytest

from codex_proxy.answer import missing
from codex_proxy.answer.items import Item, Items
from codex_proxy.answer.texts import BY_DELTA
from codex_proxy.raw_json import encoded

TEXT = BY_DELTA["response.output_text.delta"]
MESSAGE: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}  # fmt: skip
REASONING: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "x"}  # fmt: skip
CALL: dict[str, Any] = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
IMAGE: dict[str, Any] = {"type": "image_generation_call", "id": "ig_1", "result": "AAAA"}


def plain(said: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, msgspec.json.decode(msgspec.json.encode(fields))) for kind, fields in said]


def finished(item: dict[str, Any], known: Item | None = None) -> tuple[list[str], Item]:
    items, known = Items(), known or Item(item["type"])
    said = plain(missing.finished(items, known, msgspec.json.encode(item)))
    return [kind.removeprefix("response.") for kind, _ in said], known


@pytest.mark.parametrize(
    "item, kinds",
    [
        (MESSAGE, ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"]),
        ({**MESSAGE, "content": []}, ["output_item.added"]),
        ({**MESSAGE, "content": [{"type": "refusal", "refusal": "No"}]}, ["output_item.added", "content_part.added", "refusal.delta", "refusal.done", "content_part.done"]),
        ({**MESSAGE, "content": "odd"}, ["output_item.added"]),
        ({**MESSAGE, "content": [5, {"type": "odd"}, {"type": "output_text", "text": 5}]}, ["output_item.added"]),
        (REASONING, ["output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done"]),
        (CALL, ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done"]),
        ({**CALL, "arguments": ""}, ["output_item.added", "function_call_arguments.done"]),
        (IMAGE, ["output_item.added"]),
    ],
)  # fmt: skip
def test_an_item_of_which_nothing_came_is_told_from_its_beginning(item: dict[str, Any], kinds: list[str]) -> None:
    said, known = finished(item)
    assert said == kinds and msgspec.json.decode(known.whole) == item


@pytest.mark.parametrize("item", [MESSAGE, REASONING, CALL, IMAGE])
def test_an_item_begins_without_what_comes_with_its_end(item: dict[str, Any]) -> None:
    _, known = finished(item)
    head = msgspec.json.decode(msgspec.json.encode(known.head))
    assert (head["id"], head["status"]) == (item["id"], "in_progress")
    assert not any(head.get(key) for key in ("content", "summary", "arguments", "result", "encrypted_content"))


@pytest.mark.parametrize(
    "told, delta", [("", "Hello"), ("Hel", "lo"), ("Hello", None), ("Bye", None), ("Hello you", None)]
)
def test_of_a_text_the_rest_is_told_where_it_goes_on(told: str, delta: str | None) -> None:
    items, item = Items(), Item("message", "msg_1")
    list(missing.begun(items, item, {}))
    item.grow(TEXT, 0, told)
    said = plain(missing.rest(items, item, TEXT, 0, "Hello"))
    assert [fields["delta"] for kind, fields in said if kind.endswith("delta")] == ([delta] if delta else [])


@pytest.mark.parametrize("content", [[], None, [{"type": "output_text", "text": ""}], [{"type": "output_text"}], "odd"])
def test_a_text_that_came_as_deltas_alone_is_put_into_its_item(content: Any) -> None:
    item = Item("message", "msg_1")
    list(missing.begun(Items(), item, {}))
    item.grow(TEXT, 0, "Hello")
    _, known = finished({**MESSAGE, "content": content}, item)
    (part,) = msgspec.json.decode(known.whole)["content"]
    assert (part["type"], part["text"]) == ("output_text", "Hello")


def test_an_item_that_lacks_nothing_stays_byte_for_byte() -> None:
    raw = b'{ "type":"message","id" : "msg_1", "n":1e3, "content":[] }'
    item = Item("message", "msg_1")
    list(missing.finished(Items(), item, raw))
    assert item.whole == raw


@pytest.mark.parametrize(
    "kind, name, ends", [("message", "", True), ("function_call", "", False), ("function_call", "f", True)]
)
def test_a_call_without_its_name_has_no_end(kind: str, name: str, ends: bool) -> None:
    assert missing.can_end(Item(kind, head={"name": encoded(name)} if name else {})) is ends
