import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from codex_proxy.memory import store as stored
from codex_proxy.memory.store import ANSWER_COST, ITEM_COST, ResponseStore

REASONING = {"type": "reasoning", "id": "rs_1", "encrypted_content": "opaque"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def parts(*items: dict[str, Any]) -> list[stored.Part]:
    return stored.parts_of_request(json.dumps({"input": items}).encode())


def answer(name: str, *items: dict[str, Any]) -> bytes:
    return json.dumps({"id": name, "output": items}).encode()


def plain(found: Any) -> Any:
    return None if found is None else [json.loads(bytes(memoryview(one))) for one in found]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def message(name: str, text: str = "") -> dict[str, Any]:
    return {"type": "message", "id": name, "content": text}


def test_an_answer_is_known_as_a_whole_and_by_its_items() -> None:
    store = ResponseStore()
    store.remember("a", parts(user("1"), user("2")), answer("resp_1", REASONING, message("msg_1", "ünïcode 完")))

    assert plain(store.conversation("a", "resp_1")) == [user("1"), user("2"), REASONING, message("msg_1", "ünïcode 完")]
    assert plain([store.item("a", "msg_1")]) == [message("msg_1", "ünïcode 完")]
    assert store.item("a", "msg_2") is None and store.conversation("a", "resp_2") is None


def test_no_caller_sees_what_another_has() -> None:
    store = ResponseStore()
    for caller in "ab":
        store.remember(caller, parts(user(caller)), answer("resp_1", message("msg_1", caller), CALL))

    assert plain(store.conversation("b", "resp_1")) == [user("b"), message("msg_1", "b"), CALL]
    assert plain([store.item("b", "msg_1")]) == [message("msg_1", "b")]
    assert store.conversation("c", "resp_1") is None and store.item("c", "msg_1") is None
    assert store.reasoning_before("c", "call_1") == []


def test_a_growing_conversation_costs_what_is_new_in_it() -> None:
    store, asked, sizes = ResponseStore(), [], []
    for turn in range(10, 60):
        asked.append(user(f"{turn} " + "x" * 1000))
        store.remember("a", parts(*asked), answer(f"resp_{turn}", message(f"msg_{turn}")))
        asked.append(message(f"msg_{turn}"))
        sizes.append(store.size)

    assert sizes[-1] - sizes[-2] == sizes[1] - sizes[0] < 4000
    assert plain(store.conversation("a", "resp_59")) == asked


def test_a_client_that_writes_items_in_its_own_way_costs_them_once_more() -> None:
    store, asked = ResponseStore(), []
    for turn in range(20):
        asked.append(user(str(turn)))
        store.remember("a", parts(*asked), answer(f"resp_{turn}", message(f"msg_{turn}")))
        asked.append({"content": "", "type": "message", "id": f"msg_{turn}"})

    assert len(store._links) == 20 + 20 + 19


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    store = ResponseStore(room=3 * (ANSWER_COST + 2 * (ITEM_COST + 100)))
    for name in "123":
        store.remember("a", parts(user(name)), answer(f"resp_{name}", message(f"msg_{name}")))
    assert store.conversation("a", "resp_1") and store.item("a", "msg_3")
    store.remember("a", parts(user("4")), answer("resp_4", message("msg_4", "x" * 300)))

    assert [bool(store.conversation("a", f"resp_{name}")) for name in "1234"] == [True, False, True, True]
    assert store.item("a", "msg_2") is None


def test_what_is_too_old_is_forgotten_and_what_is_used_is_not() -> None:
    clock = Clock()
    store = ResponseStore(age=100, clock=clock)
    store.remember("a", parts(user("1")), answer("resp_1", message("msg_1")))
    store.remember("a", parts(user("2")), answer("resp_2", message("msg_2")))
    clock.now = 60
    assert store.item("a", "msg_1")
    clock.now = 120

    assert store.conversation("a", "resp_2") is None and store.item("a", "msg_2") is None
    assert store.conversation("a", "resp_1")
    clock.now = 221
    assert store.conversation("a", "resp_1") is None
    assert (store.size, len(store), len(store._links), len(store._named)) == (0, 0, 0, 0)


def test_an_answer_that_has_no_room_at_all_pushes_nothing_out() -> None:
    store = ResponseStore(room=10_000)
    store.remember("a", parts(user("1")), answer("resp_1", message("msg_1")))
    store.remember("a", parts(user("x" * 10_000)), answer("resp_2"))

    assert store.conversation("a", "resp_1") and store.conversation("a", "resp_2") is None


def test_less_room_is_followed_at_once() -> None:
    store = ResponseStore()
    store.remember("a", parts(user("1")), answer("resp_1", message("msg_1")))
    store.room = 0
    store.trim()

    assert (store.size, len(store._links)) == (0, 0)
    store.remember("a", [], answer("resp_2"))
    assert len(store) == 0


def test_the_same_answer_twice_is_there_once() -> None:
    store = ResponseStore()
    for text in "xy":
        store.remember("a", parts(user(text)), answer("resp_1", message("msg_1", text)))

    assert plain(store.conversation("a", "resp_1")) == [user("y"), message("msg_1", "y")]
    assert len(store._links) == 2


@pytest.mark.parametrize(
    "response",
    [b"", b"[]", b'{"id": 1}', b'{"id": "r", "output": [1]}', b'{"output": []}', b'{"id": "r", "output": null}'],
)
def test_an_answer_of_no_known_form_is_not_kept(response: bytes) -> None:
    store = ResponseStore()
    store.remember("a", parts(user("1")), response)
    assert (store.size, len(store), len(store._links)) == (0, 0, 0)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"input": "text"}', b'{"input": null}', b"{}"])
