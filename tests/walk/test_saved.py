"""What is saved of an exchange, and what a file of flows may hold in its place."""

import math
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.io import tnetstring

from codex_proxy.changes import Change
from codex_proxy.front.routes import ROUTES
from codex_proxy.outcome import Original, Tokens
from codex_proxy.walk.exchange import Exchange
from codex_proxy.walk.saved import FIELDS, TURN_FIELDS, VERSION, Saved, SavedTurn, loaded, saved, shown
from codex_proxy.websocket.turns import TurnRecord

from ..properties import examples

CHANGE = Change("store", "set to false", "it is refused", "store set to false")
HEADER_CHANGE = Change("user-agent", "a → b", "as the backend wants it")


def from_file(value: Any) -> Any:
    """A value as it comes back from a file of flows."""
    return tnetstring.loads(tnetstring.dumps(value))


def whole() -> Exchange:
    """An exchange of which everything is known, a turn of a WebSocket among it."""
    now = time.monotonic()
    turn = TurnRecord(
        number=1, asked=1e9, answered=1e9 + 1, model="a", sent_model="b", changes=[CHANGE], notes=["warm-up"], sent_at=now,
        first_at=now + 1, heard_at=now + 2, tokens=Tokens(1), error="failed", ended="error", marks=[(0, 5)],
    )  # fmt: skip
    return Exchange(
        method="POST", path="/v1/responses", route=ROUTES["/responses"], caller="me",
        original=Original("POST", "/v1/responses", [("Accept", "a"), ("Accept", "b")], "{}", 2, True),
        model="a", sent_model="b", stream=True, changes=[CHANGE], header_changes=[HEADER_CHANGE], notes=["sent again"],
        sent_at=now, first_at=now + 1, heard_at=now + 2, tokens=Tokens(1, 2, 3, 4), error="failed", refused="refused",
        ended="response.completed", marks=[(0, 5), (100, 90)], turns=[turn],
        token="fingerprint", token_ends=1.0, login="whose", session="secret", cache_key="key",
    )  # fmt: skip


def test_what_was_saved_is_loaded() -> None:
    exchange = whole()
    found = loaded(from_file(saved(exchange)))
    for name in FIELDS:
        if name not in ("route", "version", "turns", "sent_at", "first_at"):
            assert getattr(found, name) == getattr(exchange, name), name
    (turn,), (record,) = found.turns, exchange.turns
    for name in TURN_FIELDS:
        if name not in ("sent_at", "first_at"):
            assert getattr(turn, name) == getattr(record, name), name
    assert (found.version, found.route) == (VERSION, "responses")


def test_what_is_loaded_is_what_was_shown() -> None:
    exchange = whole()
    seen, found = shown(exchange), loaded(from_file(saved(exchange)))
    for one in (seen, found):
        assert one.sent_at and one.first_at and one.turns[0].sent_at
        one.sent_at, one.first_at = round(one.sent_at), round(one.first_at)
        one.turns[0].sent_at, one.turns[0].first_at = round(one.turns[0].sent_at), None
    assert seen == found


def test_times_are_saved_by_the_wall_clock_and_the_exchange_keeps_its_own() -> None:
    exchange = whole()
    before = exchange.sent_at, exchange.turns[0].sent_at
    now, found = time.time(), loaded(saved(exchange))
    for one in (found, found.turns[0]):
        assert one.sent_at is not None and one.first_at is not None
        assert one.sent_at == pytest.approx(now, abs=5)
        assert one.first_at - one.sent_at == pytest.approx(1)
    assert (exchange.sent_at, exchange.turns[0].sent_at) == before


def test_of_an_exchange_that_just_began_little_is_saved() -> None:
    assert saved(Exchange(method="GET", path="/")) == {"version": VERSION, "method": "GET", "path": "/"}
    assert loaded(from_file(saved(Exchange()))) == Saved()


@pytest.mark.parametrize("name", ["token", "token_ends", "login", "session", "cache_key", "client", "page"])
def test_secrets_and_fingerprints_are_not_saved(name: str) -> None:
    assert name not in FIELDS and name not in TURN_FIELDS
    assert hasattr(whole(), name)


def test_nothing_of_a_secret_is_in_what_is_saved() -> None:
    told = repr(saved(whole()))
    assert not [word for word in ("fingerprint", "whose", "secret", "'key'") if word in told]


# The first form, which had no version.

FIRST: dict[str, Any] = {
    "method": "POST",
    "path": "/v1/responses",
    "route": "responses",
    "caller": "me",
    "original": {"method": "POST", "path": "/v1", "headers": [["Accept", "a"]], "body": None, "body_size": 0, "body_cut": False},
    "changes": [["store", "set to false", "it is refused", "store set to false"]],
    "header_changes": [["user-agent", "a → b", "as the backend wants it"]],
    "notes": ["sent again"],
    "sent_at": 1234.5,
    "first_at": 1235.5,
    "heard_at": 1236.5,
    "usage": "tokens in 1 (cached 2) out 3 (reasoning 4)",
    "tokens": {"in": 1, "cached": 2, "out": 3, "reasoning": 4},
    "marks": [[0, 5], [100, 90]],
    "lite": True,
}  # fmt: skip

FIRST_TURN: dict[str, Any] = {
    "number": 1, "asked": 1e9, "answered": 1e9 + 1, "model": "a", "sent_model": "b", "changes": [["store", "set", "why", "store"]],
    "notes": ["warm-up"], "sent_at": 1234.5, "first_at": 1235.5, "heard_at": 1236.5, "marks": [[0, 5]], "cut": True,
    "usage": "tokens in 1", "tokens": {"in": 1, "cached": 0, "out": 0, "reasoning": 0}, "ended": "response.completed",
}  # fmt: skip


