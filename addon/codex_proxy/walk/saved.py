"""The part of an exchange that is saved with its flow, and how flow files are read, also those of earlier versions."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from ..changes import Change
from ..outcome import Original, Outcome, Tokens
from ..websocket.turns import TurnRecord
from .exchange import Exchange

# In `flow.metadata`.
KEY = "codex"

VERSION = 2


class SavedOutcome(msgspec.Struct, omit_defaults=True):
    """What an exchange and a turn of a WebSocket have in common; times in unix seconds."""

    model: str = ""
    sent_model: str = ""
    changes: list[Change] = []
    notes: list[str] = []
    sent_at: float | None = None
    first_at: float | None = None
    tokens: Tokens | None = None
    error: str = ""
    ended: str = ""
    marks: list[tuple[int, int]] = []


class SavedTurn(SavedOutcome, omit_defaults=True):
    """One turn of a WebSocket. `asked` and `answered` are the times of its messages in the flow."""

    number: int = 0
    asked: float = 0.0
    answered: float | None = None


class Saved(SavedOutcome, omit_defaults=True):
    """An exchange without secrets and fingerprints. The first form had no version, and times that meant nothing after a restart:
    those are not read."""

    version: int = VERSION
    method: str = ""
    path: str = ""
    route: str = ""
    caller: str = ""
    original: Original | None = None
    stream: bool = False
    header_changes: list[Change] = []
    refused: str = ""
    turns: list[SavedTurn] = []


TURN_FIELDS = SavedTurn.__struct_fields__
FIELDS = Saved.__struct_fields__

# Of the first form these are monotonic times.
TIMES = ("sent_at", "first_at")

# What needs a form of its own; the rest is saved as it is.
FORMED = ("version", "route", "original", "tokens", "turns", *TIMES)
PLAIN = tuple(name for name in FIELDS if name not in FORMED)
TURN_PLAIN = tuple(name for name in TURN_FIELDS if name not in FORMED)


def shown(exchange: Exchange) -> Saved:
    """An exchange as it is now."""
    return loaded(saved(exchange))


def saved(exchange: Exchange) -> dict[str, Any]:
    """As it goes into `flow.metadata[KEY]`: numbers, texts, lists and dictionaries of them. Made several times a request, so by hand;
    lists of texts and tuples, which may be long, are the exchange's own."""
    kept = {"version": VERSION, **_saved_outcome(exchange, PLAIN)}
    if exchange.route.name:
        kept["route"] = exchange.route.name
    if original := exchange.original:
        kept["original"] = {name: getattr(original, name) for name in Original.__struct_fields__}
    if exchange.turns:
        kept["turns"] = [_saved_turn(turn) for turn in exchange.turns]
    return kept


def _saved_turn(turn: TurnRecord) -> dict[str, Any]:
    """Of a long connection all turns are saved after each one: those that have ended are made once."""
    if turn.as_saved is not None:
        return turn.as_saved
    made = _saved_outcome(turn, TURN_PLAIN)
    if turn.ended:
        turn.as_saved = made
    return made


def _saved_outcome(of: Outcome, plain: Sequence[str]) -> dict[str, Any]:
    """What is known of the fields that are saved as they are, of the times, by the wall clock, and of the tokens."""
    kept: dict[str, Any] = {name: value for name in plain if (value := getattr(of, name))}
    if of.sent_at is not None:
        shift = time.time() - time.monotonic()
        kept |= {name: at + shift for name in TIMES if (at := getattr(of, name)) is not None}
    if of.tokens:
        kept["tokens"] = msgspec.to_builtins(of.tokens)
    return kept


def loaded(value: Any) -> Saved:
    """What a flow holds under KEY; a flow read from a file may hold anything there, and what is not as it should be is left out."""
    if not isinstance(value, dict):
        return Saved()
    left_out = () if "version" in value else TIMES
    found = _lenient(
        Saved, {name: value[name] for name in FIELDS if name in value and name not in ("turns", *left_out)}
    )
    turns = value.get("turns")
    for turn in turns if isinstance(turns, list) else ():
        if isinstance(turn, dict):
            known = {name: turn[name] for name in TURN_FIELDS if name in turn and name not in left_out}
            found.turns.append(_lenient(SavedTurn, known))
    return found


def _lenient[T: msgspec.Struct](kind: type[T], values: dict[str, Any]) -> T:
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        pass
    kept = {}
    for name, value in values.items():
        try:
            kept[name] = getattr(msgspec.convert({name: value}, kind), name)
        except (msgspec.ValidationError, UnicodeError, RecursionError):
            continue
    return kind(**kept)
