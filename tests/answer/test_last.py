from typing import Any

import msgspec
import pytest

from codex_proxy.answer import last
from codex_proxy.answer.items import Items
from codex_proxy.outcome import Tokens
from codex_proxy.raw_json import ABSENT


def item(item_id: str, kind: str = "message", **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": item_id, **({"role": "assistant", "content": []} if kind == "message" else {}), **more}


def wholes(came: list[dict[str, Any]], listed: list[dict[str, Any]], *, ended: bool = True) -> list[str]:
    """Ids of the items after the last event."""
    items = Items()
    for place, each in enumerate(came):
        known = items.find(each["type"], place, each["id"], each.get("call_id"), begins=True)
        items.begin(known)
        known.head = {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in each.items()}
        known.whole = msgspec.json.encode(each) if ended else b""
    list(last.completed(items, [msgspec.json.encode(each) for each in listed]))
    return [msgspec.json.decode(each.whole)["id"] for each in items.begun if each.whole]


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    "came, listed, ids",
    [
        ([], [], []),
        ([item("a")], [], ["a"]),
        ([], [item("a"), item("b")], ["a", "b"]),
        ([item("a")], [item("a"), item("b")], ["a", "b"]),
        ([item("b")], [item("a"), item("b")], ["b", "a"]),
        # The items win over the list: another one in the place, another type, another id.
        ([item("ctc_1", "custom_tool_call", name="f")], [item("fc_1", "function_call", name="f")], ["ctc_1"]),
        ([item("a")], [item("rotated")], ["a"]),
        ([item("a"), item("b")], [item("b")], ["a", "b"]),
    ],
)
def test_what_came_wins_over_what_is_listed(
    came: list[dict[str, Any]], listed: list[dict[str, Any]], ids: list[str], ended: bool
) -> None:
    assert wholes(came, listed, ended=ended)[: len(ids)] == ids


@pytest.mark.parametrize(
    "output, number", [(b"[]", 0), (b"null", 0), (b"{}", 0), (b'[{"a":1},5,{}]', 2), (b"", 0), (b"[", 0)]
)
def test_a_list_is_read_as_far_as_it_is_one(output: bytes, number: int) -> None:
    assert len(last.listed(msgspec.Raw(output) if output else ABSENT)) == number


@pytest.mark.parametrize("response, model", [(b'{"model":"m"}', "m"), (b"{}", None), (b'{"model":5}', None)])
def test_an_odd_ending_tells_nothing(response: bytes, model: str | None) -> None:
    assert last.ending(response).model == model


def test_the_tokens_are_counted() -> None:
    told = last.ending(b'{"usage":{"input_tokens":3,"output_tokens":2,"input_tokens_details":{"cached_tokens":"odd"}}}')
    assert told.usage and told.usage.counts() == Tokens(3, 0, 2, 0)
