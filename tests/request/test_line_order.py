import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_proxy.memory.line_orders import LINES, LineOrders
from codex_proxy.request import line_order
from codex_proxy.request.body_rules import PatchOptions, PatchResult, patch

ONE, TWO, THREE, FOUR = (
    "Be short.\n\n- a\n- b\n- c\n",
    "Be short.\n\n- c\n- b\n- a\n",
    "Be short.\n\n- b\n- a\n- c\n",
    "- c\n- a\n- b\n\nBe short.\n",
)
HI, HO = ({"role": "user", "content": text} for text in ("hi", "ho"))
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "12"}
ANSWER, OTHER = ({"role": "assistant", "content": text} for text in ("hello", "good day"))
RULES = {"role": "developer", "content": "rules"}


class Client:
    """One that asks through the same proxy as others do."""

    def __init__(self, orders: LineOrders, caller: str = "me", **always: Any) -> None:
        self.orders, self.caller, self.always = orders, caller, always

    def patched(self, instructions: Any, *items: Any, **more: Any) -> PatchResult:
        body = {"model": "gpt-6-sol", "instructions": instructions, "input": items, **self.always, **more}
        return patch(json.dumps(body).encode(), PatchOptions(caller=self.caller, orders=self.orders))

    def sent(self, instructions: Any, *items: Any, **more: Any) -> Any:
        return json.loads(self.patched(instructions, *items, **more).body or b"")["instructions"]


@pytest.fixture
def orders() -> LineOrders:
    return LineOrders()


@pytest.fixture
def me(orders: LineOrders) -> Client:
    return Client(orders)


@pytest.mark.parametrize("model", [[ANSWER, HO], [CALL, OUTPUT], [CALL, OUTPUT, ANSWER, HO]])
def test_a_conversation_keeps_the_order_it_began_with(me: Client, model: list[Any]) -> None:
    assert me.sent(ONE, HI) == ONE
    assert me.sent(TWO, HI, *model) == ONE
    assert me.sent(THREE, HI, *model) == ONE, "asked once more"
    assert me.sent(FOUR, HI, *model, OTHER, HO) == ONE


def test_it_is_told_as_a_change_and_only_where_there_is_one(me: Client) -> None:
    def told(*asked: Any) -> list[str]:
        return [change.short for change in me.patched(*asked).changes if change.field == "instructions"]

    assert told(ONE, HI) == [] and told(ONE, HI, ANSWER, HO) == []
    assert told(TWO, HI, ANSWER, HO, ANSWER, HO) == ["instructions lines in the order first seen"]


def test_a_chat_completion_keeps_it_too(orders: LineOrders) -> None:
    from codex_proxy.front.routes import ROUTES

    options = PatchOptions(caller="me", orders=orders, translate=ROUTES["/chat/completions"].translate)
    sent = []
    for system, more in ((ONE, []), (TWO, [ANSWER, HO])):
        body = {"model": "gpt-6-sol", "messages": [{"role": "system", "content": system}, HI, *more]}
        sent.append(json.loads(patch(json.dumps(body).encode(), options).body or b"")["instructions"])
    assert sent == [ONE, ONE]


def test_all_orders_of_the_same_lines_share_a_session(me: Client) -> None:
    assert len({me.patched(each, HI).cache_key for each in (ONE, TWO, THREE, FOUR)}) == 1
    others = [ONE + "- d\n", ONE.replace("- a", "- aa"), ONE.replace("- a\n", ""), ONE + "- a\n", ONE.replace("\n", "")]
    assert len({me.patched(each, HI).cache_key for each in (ONE, *others)}) == 1 + len(others)


# What the second request is, for which the first (ONE, HI) is none of its own: its instructions stay as they are.
STRANGERS: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("another caller", {"caller": "you"}, [HI, ANSWER, HO]),
    ("another model", {"model": "gpt-6-luna"}, [HI, ANSWER, HO]),
    ("another question", {}, [HO, ANSWER, HI]),
    ("rules in front", {}, [RULES, HI, ANSWER, HO]),
    ("the same question anew", {}, [HI]),
    ("a longer beginning, and nothing of the model's", {}, [HI, HO]),
    ("an answer, and no question before it", {}, [ANSWER, HI]),
    ("a session of its own", {"prompt_cache_key": "mine"}, [HI, ANSWER, HO]),
]


