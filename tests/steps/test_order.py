"""The walk of addon/codex.py: each step stands behind those that it names, and one moved in front of them is refused."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from mitmproxy.addons import script

from codex_proxy.addons.codex_proxy import CodexProxy
from codex_proxy.steps.inject_token import InjectToken
from codex_proxy.steps.send import Send
from codex_proxy.walk import order

from ..places import ADDON


class Lists(NamedTuple):
    up: Sequence[object]
    down: Sequence[object]
    watch: Sequence[object]


def loaded() -> CodexProxy:
    """The walk of the script, loaded as mitmproxy does it."""
    module = script.load_script(str(ADDON / "codex.py"))
    assert module is not None and isinstance(module.walk, CodexProxy)
    return module.walk


WALK = loaded()
LISTS = Lists(WALK.up, WALK.down, WALK.watch)


def name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


STEPS = [(where, step) for where, steps in LISTS._asdict().items() for step in steps]


def test_there_is_a_walk() -> None:
    order.check(*LISTS)
    assert all(LISTS) and isinstance(LISTS.up[-1], Send)


@pytest.mark.parametrize("where, step", STEPS, ids=[f"{where}-{name(step)}" for where, step in STEPS])
def test_each_step_stands_behind_those_that_it_names(where: str, step: object) -> None:
    before = [one for each in LISTS[: LISTS._fields.index(where)] for one in each]
    steps: Sequence[object] = getattr(LISTS, where)
    before += steps[: steps.index(step)]
    assert [needed for needed in order.after(step) if needed not in map(type, before)] == []


# Each step with each one of its own list that it names.
PAIRS = [
    (where, step, needed)
    for where, step in STEPS
    for needed in order.after(step)
    if needed in map(type, getattr(LISTS, where))
]


@pytest.mark.parametrize(
    "where, step, needed", PAIRS, ids=[f"{where}-{name(step)}-{name(needed)}" for where, step, needed in PAIRS]
)
def test_a_step_in_front_of_one_that_it_names_is_refused(where: str, step: object, needed: type) -> None:
    steps = [one for one in getattr(LISTS, where) if one is not step]
    steps.insert([type(one) for one in steps].index(needed), step)
    with pytest.raises(order.OrderError, match=f"^{name(step)} has to come after "):
        order.check(*LISTS._replace(**{where: steps}))


@pytest.mark.parametrize(
    "where, step, needed", PAIRS, ids=[f"{where}-{name(step)}-{name(needed)}" for where, step, needed in PAIRS]
)
def test_a_step_that_another_one_names_is_refused_behind_it(where: str, step: object, needed: type) -> None:
    steps = [one for one in getattr(LISTS, where) if type(one) is not needed]
    (moved,) = [one for one in getattr(LISTS, where) if type(one) is needed]
    steps.insert(steps.index(step) + 1, moved)
    with pytest.raises(order.OrderError):
        order.check(*LISTS._replace(**{where: steps}))


@pytest.mark.parametrize("needed", order.after(LISTS.up[-1]), ids=name)
def test_without_a_step_that_the_last_one_names_there_is_no_walk(needed: type) -> None:
    up = [one for one in LISTS.up if type(one) is not needed]
    with pytest.raises(order.OrderError, match=f" has to come after .*{name(needed)}"):
        CodexProxy(services=[], up=up, down=LISTS.down, watch=LISTS.watch)


def test_a_step_on_both_ways_is_one_object() -> None:
    up, down = ([one for one in steps if isinstance(one, InjectToken)] for steps in (LISTS.up, LISTS.down))
    assert len(up) == 1 and up == down