def test_the_first_form_is_read_without_its_times() -> None:
    assert loaded(from_file(FIRST)) == Saved(
        method="POST", path="/v1/responses", route="responses", caller="me",
        original=Original("POST", "/v1", [("Accept", "a")]), changes=[CHANGE], header_changes=[HEADER_CHANGE],
        notes=["sent again"], tokens=Tokens(1, 2, 3, 4), marks=[(0, 5), (100, 90)],
    )  # fmt: skip


@pytest.mark.parametrize("others", [[], [None], [{"asked": "x"}]], ids=["alone", "beside none", "beside garbage"])
def test_the_turns_of_the_first_form_are_read_without_their_times(others: list[Any]) -> None:
    turn = loaded(from_file({"turns": [FIRST_TURN, *others]})).turns[0]
    assert turn == SavedTurn(
        number=1, asked=1e9, answered=1e9 + 1, model="a", sent_model="b", changes=[Change("store", "set", "why", "store")],
        notes=["warm-up"], tokens=Tokens(1), ended="response.completed", marks=[(0, 5)],
    )  # fmt: skip


# Whatever stands there.

GARBAGE: list[Any] = [
    None, True, 3, -1.5, math.nan, 10**400, "x", "", b"x", [], {}, [None], [[]], ["a"], [["a"]], [["a", "b"]], [[None, None, None]],
    [["a", "b", "c", "d", "e"]], [[1, 2, 3]], [{}], [{"a": 1}], {"in": "x"}, {"headers": 3}, {b"x": 1}, {3: 1},
]  # fmt: skip


@pytest.mark.parametrize(
    "value", [None, True, 3, "x", b"x", [], ["model"], [["model", "m"]], {}, {"x": 1}, {b"model": "m"}, {3: 4}]
)
def test_what_is_no_exchange_is_one_of_which_nothing_is_known(value: Any) -> None:
    assert loaded(value) == Saved()


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("version", [{}, {"version": VERSION}], ids=["first form", "this form"])
def test_a_field_of_another_type_is_left_out_and_the_others_stay(name: str, version: dict[str, Any]) -> None:
    good: dict[str, Any] = {"model": "m", "notes": ["a"], "turns": [{"number": 7}]} | version
    for garbage in GARBAGE:
        found = loaded({**good, name: garbage})
        for other in ("model", "notes"):
            assert other == name or getattr(found, other) == good[other]
        assert name == "turns" or [turn.number for turn in found.turns] == [7]
        assert_as_it_should_be(found)


@pytest.mark.parametrize("name", TURN_FIELDS)
def test_a_field_of_a_turn_is_left_out_and_the_turn_stays(name: str) -> None:
    for garbage in GARBAGE:
        found = loaded(
            {"version": VERSION, "turns": [{"model": "m", "notes": ["a"], name: garbage}, None, {"number": 2}]}
        )
        one, two = found.turns
        assert name == "model" or one.model == "m"
        assert name == "notes" or one.notes == ["a"]
        assert two == SavedTurn(number=2)
        assert_as_it_should_be(found)


def test_what_is_nested_without_end_is_left_out() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for name in FIELDS:
        found = loaded({"version": VERSION, name: deep, "model": "m"})
        assert name == "model" or found.model == "m"


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    later = {"version": VERSION + 1, "model": "m", "sent_at": 1e9, "unheard_of": [1]}
    assert loaded(later) == Saved(version=VERSION + 1, model="m", sent_at=1e9)


def assert_as_it_should_be(found: Saved) -> None:
    """Each field has its type, in the turns too."""
    again = msgspec.convert(msgspec.to_builtins(found), Saved)
    assert repr(again) == repr(found)  # a time may be NaN, which is not itself


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
NAMES = st.sampled_from(
    [*FIELDS, *TURN_FIELDS, *Original.__struct_fields__, "in", "out", "cached", "reasoning"]
) | st.text(max_size=4)
# What a file of flows may hold: keys of any kind, too.
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(NAMES, inner, max_size=5)
        | st.dictionaries(st.integers() | st.binary(max_size=3), inner, max_size=2)
    ),
    max_leaves=15,
)
CHANGES = st.lists(st.lists(st.text(max_size=3), min_size=3, max_size=4), max_size=2)
TOKENS = st.dictionaries(st.sampled_from(["in", "out", "cached", "reasoning"]), st.integers(), max_size=4)
ALMOST = st.dictionaries(st.sampled_from([*TURN_FIELDS, "original"]), ANYTHING | CHANGES | TOKENS, max_size=6)
STATES = ALMOST | st.builds(
    lambda state, turns: {**state, "turns": turns}, ALMOST, st.lists(ALMOST | ANYTHING, max_size=3)
)


@given(ANYTHING | STATES | st.builds(lambda state: {**state, "version": VERSION}, STATES))
@examples(300)
def test_nothing_that_a_flow_may_hold_raises(value: Any) -> None:
    assert_as_it_should_be(loaded(value))


def test_a_turn_is_saved_as_it_is_until_it_has_ended() -> None:
    turn = TurnRecord(number=1, asked=5.5, model="one")
    exchange = Exchange(turns=[turn])
    assert saved(exchange)["turns"] == [{"number": 1, "asked": 5.5, "model": "one"}]
    turn.ended = "response.completed"
    ended = saved(exchange)["turns"]
    assert (
        ended == [{"number": 1, "asked": 5.5, "model": "one", "ended": "response.completed"}]
        and saved(exchange)["turns"] == ended
    )
