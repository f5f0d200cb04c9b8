from typing import Any

import pytest

from codex_proxy.answer.items import Item, Items
from codex_proxy.answer.texts import BY_DELTA

TEXT = BY_DELTA["response.output_text.delta"]


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        # By the id, whatever the place is.
        (("message", 0, "a"), ("message", 1, "a"), True),
        (("message", None, "a"), ("message", None, "a"), True),
        (("function_call", None, None, "c"), ("function_call", None, None, "c"), True),
        # By the place, where no id says otherwise, or each event has another one.
        (("message", 0, None), ("message", 0, None), True),
        (("message", 0, "a"), ("message", 0, None), True),
        (("message", 0, "a"), ("message", 0, "b"), True),
        (("message", 0, "a"), ("function_call", 0, "b"), False),
        (("message", 0, None), ("message", 1, None), False),
        # By neither: the last one of the kind.
        (("message", None, None), ("message", None, None), True),
        (("message", None, None), ("reasoning", None, None), False),
        # Nothing odd finds anything.
        (("message", "0", 5), ("reasoning", [], {}), False),
    ],
)
def test_an_event_is_of_the_item_that_it_names(first: tuple[Any, ...], second: tuple[Any, ...], same: bool) -> None:
    items = Items()
    assert (items.find(*first) is items.find(*second)) is same


def test_what_begins_is_another_item_unless_its_name_is_known() -> None:
    items = Items()
    one = items.find("message", 0, "a", begins=True)
    items.begin(one)
    assert items.find("message", 0, "b", begins=True) is not one
    assert items.find("message", 0, "a", begins=True) is one


def test_what_came_before_its_beginning_is_of_that_item() -> None:
    items = Items()
    early = items.find("function_call", 0, None)
    assert items.find("function_call", 0, "fc_1", "call_1", begins=True) is early


@pytest.mark.parametrize("whole", [b"", b"{}"])
def test_after_its_end_another_name_is_another_item(whole: bytes) -> None:
    items = Items()
    one = items.find("message", 0, "a")
    one.whole = whole
    assert (items.find("message", 0, "b") is one) is (whole == b"")
    assert items.open() == [each for each in items.known() if not each.whole]


def test_a_text_grows_and_is_told_whole() -> None:
    item = Item("message")
    for piece in ("Hello", " you"):
        item.grow(TEXT, 0, piece)
    assert (item.told(TEXT, 0), item.told(TEXT, 1), item.texts()) == ("Hello you", "", [(TEXT, 0)])
    item.forget()
    assert item.told(TEXT, 0) == ""


@pytest.mark.parametrize("kind, prefix", [("message", "msg_"), ("reasoning", "rs_"), ("odd", "item_")])
def test_an_item_without_an_id_gets_one_that_stays(kind: str, prefix: str) -> None:
    item = Item(kind)
    assert item.name().startswith(prefix) and item.name() == item.name()
    assert Item(kind, "given").name() == "given"


def test_items_stand_where_the_client_first_saw_them() -> None:
    items = Items()
    late, early = items.find("message", 1, "b"), items.find("message", 0, "a")
    items.begin(late)
    items.begin(early)
    assert (late.place, early.place, items.begun) == (0, 1, [late, early])
    assert items.placed(1, None) is late and items.placed(None, "a") is early and items.placed(7, 8) is None