def test_a_request_without_a_list_has_no_parts(body: bytes) -> None:
    assert stored.parts_of_request(body) == []


# Reasoning of a chat's tool rounds.


def call(number: int) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}


def thought(number: int) -> dict[str, Any]:
    return {"type": "reasoning", "id": f"rs_{number}", "encrypted_content": "opaque"}


ROUNDS: list[tuple[list[dict[str, Any]], list[list[int]]]] = [
    ([thought(1), call(1)], [[1]]),
    ([thought(1), thought(2), call(1)], [[1, 2]]),
    ([thought(1), message("msg_1"), call(1)], [[1]]),
    ([thought(1), call(1), call(2)], [[1], []]),
    ([thought(1), call(1), thought(2), call(2)], [[1], [2]]),
    ([call(1)], [[]]),
    ([{**thought(1), "encrypted_content": None}, call(1)], [[]]),
]


@pytest.mark.parametrize(("output", "expected"), ROUNDS)
@pytest.mark.parametrize("asked", [None, [thought(9)]])
def test_the_reasoning_that_led_to_a_call(output: Any, expected: list[list[int]], asked: Any) -> None:
    store = ResponseStore()
    store.remember("a", asked and parts(*asked), answer("resp_1", *output))

    found = [plain(store.reasoning_before("a", f"call_{number}")) for number in range(1, len(expected) + 1)]
    assert found == [[thought(number) for number in each] for each in expected]


def test_an_answer_kept_alone_is_no_conversation() -> None:
    store = ResponseStore()
    store.remember("a", None, answer("resp_1", message("msg_1"), CALL))
    assert store.conversation("a", "resp_1") is None and store.item("a", "msg_1")
    store.remember("a", None, answer("resp_2", message("msg_2")))
    assert store.item("a", "msg_2") is None


# Under anything.

CALLERS = st.sampled_from("abc")
NAMES = st.integers(0, 9)


class AnyUse(RuleBasedStateMachine):
    """Whatever is done, the bounds hold, and who asks gets its own or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = ResponseStore(room=20_000, age=50, clock=self.clock)
        self.whole: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.items: dict[tuple[str, str], dict[str, Any]] = {}

    @rule(
        caller=CALLERS,
        name=NAMES,
        asked=st.lists(st.integers(0, 3), max_size=6),
        size=st.integers(0, 4000),
        alone=st.booleans(),
    )
    def remember(self, caller: str, name: int, asked: list[int], size: int, alone: bool) -> None:
        items = [user(f"{caller}{one}") for one in asked]
        said = message(f"msg_{name}", f"{caller}{size}" + "x" * size)
        self.store.remember(caller, None if alone else parts(*items), answer(f"resp_{name}", said))
        self.whole.pop((caller, f"resp_{name}"), None)
        if not alone:
            self.whole[caller, f"resp_{name}"] = [*items, said]
        self.items[caller, f"msg_{name}"] = said

    @rule(caller=CALLERS, name=NAMES)
    def ask(self, caller: str, name: int) -> None:
        found = plain(self.store.conversation(caller, f"resp_{name}"))
        assert found in (None, self.whole.get((caller, f"resp_{name}")))
        item = self.store.item(caller, f"msg_{name}")
        assert item is None or plain([item]) == [self.items[caller, f"msg_{name}"]]

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(room=st.integers(0, 40_000))
    def make_room(self, room: int) -> None:
        self.store.room = room
        self.store.trim()

    @invariant()
    def the_bounds_hold(self) -> None:
        store = self.store
        links = store._links.values()
        assert store.size == sum(len(link.item) + ITEM_COST for link in links) + len(store) * ANSWER_COST
        assert store.size <= store.room
        reached = {id(one) for each in store._answers.values() for one in stored._back(each.last, None)}
        assert reached == {id(link) for link in links}
        assert {*store._named.values()} <= {*store._answers}


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)
