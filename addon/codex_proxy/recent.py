"""The last requests in a few words each, for `GET /`: no flow is kept for it, no header, no word of a conversation."""

import time
from collections import deque
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from mitmproxy import http

from . import flows, paths
from .redact import redact

# So many are told of; names are the callers' words, and cut to this many characters.
KEPT, NAME, WORDS, CHANGES = 50, 60, 160, 40

Row = dict[str, Any]


class Recent:
    def __init__(self) -> None:
        self._running: WeakValueDictionary[str, http.HTTPFlow] = WeakValueDictionary()
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
        if self._running.pop(flow.id, None) is not None:
            self._finished.append(row(flow, is_running=False))

    def rows(self) -> list[Row]:
        """The newest first, running ones among them."""
        running = [row(flow, is_running=True) for flow in list(self._running.values()) if flow.live]
        return sorted([*self._finished, *running], key=lambda one: -one["number"])[:KEPT]


def is_about_us(flow: http.HTTPFlow) -> bool:
    """Does it ask for the proxy's own pages?"""
    return paths.canonical(flows.state_of(flow)["path"]) in ("/", "/healthz")


def row(flow: http.HTTPFlow, *, is_running: bool) -> Row:
    """A request as `GET /` tells of it: times in milliseconds since it was sent on, as in the log; None is not known."""
    state = flows.state_of(flow)
    sent_at, first_at = state.get("sent_at"), state.get("first_at")
    problem = state.get("refused") or state.get("error") or (flow.error.msg if flow.error else None)
    return {
        "number": state["number"],
        "at": datetime.fromtimestamp(flow.request.timestamp_start, UTC).isoformat(timespec="milliseconds"),
        "client": client_name(state),
        "method": state["method"],
        "path": cut(state["path"], WORDS),
        "model": cut(state.get("model"), NAME),
        "sent_model": cut(state.get("sent_model"), NAME),
        "changes": [cut(change[3], WORDS) for change in state["changes"][:CHANGES]],
        "notes": [cut(text, WORDS) for text in state["notes"]],
        "tokens": state.get("tokens"),
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
    """A text for the page: no token in it, and not without end; None for nothing."""
    if not isinstance(text, str) or not text:
        return None
    shown = redact(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def milliseconds(start: float | None, end: float | None) -> int | None:
    return None if start is None or end is None else round((end - start) * 1000)
