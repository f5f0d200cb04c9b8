import gc
import weakref
from typing import Any

import pytest

from codex_proxy.front.routes import NO_ROUTE
from codex_proxy.walk.exchange import Exchange

LISTS = [name for name in Exchange.__struct_fields__ if isinstance(getattr(Exchange(), name), list)]


@pytest.mark.parametrize("sent_at, was_sent", [(None, False), (0.0, True), (1.0, True)])
def test_it_was_sent_from_the_moment_that_is_kept(sent_at: float | None, was_sent: bool) -> None:
    assert Exchange(sent_at=sent_at).was_sent is was_sent


def test_notes_are_kept_in_their_order() -> None:
    exchange = Exchange(notes=["one"])
    exchange.note("two")
    assert exchange.notes == ["one", "two"]


def test_at_first_nothing_is_known() -> None:
    exchange = Exchange()
    assert (exchange.route, exchange.original, exchange.problem) == (NO_ROUTE, None, "")
    assert not exchange.route.goes_up and not exchange.route.is_turn


@pytest.mark.parametrize("name", LISTS)
def test_no_list_is_shared_by_two(name: str) -> None:
    one, other = Exchange(), Exchange()
    found: list[Any] = getattr(one, name)
    found.append("x")
    assert getattr(other, name) == [] and getattr(Exchange(), name) == []


def test_two_that_look_alike_are_two_and_neither_is_kept_by_who_knows_of_it() -> None:
    one = Exchange(model="m")
    assert one != Exchange(model="m")
    known = weakref.ref(one)
    del one
    gc.collect()
    assert known() is None
