"""Write one log line for each request, and the flow's comment in mitmweb."""

import logging
import time

from mitmproxy import ctx, http

from .. import __version__
from ..errors import ProxyError
from ..layers import ours
from ..outcome import Outcome
from ..output.redact import one_line
from ..walk.exchange import Exchange
from ..websocket.turns import TurnRecord
from .answer import Answer

logger = logging.getLogger(__name__)

# The mark of failed flows in mitmweb's list; the user's own marks are kept.
TROUBLE = ":red_circle:"


class RequestLog:
    # Answer has noted how the stream ended, and what went wrong.
    after = (Answer,)

    def running(self) -> None:
        where = f"requests go to {ours.backend().url}, as {ctx.options.codex_originator}"
        logger.info(f"Codex proxy {__version__}: {where if ctx.options.server else 'nothing listens'}.")

    def request(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        flow.comment = one_line(brief(exchange))

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        # A WebSocket is logged turn by turn (websockets.py).
        if not flow.websocket:
            self._tell(flow, exchange, "")

    def error(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.error is None:
            return
        flow.error.msg = one_line(flow.error.msg)
        if flow.response is not None and flow.response.timestamp_end is None:
            flow.response.timestamp_end = flow.error.timestamp
        if exchange.stopped:
            # By the proxy itself, when the answer was complete.
            flow.error = None
        self._tell(flow, exchange, flow.error.msg if flow.error else "")

    def _tell(self, flow: http.HTTPFlow, exchange: Exchange, problem: str) -> None:
        more = details(flow, exchange)
        line = " · ".join(part for part in (outcome(flow, exchange, problem), *more) if part)
        # Codes and models are the backend's and the client's words.
        flow.comment = one_line(" · ".join(part for part in (brief(exchange), problem, *more) if part))
        if (problem or exchange.error or not flow.response or flow.response.status_code >= 400) and not flow.marked:
            flow.marked = TROUBLE
        level = logging.WARNING if problem or (flow.response and flow.response.status_code >= 500) else logging.INFO
        logger.log(level, one_line(f"{exchange.method} {exchange.path} {line}"))


def turn(flow: http.HTTPFlow, exchange: Exchange, record: TurnRecord, number: int) -> None:
    """A turn of a WebSocket is over: its log line, and the flow's comment."""
    name = record.model if record.model == record.sent_model else f"{record.model} → {record.sent_model}"
    ended = record.error or record.ended.removeprefix("response.")
    line = " · ".join([f"turn {record.number} {name} {ended}", *details(flow, record)])
    flow.comment = one_line(", ".join(part for part in (brief(record), turns_so_far(number)) if part))
    if record.error and not flow.marked:
        flow.marked = TROUBLE
    logger.info(one_line(f"WebSocket {exchange.path} {line}"))


def refused_message(flow: http.HTTPFlow, exchange: Exchange, error: ProxyError) -> None:
    """A message of a WebSocket did not go up."""
    flow.marked = flow.marked or TROUBLE
    logger.info(one_line(f"WebSocket {exchange.path} message refused: {error.code}"))


def websocket_end(flow: http.HTTPFlow, exchange: Exchange, by: str, number: int) -> None:
    assert flow.websocket
    code = flow.websocket.close_code
    took = span(time.monotonic() - (exchange.sent_at or 0.0))
    parts = [f"closed by the {by} ({code})", turns_so_far(number), f"took {took}"]
    logger.info(one_line(f"WebSocket {exchange.path} " + " · ".join(parts)))


def turns_so_far(number: int) -> str:
    return f"{number} turn" + ("" if number == 1 else "s")


def outcome(flow: http.HTTPFlow, exchange: Exchange, problem: str) -> str:
    """Model and status: `gpt-4.1 → gpt-6-luna 200`."""
    model, sent = exchange.model, exchange.sent_model
    name = model if model == sent else f"{model} → {sent}"
    status = str(flow.response.status_code) if flow.response else "no answer"
    return " ".join(part for part in (name, status, exchange.problem, f"({problem})" if problem else "") if part)


def brief(of: Outcome) -> str:
    """What fits into mitmweb's list, some twenty characters: the error, or `gpt-6-luna, 6 changes`."""
    number = len(of.changes)
    changes = f"{number} change" + ("" if number == 1 else "s") if number else ""
    return ", ".join(part for part in (of.problem, of.sent_model, changes) if part)


def details(flow: http.HTTPFlow, of: Outcome) -> list[str]:
    """Changes, notes, times, tokens and the backend's request id."""
    parts = []
    if of.changes:
        parts.append("changed: " + ", ".join(change.short for change in of.changes))
    parts += of.notes
    if of.sent_at is not None:
        if of.first_at is not None:
            parts.append(f"first byte {span(of.first_at - of.sent_at)}")
        parts.append(f"took {span(time.monotonic() - of.sent_at)}")
    if of.tokens:
        parts.append(of.tokens.line())
    if flow.response and (request_id := flow.response.headers.get("x-request-id", "")):
        parts.append(request_id)
    return parts


def span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
