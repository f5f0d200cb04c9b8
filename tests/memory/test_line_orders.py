import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.memory import line_orders
from codex_proxy.memory.line_orders import COST, LINES, LineOrders, order, ordered

TEXTS = st.lists(st.text(max_size=3), max_size=20)


@given(TEXTS, st.randoms())
def test_the_same_lines_come_back_in_the_order_that_was_taken(lines: list[str], random: st.DataObject) -> None:
    others = list(lines)
    random.shuffle(others)  # type: ignore[attr-defined]
    assert ordered(others, order(lines)) == lines


def test_as_many_lines_as_are_looked_at_have_an_order() -> None:
    lines = [str(n % 7) for n in range(LINES)]
    assert ordered(sorted(lines), order(lines)) == lines


def test_the_longest_that_is_known_counts() -> None:
    known = LineOrders()
    known.remember(b"short", b"1")
    known.remember(b"long", b"2")
    assert known.first_seen([b"longest", b"long", b"short"]) == b"2"
    assert known.first_seen([b"short"]) == b"1"
    assert known.first_seen([b"other"]) is None and known.first_seen([]) is None


def test_what_went_up_in_several_orders_has_none() -> None:
    known = LineOrders()
    for seen in (b"1", b"1", b"2", b"1"):
        known.remember(b"asked", seen)
        known.remember(b"before", b"3")
    assert known.first_seen([b"asked", b"before"]) is None
    assert known.first_seen([b"before"]) == b"3"


@pytest.mark.parametrize(("most", "room"), [(3, 1 << 20), (1000, 3 * (COST + 10))])
def test_what_was_not_used_for_longest_goes_first(most: int, room: int) -> None:
    known = LineOrders(most, room)
    for name in (b"a", b"b", b"c"):
        known.remember(name, b"x" * 10)
    assert known.first_seen([b"a"])
    known.remember(b"d", b"x" * 10)
    assert [name for name in (b"a", b"b", b"c", b"d") if known.first_seen([name])] == [b"a", b"c", b"d"]
    assert len(known) == 3 and known.size == 3 * (COST + 10)


def test_it_stays_within_its_bounds_whatever_comes_from_several_threads() -> None:
    known = LineOrders(50, 20_000)

    def ask(who: int) -> None:
        for n in range(500):
            known.remember(b"%d" % (n % 70), b"x" * ((n * who) % 500))
            known.first_seen([b"%d" % n])

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(known) <= 50 and known.size <= 20_000
    assert known.size == sum(len(each) + COST for each in known._orders.values())


def test_no_text_is_kept() -> None:
    known = LineOrders()
    known.remember(b"digest", line_orders.order(["a secret", "another"]))
    assert b"secret" not in repr(known._orders).encode()
