"""The last requests in a few words each, for `GET /`: no flow is kept for it, no header, no word of a conversation."""

import time
from collections import deque
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from mitmproxy import http

from .. import paths
from ..redact import told
from . import flows

# So many are told of; names are the callers' words, and cut to this many characters.
KEPT, NAME, WORDS, CHANGES = 50, 60, 160, 40

Row = dict[str, Any]


class Recent:
    def __init__(self) -> None:
        self._running: WeakValueDictionary[str, http.HTTPFlow] = WeakValueDictionary()
        # Of WebSockets: the records of turns, by number.
        self._turns: WeakKeyDictionary[http.HTTPFlow, dict[int, flows.State]] = WeakKeyDictionary()
        self._finished: deque[Row] = deque(maxlen=KEPT)
        self._count = 0

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow) and not is_about_us(flow):
            self._count += 1
            flows.state_of(flow)["number"] = self._count
            self._running[flow.id] = flow

    def response(self, flow: http.HTTPFlow) -> None:
        self._finish(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._finish(flow)

    def _finish(self, flow: http.HTTPFlow) -> None:
        if self._running.pop(flow.id, None) is None:
            return
        state = flows.state_of(flow)
        # Of a WebSocket its turns are told.
        if flow.error or not flow.response or flow.response.status_code != 101:
            self._finished.append(row(flow, state, state["number"], is_running=False))

    def turn_begins(self, flow: http.HTTPFlow, record: flows.State) -> None:
        self._count += 1
        self._turns.setdefault(flow, {})[self._count] = record

    def turn_ends(self, flow: http.HTTPFlow, record: flows.State) -> None:
        running = self._turns.get(flow, {})
        for number in [number for number, one in running.items() if one is record]:
            self._finished.append(row(flow, running.pop(number), number, is_running=False))

    def rows(self) -> list[Row]:
        """The newest first, running ones among them."""
        live = [flow for flow in list(self._running.values()) if flow.live]
        running = [row(flow, flows.state_of(flow), flows.state_of(flow)["number"], is_running=True) for flow in live]
        for flow, turns in list(self._turns.items()):
            running += [row(flow, record, number, is_running=True) for number, record in turns.items()]
        return sorted([*self._finished, *running], key=lambda one: -one["number"])[:KEPT]


def is_about_us(flow: http.HTTPFlow) -> bool:
    """Does it ask for the proxy's own pages?"""
    return paths.canonical(flows.state_of(flow)["path"]) in ("/", "/healthz")


def row(flow: http.HTTPFlow, of: flows.State, number: int, *, is_running: bool) -> Row:
    """A request as `GET /` tells of it: times in milliseconds since it was sent on, as in the log; None is not known.

    `of` is the flow's state, or the record of one turn of a WebSocket.
    """
    state = flows.state_of(flow)
    sent_at, first_at = of.get("sent_at"), of.get("first_at")
    problem = of.get("refused") or of.get("error") or (flow.error.msg if flow.error and of is state else None)
    at = of.get("asked", flow.request.timestamp_start)
    return {
        "number": number,
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "client": client_name(state),
        "method": state["method"] if of is state else "WebSocket",
        "path": cut(state["path"], WORDS),
        "model": cut(of.get("model"), NAME),
        "sent_model": cut(of.get("sent_model"), NAME),
        "changes": [cut(change[3], WORDS) for change in of["changes"][:CHANGES]],
        "notes": [cut(text, WORDS) for text in of["notes"]],
        "tokens": of.get("tokens"),
        "first_byte_ms": milliseconds(sent_at, first_at),
        "duration_ms": milliseconds(sent_at, time.monotonic()),
        "running": is_running,
        "status": flow.response.status_code if flow.response and not is_running else None,
        "error": cut(problem, WORDS),
    }


def client_name(state: flows.State) -> str:
    """What the client calls itself, without the system it runs on: `OpenAI/Python 2.1.0`; empty where it has no name."""
    headers = state.get("original", {}).get("headers", [])
    agent = next((value for name, value in headers if name.lower() == "user-agent"), "")
    return cut(agent.partition(" (")[0], NAME) or ""


def cut(text: Any, length: int) -> str | None:
    """A text for the page: no secret in it, and not without end; None for nothing."""
    return told(text, length) if isinstance(text, str) and text else None


def milliseconds(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)
