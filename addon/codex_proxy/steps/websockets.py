"""WebSockets: patch each `response.create` like a body, repair its last event, and log each turn like a request.

mitmproxy forwards a message even if a hook raised. So each client message starts out dropped (layers/websocket_wire.py), and goes
up only after `_up` has finished.
"""

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook
from mitmproxy.websocket import WebSocketMessage

from .. import workers
from ..account.tokens import fingerprint
from ..backend import refusals, transport_errors
from ..backend import usage_windows as usage
from ..errors import ProxyError
from ..layers import ours, websocket_messages, websocket_wire, wire
from ..memory import store
from ..raw_json import ABSENT, Object, text, value
from ..request import body_rules
from ..walk.exchange import Exchange
from ..websocket import frame_budget, turns
from ..websocket.turns import Connection, Turn
from . import exchanges, request_log
from .answer import Answer
from .inject_token import InjectToken
from .login import Login
from .memory import Memory
from .models import Models
from .patch_body import PatchBody
from .recent_requests import RecentRequests
from .refusal import unforeseen
from .stopping import Stopping, stopped
from .timeouts import Timeouts
from .usage_windows import UsageWindows

# Close codes (RFC 6455 section 7.4.1, and its registry).
POLICY, FAILED, RESTART = 1008, 1011, 1012

# The longest reason of a close frame, in bytes.
REASON = 123

# An error event is recognized within this many bytes.
HEAD = 4096

# No turn begins with a token that has less than this, in seconds: it would end on the way to the backend.
ENDS_SOON = 5.0