@pytest.mark.parametrize(("what", "client", "items"), STRANGERS, ids=[each[0] for each in STRANGERS])
def test_no_other_conversation_gets_its_order(
    orders: LineOrders, me: Client, what: str, client: dict[str, Any], items: list[Any]
) -> None:
    me.sent(ONE, HI)
    assert Client(orders, **client).sent(TWO, *items) == TWO


def test_two_conversations_that_begin_alike_are_never_mixed(me: Client) -> None:
    assert me.sent(ONE, HI) == ONE
    assert me.sent(TWO, HI) == TWO
    # Whose turn this is can't be told, so it goes up as it is, and is told apart from here on.
    assert me.sent(THREE, HI, ANSWER, HO) == THREE
    assert me.sent(FOUR, HI, OTHER, HO) == FOUR
    assert me.sent(ONE, HI, ANSWER, HO, ANSWER, HI) == THREE
    assert me.sent(ONE, HI, OTHER, HO, ANSWER, HI) == FOUR


def test_two_whole_conversations_with_the_same_items_keep_their_own_order(me: Client) -> None:
    assert me.sent(ONE, HI, ANSWER, HO) == ONE
    assert me.sent(TWO, HI, ANSWER, HO) == TWO
    assert me.sent(THREE, HI, ANSWER, HO, OTHER, HI) == THREE


@pytest.mark.parametrize(
    "changed",
    [
        ONE + "- d\n",
        ONE.replace("- a", "- A"),
        ONE.replace("- a\n", ""),
        ONE.replace("- a\n", "- a\n- a\n"),
        ONE.replace("\n", "\r\n", 1),
    ],
)
def test_where_more_than_the_order_differs_nothing_is_changed(me: Client, changed: str) -> None:
    me.sent(ONE, HI)
    assert me.sent(changed, HI, ANSWER, HO) == changed


@pytest.mark.parametrize(
    "odd", ["", "one line", None, 5, ["a", "b"], {"a": 1}, "\n" * LINES, "x\n" * line_order.LONGEST]
)
def test_instructions_of_any_form_go_up(me: Client, odd: Any) -> None:
    first = me.sent(odd, HI)
    assert first == ("" if odd is None else odd)
    assert me.sent(odd, HI, ANSWER, HO) == first


def test_a_difference_in_the_middle_of_a_long_line_is_one(me: Client) -> None:
    def long(middle: str, *more: str) -> str:
        return "\n".join(["A" * 50_000 + middle + "B" * 50_000, *more])

    me.sent(long("x", "- a", "- b"), HI)
    assert me.sent(long("y", "- b", "- a"), HI, ANSWER, HO) == long("y", "- b", "- a")
    assert me.sent(long("x", "- b", "- a"), HI, ANSWER, HO) == long("x", "- a", "- b")


@settings(max_examples=60)
@given(
    st.lists(st.text(max_size=2), min_size=2, max_size=6),
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.randoms(),
)
def test_whatever_is_asked_only_the_requests_own_lines_go_up(
    lines: list[str], forks: list[int], random: random.Random
) -> None:
    lines = [line for text in lines for line in text.split("\n")]
    orders = LineOrders(most=4)
    for fork in forks:
        shuffled = random.sample(lines, len(lines))
        items = [HI, *[{"role": "assistant", "content": str(n)} for n in range(fork)]]
        sent = Client(orders, random.choice("ab")).sent("\n".join(shuffled), *items)
        assert sorted(sent.split("\n")) == sorted(lines)
        if not fork:
            assert sent == "\n".join(shuffled)


def test_without_a_session_nothing_is_remembered(orders: LineOrders) -> None:
    options = PatchOptions(orders=orders)
    for instructions, items in ((ONE, [HI]), (TWO, [HI, ANSWER, HO])):
        body = {"model": "m", "instructions": instructions, "input": items}
        assert json.loads(patch(json.dumps(body).encode(), options).body or b"")["instructions"] == instructions
    assert len(orders) == 0
