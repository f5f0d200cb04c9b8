"""Summaries of the last requests for `GET /`: no flow, header or word of a conversation is kept for it."""

import time
from collections import deque
from datetime import UTC, datetime
from weakref import WeakKeyDictionary, WeakValueDictionary

import msgspec
from mitmproxy import http

from ..front import routes
from ..outcome import Outcome, Tokens
from ..output.redact import one_line
from ..walk.exchange import Exchange
from ..websocket.turns import TurnRecord
from . import exchanges
from .answer import Answer

# Limits: rows kept; characters of a name and of free text; changes in a row.
KEPT, NAME, WORDS, CHANGES = 50, 60, 160, 40


class Row(msgspec.Struct):
    """A request as `GET /` tells of it: times in milliseconds since it was sent on, as in the log; None is not known."""

    number: int
    at: str
    client: str
    method: str
    path: str | None
    model: str | None
    sent_model: str | None
    changes: list[str | None]
    notes: list[str | None]
    tokens: Tokens | None
    first_byte_ms: int | None
    duration_ms: int | None
    running: bool
    status: int | None
    error: str | None


class RecentRequests:
    # Answer has noted how the stream ended, and what went wrong.
    after = (Answer,)

    def __init__(self) -> None:
        self._running: WeakValueDictionary[str, http.HTTPFlow] = WeakValueDictionary()
        # Of WebSockets: the records of turns, by number.
        self._turns: WeakKeyDictionary[http.HTTPFlow, dict[int, TurnRecord]] = WeakKeyDictionary()
        self._finished: deque[Row] = deque(maxlen=KEPT)
        self._count = 0

    def requestheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if not is_about_us(exchange):
            self._count += 1
            exchange.number = self._count
            self._running[flow.id] = flow

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if self._running.pop(flow.id, None) is None:
            return
        # For a WebSocket its turns are listed.
        if flow.error or not flow.response or flow.response.status_code != 101:
            self._finished.append(row(flow, exchange, exchange, exchange.number, is_running=False))

    error = response

    def turn_begins(self, flow: http.HTTPFlow, record: TurnRecord) -> None:
        self._count += 1
        self._turns.setdefault(flow, {})[self._count] = record

    def turn_ends(self, flow: http.HTTPFlow, exchange: Exchange, record: TurnRecord) -> None:
        running = self._turns.get(flow, {})
        for number in [number for number, one in running.items() if one is record]:
            self._finished.append(row(flow, exchange, running.pop(number), number, is_running=False))

    def rows(self) -> list[Row]:
        """The newest first, running ones among them."""
        found = list(self._finished)
        for flow in list(self._running.values()):
            if flow.live and (exchange := exchanges.of(flow)):
                found.append(row(flow, exchange, exchange, exchange.number, is_running=True))
        for flow, turns in list(self._turns.items()):
            if exchange := exchanges.of(flow):
                found += [row(flow, exchange, record, number, is_running=True) for number, record in turns.items()]
        return sorted(found, key=lambda one: -one.number)[:KEPT]


def is_about_us(exchange: Exchange) -> bool:
    """Does it ask for the proxy's own pages?"""
    return routes.canonical(exchange.path) in ("/", "/healthz")


def row(flow: http.HTTPFlow, exchange: Exchange, of: Outcome, number: int, *, is_running: bool) -> Row:
    """`of` is the exchange itself, or the record of one of its turns on a WebSocket."""
    problem = of.problem or (flow.error.msg if flow.error and of is exchange else None)
    at = of.asked if isinstance(of, TurnRecord) else flow.request.timestamp_start
    return Row(
        number=number,
        at=datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        client=client_name(exchange),
        method=exchange.method if of is exchange else "WebSocket",
        path=cut(exchange.path, WORDS),
        model=cut(of.model, NAME),
        sent_model=cut(of.sent_model, NAME),
        changes=[cut(change.short, WORDS) for change in of.changes[:CHANGES]],
        notes=[cut(text, WORDS) for text in of.notes],
        tokens=of.tokens,
        first_byte_ms=milliseconds(of.sent_at, of.first_at),
        duration_ms=milliseconds(of.sent_at, time.monotonic()),
        running=is_running,
        status=flow.response.status_code if flow.response and not is_running else None,
        error=cut(problem, WORDS),
    )


def client_name(exchange: Exchange) -> str:
    """What the client calls itself, without the system it runs on: `OpenAI/Python 2.1.0`; empty where it has no name."""
    agent = exchange.original.header("user-agent") if exchange.original else ""
    return cut(agent.partition(" (")[0], NAME) or ""


def cut(text: str | None, length: int) -> str | None:
    """A text for the page: no secret in it, and bounded; None for nothing."""
    return one_line(text, length) if text else None


def milliseconds(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)