class WebSockets:
    # Models are explained before a turn's event is repaired; Answer explains a refused upgrade.
    after = (InjectToken, Answer)

    def __init__(
        self,
        patch_body: PatchBody,
        models: Models,
        memory: Memory,
        login: Login,
        timeouts: Timeouts,
        stopping: Stopping,
        usage: UsageWindows,
        recent: RecentRequests,
    ) -> None:
        self.patch_body, self.models, self.memory, self.login = patch_body, models, memory, login
        self.timeouts, self.stopping, self.usage, self.recent = timeouts, stopping, usage, recent
        # The token that came in the place of a refused one: if it is refused too, another will not help.
        self._replacement = ""

    # The upgrade.

    def responseheaders(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.response and flow.response.status_code == 101:
            flow.response.headers["Connection"] = "Upgrade"  # of this connection, and so not among those that come down

    def response(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.response is None or exchange.refused:
            return
        is_socket, status = exchange.route.name == "socket", flow.response.status_code
        if is_socket and status == 101 and flow.websocket:
            self._watch_messages(flow, exchange)
        elif status == 101 or (is_socket and status < 400):
            flow.websocket = None
            wire.hang_up_upstream(flow, "no upgrade")
            raise ProxyError("backend_garbled", f"The backend answered the upgrade with status {status}.")

    def websocket_start(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.websocket:
            self._watch_messages(flow, exchange)
            limit = min(self.patch_body.patching.limit, turns.LONGEST)
            socket = Connection(turns.Turns(is_official=exchange.is_official))
            websocket_wire.take_over(
                flow,
                limit,
                lambda: self._last_words(flow, exchange, socket),
                lambda: self._flooded(flow, exchange, socket),
            )
            # Last: without it no message is let through.
            exchange.connection = socket

    def _watch_messages(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        ref = weakref.ref(flow)

        def forgotten() -> None:
            if (known := ref()) is not None:
                request_log.refused_message(known, exchange, turns.NOT_SEEN)
                websocket_wire.say(known, turns.error_event(turns.NOT_SEEN))

        websocket_messages.watch(flow, forgotten)

    # Messages.

    async def websocket_message(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        if flow.websocket is None:
            return
        message, socket = flow.websocket.messages[-1], exchange.connection
        try:
            if message.from_client:
                websocket_messages.of(flow).looked_at(message)
                with wire.not_reading(flow):
                    await self._up(flow, exchange, socket, message)
            elif message.injected:
                self._ours(flow, socket, message)
            elif socket and socket.closing:
                message.drop()  # the last message has been sent
            elif socket:
                await self._down(flow, exchange, socket, message)
        except ProxyError as e:
            self._refuse(flow, exchange, message, e)
        except Exception as e:
            error = unforeseen("WebSockets", e, None if message.from_client else exchange)
            if socket and not message.from_client:
                message.drop()
                self.close(flow, error, FAILED)
            else:
                self._refuse(flow, exchange, message, error)

    async def _up(
        self, flow: http.HTTPFlow, exchange: Exchange, socket: Connection | None, message: WebSocketMessage
    ) -> None:
        """Let a client's message through, patched. Raises ProxyError."""
        if socket is None:
            raise turns.NOT_SEEN.with_traceback(None)
        if websocket_wire.was_too_large(flow):
            raise turns.TOO_LARGE.with_traceback(None)
        if not message.is_text:
            raise ProxyError("invalid_json", "The message is binary; the backend takes JSON as text.")
        kind, body = await workers.run(len(message.content), turns.read, message.content)
        if kind == turns.CREATE:
            turn = await self._patch(flow, exchange, socket, message, body)
            if turn is None:
                return
            # A timer must not keep what is over.
            self._watch(weakref.ref(flow), socket, weakref.ref(turn))
        else:
            self._settle_soon(flow, exchange)
        message.dropped = False

    async def _patch(
        self, flow: http.HTTPFlow, exchange: Exchange, socket: Connection, message: WebSocketMessage, body: Object
    ) -> Turn | None:
        """The turn that a `response.create` begins; None where the connection is closed instead."""
        if self.stopping.is_asked:
            raise stopped("it takes no new requests")
        if (ends := exchange.token_ends) is not None and ends - ENDS_SOON <= time.time():
            self.close(flow, turns.connect_anew("The token that this connection was opened with has expired."))
            return None
        before = text(body.get("previous_response_id", ABSENT))
        options = await self.patch_body.options_for(exchange, body)
        lite = options.lite or (exchange.is_official and turns.is_lite(body))
        options = replace(options, socket=True, lite=lite)
        if before in socket.turns.known:
            options = replace(options, chained=True, session=options.session or socket.turns.known[before])
        patched = await workers.run(len(message.content), body_rules.patch, body, options)
        if patched.body is not None:
            message.content = patched.body
        record = turns.record_of(message.timestamp, patched, is_warm_up=value(body.get("generate", ABSENT)) is False)
        turn = socket.turns.begin(record, time.monotonic())
        turn.cache_key = patched.cache_key
        exchange.turns.append(record)
        self.recent.turn_begins(flow, record)
        memory = self.memory.store
        if patched.believes_stored and memory.room:
            asked = await workers.run(len(message.content), store.parts_of_request, message.content)
            past = memory.conversation(exchange.caller, before) if options.chained else []
            turn.asked = None if past is None else [*store.parts(past), *asked]
        return turn

    async def _down(
        self, flow: http.HTTPFlow, exchange: Exchange, socket: Connection, message: WebSocketMessage
    ) -> None:
        """Repair an event of the backend's, and keep what it tells."""
        if not message.is_text:
            return
        status = turns.status_of(message.content) if b'"error"' in message.content[:HEAD] else None
        if status and (error := refusals.explain(status, {}, message.content)).code == "model_not_found":
            await self.models.explain(exchange, error)
            message.content = turns.error_event(error)
            status = error.status
        if windows := usage.windows_in(message.content):
            self.usage.take(exchange, windows)
        oldest = socket.turns.running[0] if socket.turns.running else None
        fixed, turn = socket.turns.take(message.content, time.monotonic())
        if not fixed:
            message.drop()
        elif fixed is not message.content:
            message.content = fixed
        if status == 401 and (failure := await self._replaced(exchange, message.content)):
            message.drop()
            self.close(flow, failure)
        if turn is None:
            self._settle_soon(flow, exchange)
        elif turn is not oldest:
            turn.record.answered = message.timestamp
            self._end(flow, exchange, turn, socket, is_apart=True)
        else:
            turn.record.answered = websocket_messages.of(flow).fold(message, turn.kept)
            if turn.repair.ended:
                self._end(flow, exchange, turn, socket)
            if turn.response_id and exchange.token == self._replacement:
                # It is good: if it is refused later, another may help again.
                self._replacement = ""

    def _ours(self, flow: http.HTTPFlow, socket: Connection | None, message: WebSocketMessage) -> None:
        """A message of the proxy, or of the user at mitmweb, on its way to the client."""
        if socket and socket.closing and message.content == socket.closing[0]:
            if not message.content:
                message.drop()
                # Addons behind this one look at the last message too.
                asyncio.get_running_loop().call_soon(websocket_messages.of(flow).take_out, message)
            websocket_wire.close_after_message(flow, *socket.closing[1:])

    async def _replaced(self, exchange: Exchange, event: bytes) -> ProxyError | None:
        """After a refused token: the event that makes the client reconnect, with a new token; None if that would not help."""
        rejected = exchange.token
        if not exchange.token_was_sent:
            return None
        if refusals.is_region(event.decode("utf-8", "replace")) or rejected == self._replacement:
            return None
        try:
            tokens = await self.login.store.replaced(rejected)
        except ProxyError as e:
            return e
        self._replacement = fingerprint(tokens.access_token)
        return turns.connect_anew("The backend refused the token, and it has been renewed.")

    # The proxy's own messages.

    def is_quiet(self, flow: http.HTTPFlow) -> bool:
        """Whether it is an open WebSocket without a running turn."""
        exchange = exchanges.of(flow)
        return exchange is not None and exchange.connection is not None and not exchange.connection.turns.running

    def close(self, flow: http.HTTPFlow, error: ProxyError | None = None, code: int = RESTART) -> None:
        """End a connection; with `error` as the last message if a turn is running."""
        exchange = exchanges.of(flow)
        socket = exchange.connection if exchange else None
        if exchange is None or socket is None or socket.closing:
            return
        said = b"" if error is None else turns.error_event(error)
        reason = "The proxy is being stopped." if error is None else error.message
        socket.closing = said, code, reason.encode()[:REASON].decode("utf-8", "ignore")
        if error is not None:
            self._fail(flow, exchange, socket, error)
        websocket_wire.say(flow, said)

    def _refuse(self, flow: http.HTTPFlow, exchange: Exchange, message: WebSocketMessage, error: ProxyError) -> None:
        """A message that does not go up; the connection stays."""
        message.drop()
        request_log.refused_message(flow, exchange, error)
        websocket_wire.say(flow, turns.error_event(error))
        if exchange.connection:
            self._settle_soon(flow, exchange)

    def _last_words(self, flow: http.HTTPFlow, exchange: Exchange, socket: Connection) -> tuple[bytes, int, str]:
        """After the backend was lost without a close: an error for a running turn, and the close code."""
        said = turns.error_event(turns.LOST) if socket.turns.running else b""
        self._fail(flow, exchange, socket, turns.LOST)
        return said, FAILED, "The connection to the backend was lost."

    def _flooded(self, flow: http.HTTPFlow, exchange: Exchange, socket: Connection) -> tuple[int, str]:
        """How to close the connection of a client that exceeds the frame budget."""
        socket.closing = b"", POLICY, frame_budget.REASON
        self._fail(flow, exchange, socket, turns.FLOODED)
        request_log.refused_message(flow, exchange, turns.FLOODED)
        return POLICY, frame_budget.REASON

    def _watch(self, of: weakref.ref[http.HTTPFlow], socket: Connection, running: weakref.ref[Turn]) -> None:
        """End the connection when the backend is silent for too long in a turn."""
        flow, turn, now = of(), running(), time.monotonic()
        if flow is None or turn is None or not flow.live or turn.repair.ended:
            return
        idle = self.timeouts.idle
        silent = now - max(turn.record.sent_at or now, socket.turns.heard_at)
        if silent >= idle and not flow.intercepted:
            self.close(flow, transport_errors.explain("", ours.backend().host, "idle", after=idle), FAILED)
        else:
            left = idle if flow.intercepted else idle - silent
            asyncio.get_running_loop().call_later(max(left, 0.01), self._watch, of, socket, running)

    # What is kept and logged.

    def _fail(self, flow: http.HTTPFlow, exchange: Exchange, socket: Connection, error: ProxyError) -> None:
        while socket.turns.running:
            turn = socket.turns.running.popleft()
            turn.fail(error, time.monotonic())
            self._end(flow, exchange, turn, socket)

    def _end(
        self, flow: http.HTTPFlow, exchange: Exchange, turn: Turn, socket: Connection, is_apart: bool = False
    ) -> None:
        """A turn is over; `is_apart` is one that was refused while another is being answered."""
        if turn.asked is not None and turn.response_id:
            self.memory.store.remember(exchange.caller, turn.asked, turn.repair.response)
        self.recent.turn_ends(flow, exchange, turn.record)
        request_log.turn(flow, exchange, turn.record, socket.turns.number)
        self._settle_soon(flow, exchange, None if is_apart else websocket_messages.of(flow).turn_over())

    def _settle_soon(self, flow: http.HTTPFlow, exchange: Exchange, settle: Callable[[], float] | None = None) -> None:
        """Keep the turn's messages, and earlier ones as far as there is room."""
        work = settle or websocket_messages.of(flow).trim
        asyncio.get_running_loop().call_soon(self._settle, flow, exchange, work)

    def _settle(self, flow: http.HTTPFlow, exchange: Exchange, settle: Callable[[], float]) -> None:
        oldest = settle()
        exchange.turns = [record for record in exchange.turns if record.asked >= oldest]
        exchanges.save(flow, exchange)
        ctx.master.addons.trigger(UpdateHook([flow]))

    def websocket_end(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        socket, exchange.connection = exchange.connection, None
        if socket is None or flow.websocket is None:
            return
        by = "client" if flow.websocket.closed_by_client else "backend"
        code = "client_gone" if by == "client" else "stream_broken"
        error = ProxyError(code, f"The {by} closed the connection before the last event.")
        self._fail(flow, exchange, socket, error)
        request_log.websocket_end(flow, exchange, "proxy" if socket.closing else by, socket.turns.number)
