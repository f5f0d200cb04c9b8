"""One log line a request, and the flow's comment in mitmweb: what happened, in words."""

import logging
import time
from typing import Any

from mitmproxy import ctx, http

from .. import __version__
from ..errors import ProxyError
from ..redact import told
from . import flows
from .event_stream import EventStream

logger = logging.getLogger(__name__)

# In mitmweb's list, on what went wrong; a mark of a person's own is left alone.
TROUBLE = ":red_circle:"


class Tell:
    def running(self) -> None:
        where = f"requests go to {flows.backend().url}, as {ctx.options.codex_originator}"
        logger.info(f"Codex proxy {__version__}: {where if ctx.options.server else 'nothing listens'}.")

    def request(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow):
            flow.comment = told(brief(flows.state_of(flow)))

    def response(self, flow: http.HTTPFlow) -> None:
        # A WebSocket is told of turn by turn (sockets.py).
        if flows.is_claimed(flow) and not flow.websocket:
            self._tell(flow, "")

    def error(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow) and flow.error:
            flow.error.msg = told(flow.error.msg)
            if flow.response is not None and flow.response.timestamp_end is None:
                flow.response.timestamp_end = flow.error.timestamp
            if flows.state_of(flow).get("stopped"):
                # By the proxy itself, when the answer was complete.
                flow.error = None
            self._tell(flow, flow.error.msg if flow.error else "")

    def _tell(self, flow: http.HTTPFlow, problem: str) -> None:
        state = flows.state_of(flow)
        if flow.response is not None and isinstance(flow.response.stream, EventStream):
            flows.tell_ending(flow, flow.response.stream.repair)
        more = details(flow, state)
        line = " · ".join(part for part in (outcome(flow, state, problem), *more) if part)
        # Codes and models are the backend's and the client's words.
        flow.comment = told(" · ".join(part for part in (brief(state), problem, *more) if part))
        if (problem or "error" in state or not flow.response or flow.response.status_code >= 400) and not flow.marked:
            flow.marked = TROUBLE
        level = logging.WARNING if problem or (flow.response and flow.response.status_code >= 500) else logging.INFO
        logger.log(level, told(f"{state['method']} {state['path']} {line}"))


def turn(flow: http.HTTPFlow, record: dict[str, Any], number: int) -> None:
    """A turn of a WebSocket is over: its log line, and the flow's comment."""
    state = flows.state_of(flow)
    model, sent = record["model"], record["sent_model"]
    name = model if model == sent else f"{model} → {sent}"
    ended = record.get("error") or record.get("ended", "").removeprefix("response.")
    line = " · ".join([f"turn {record['number']} {name} {ended}", *details(flow, record)])
    flow.comment = told(", ".join(part for part in (brief(record), turns_so_far(number)) if part))
    if "error" in record and not flow.marked:
        flow.marked = TROUBLE
    logger.info(told(f"WebSocket {state['path']} {line}"))


def refused_message(flow: http.HTTPFlow, error: ProxyError) -> None:
    """A message of a WebSocket did not go up."""
    flow.marked = flow.marked or TROUBLE
    logger.info(told(f"WebSocket {flows.state_of(flow)['path']} message refused: {error.code}"))


def socket_end(flow: http.HTTPFlow, by: str, number: int) -> None:
    assert flow.websocket
    state, code = flows.state_of(flow), flow.websocket.close_code
    parts = [f"closed by the {by} ({code})", turns_so_far(number), f"took {span(time.monotonic() - state['sent_at'])}"]
    logger.info(told(f"WebSocket {state['path']} " + " · ".join(parts)))


def turns_so_far(number: int) -> str:
    return f"{number} turn" + ("" if number == 1 else "s")


def outcome(flow: http.HTTPFlow, state: dict[str, Any], problem: str) -> str:
    """Model and status: `gpt-4.1 → gpt-6-luna 200`."""
    model, sent = state.get("model", ""), state.get("sent_model", "")
    name = model if model == sent else f"{model} → {sent}"
    status = str(flow.response.status_code) if flow.response else "no answer"
    why = state.get("refused") or state.get("error") or ""
    return " ".join(part for part in (name, status, why, f"({problem})" if problem else "") if part)


def brief(state: dict[str, Any]) -> str:
    """What there is room for in mitmweb's list, some twenty characters: what went wrong, or `gpt-6-luna, 6 changes`."""
    number = len(state["changes"])
    changes = f"{number} change" + ("" if number == 1 else "s") if number else ""
    parts = [state.get("refused") or state.get("error"), state.get("sent_model"), changes]
    return ", ".join(part for part in parts if part)


def details(flow: http.HTTPFlow, state: dict[str, Any]) -> list[str]:
    """Changes, notes, times, tokens and the backend's request id."""
    parts = []
    if state["changes"]:
        parts.append("changed: " + ", ".join(change[3] for change in state["changes"]))
    parts += state["notes"]
    if "sent_at" in state:
        if "first_at" in state:
            parts.append(f"first byte {span(state['first_at'] - state['sent_at'])}")
        parts.append(f"took {span(time.monotonic() - state['sent_at'])}")
    if "usage" in state:
        parts.append(state["usage"])
    if flow.response and (request_id := flow.response.headers.get("x-request-id", "")):
        parts.append(request_id)
    return parts


def span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
