from collections.abc import Sequence

import pytest

from codex_proxy.walk.order import OrderError, after, check


class First:
    pass


class Second:
    after = (First,)


class Third:
    after = (First, Second)


class Derived(First):
    pass


ONE, TWO, THREE = First(), Second(), Third()

TAKEN: list[list[list[object]]] = [
    [],
    [[]],
    [[ONE]],
    [[ONE, TWO, THREE]],
    [[ONE], [TWO], [THREE]],  # the lists run one after the other
    [[ONE, TWO], [ONE, TWO, THREE]],  # a step may stand in several
    [[ONE, TWO, First()]],
]

REFUSED: list[tuple[list[list[object]], str]] = [
    ([[TWO]], "Second has to come after First."),
    ([[TWO, ONE]], "Second has to come after First."),
    ([[TWO], [ONE]], "Second has to come after First."),
    ([[THREE]], "Third has to come after First and Second."),
    ([[ONE, THREE, TWO]], "Third has to come after Second."),
    ([[TWO, TWO]], "Second has to come after First."),
    ([[Derived(), TWO]], "Second has to come after First."),
]


@pytest.mark.parametrize("lists", TAKEN)
def test_steps_behind_all_that_they_name_are_taken(lists: list[Sequence[object]]) -> None:
    check(*lists)


@pytest.mark.parametrize("lists, message", REFUSED)
def test_a_step_before_one_that_it_names_is_refused_by_both_names(lists: list[Sequence[object]], message: str) -> None:
    with pytest.raises(OrderError) as refused:
        check(*lists)
    assert str(refused.value) == message


@pytest.mark.parametrize("step, named", [(ONE, ()), (TWO, (First,)), (THREE, (First, Second)), (object(), ())])
def test_a_step_that_names_none_may_stand_anywhere(step: object, named: tuple[type, ...]) -> None:
    assert after(step) == named
