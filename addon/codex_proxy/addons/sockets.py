"""WebSockets: each `response.create` is patched like a body, its last event repaired; a turn is told of like a request.

mitmproxy sends a message on after a hook that raised: a client's message comes dropped (socket_wire.py), and goes up only
where `_up` has come to its end.
"""

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook
from mitmproxy.websocket import WebSocketMessage

from .. import workers
from ..account import usage
from ..account.tokens import fingerprint
from ..backend import backend_errors, header_rules, transport_errors
from ..errors import ProxyError
from ..raw import ABSENT, text
from ..request import body_rules, frame_budget, stored, turns
from ..request.turns import Turn, Turns
from . import flows, socket_messages, socket_wire, stop, tell, wire

# Close codes (RFC 6455 section 7.4.1, and its registry).
POLICY, FAILED, RESTART = 1008, 1011, 1012

# A close frame has room for so much of a reason, in bytes.
REASON = 123

# No turn begins with a token that has less than this, in seconds: it would end on the way to the backend.
ENDS_SOON = 5.0


@dataclass
class Socket:
    """A connection that is open."""

    turns: Turns = field(default_factory=Turns)
    closing: tuple[bytes, int, str] | None = None
    """Our last message, after which the connection is closed, with code and reason."""


class Sockets:
    def __init__(self) -> None:
        self._open: weakref.WeakKeyDictionary[http.HTTPFlow, Socket] = weakref.WeakKeyDictionary()
        # The token that came in the place of a refused one: if it is refused too, another will not help.
        self._replacement = ""

    # The upgrade.

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow) and flow.response and flow.response.status_code == 101:
            flow.response.headers["Connection"] = "Upgrade"  # of this connection, and so not among those that come down

    def response(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.response is None or "refused" in flows.state_of(flow):
            return
        is_socket, status = flows.state_of(flow).get("route") == "socket", flow.response.status_code
        if is_socket and status == 101 and flow.websocket:
            self._watch_messages(flow)
        elif status == 101 or (is_socket and status < 400):
            flow.websocket = None
            wire.hang_up_upstream(flow, "no upgrade")
            flows.refuse(
                flow, ProxyError(502, "backend_garbled", f"The backend answered the upgrade with status {status}.")
            )

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        if flows.is_claimed(flow) and flow.websocket:
            self._watch_messages(flow)
            socket = Socket()
            limit = min(ctx.master.addons.get("patchbody").limit, turns.LONGEST)
            socket_wire.take_over(
                flow, limit, lambda: self._last_words(flow, socket), lambda: self._flooded(flow, socket)
            )
            self._open[flow] = socket
            flows.state_of(flow)["turns"] = []

    def _watch_messages(self, flow: http.HTTPFlow) -> None:
        ref = weakref.ref(flow)

        def forgotten() -> None:
            if (known := ref()) is not None:
                tell.refused_message(known, turns.NOT_SEEN)
                socket_wire.say(known, turns.error_event(turns.NOT_SEEN))

        socket_messages.watch(flow, forgotten)

    # Messages.

    async def websocket_message(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.websocket is None:
            return
        message, socket = flow.websocket.messages[-1], self._open.get(flow)
        try:
            if message.from_client:
                socket_messages.of(flow).looked_at(message)
                with wire.not_reading(flow):
                    await self._up(flow, socket, message)
            elif message.injected:
                self._ours(flow, socket, message)
            elif socket and socket.closing:
                message.drop()  # the last word is said
            elif socket:
                await self._down(flow, socket, message)
        except ProxyError as e:
            self._refuse(flow, message, e)
        except Exception as e:
            error = flows.unforeseen("Sockets", e, None if message.from_client else flow)
            if socket and not message.from_client:
                message.drop()
                self.close(flow, error, FAILED)
            else:
                self._refuse(flow, message, error)

    async def _up(self, flow: http.HTTPFlow, socket: Socket | None, message: WebSocketMessage) -> None:
        """Let a client's message through, patched. Raises ProxyError."""
        if socket is None:
            raise turns.NOT_SEEN.with_traceback(None)
        if socket_wire.was_too_large(flow):
            raise turns.TOO_LARGE.with_traceback(None)
        if not message.is_text:
            raise ProxyError(400, "invalid_json", "The message is binary; the backend takes JSON as text.")
        kind, body = await workers.run(len(message.content), turns.read, message.content)
        if kind == turns.CREATE:
            turn = await self._patch(flow, socket, message, body)
            if turn is None:
                return
            # A timer must not keep what is over.
            self._watch(weakref.ref(flow), socket, weakref.ref(turn))
        else:
            self._settle_soon(flow)
        message.dropped = False

    async def _patch(
        self, flow: http.HTTPFlow, socket: Socket, message: WebSocketMessage, body: dict[str, Any]
    ) -> Turn | None:
        """The turn that a `response.create` begins; None where the connection is closed instead."""
        state, addons = flows.state_of(flow), ctx.master.addons
        if addons.get("stop").is_asked:
            raise stop.stopped("it takes no new requests")
        if (ends := state.get("token_ends")) is not None and ends - ENDS_SOON <= time.time():
            self.close(flow, turns.connect_anew("The token that this connection was opened with has run out."))
            return None
        before = text(body.get("previous_response_id", ABSENT))
        wish = await addons.get("patchbody").wish_of(flow, body)
        lite = wish.lite or (turns.is_lite(body) and header_rules.is_codex(flow.request.headers))
        wish = replace(wish, socket=True, lite=lite)
        if before in socket.turns.known:
            wish = replace(wish, chained=True, session=wish.session or socket.turns.known[before])
        patched = await workers.run(len(message.content), body_rules.patch, body, wish)
        if patched.body is not None:
            message.content = patched.body
        record = turns.record_of(message.timestamp, patched, is_warm_up=body.get("generate") == b"false")
        turn = socket.turns.begin(record, time.monotonic())
        turn.cache_key = patched.cache_key
        state["turns"].append(record)
        addons.get("recent").turn_begins(flow, record)
        memory = addons.get("memory").store
        if patched.believes_stored and memory.room:
            asked = await workers.run(len(message.content), stored.parts_of_request, message.content)
            past = memory.conversation(state["caller"], before) if wish.chained else []
            turn.asked = None if past is None else [*stored.parts(past), *asked]
        return turn

    async def _down(self, flow: http.HTTPFlow, socket: Socket, message: WebSocketMessage) -> None:
        """Repair an event of the backend's, and keep what it tells."""
        if not message.is_text:
            return
        if windows := usage.windows_in(message.content):
            ctx.master.addons.get("status").take(flow, windows)
        status = turns.status_of(message.content) if b'"error"' in message.content[:4096] else None
        oldest = socket.turns.running[0] if socket.turns.running else None
        fixed, turn = socket.turns.take(message.content, time.monotonic())
        if fixed is not message.content:
            message.content = fixed
        if status == 401 and (error := await self._replaced(flow, message.content)):
            message.drop()
            self.close(flow, error)
        if turn is None:
            self._settle_soon(flow)
        elif turn is not oldest:
            turn.record["answered"] = message.timestamp
            self._end(flow, socket, turn, is_apart=True)
        else:
            turn.record["answered"] = socket_messages.of(flow).fold(message, turn.kept)
            if turn.repair.ended:
                self._end(flow, socket, turn)
            if turn.response_id and flows.state_of(flow)["token"] == self._replacement:
                # It is good: if it is refused later, another may help again.
                self._replacement = ""

    def _ours(self, flow: http.HTTPFlow, socket: Socket | None, message: WebSocketMessage) -> None:
        """A message of the proxy's own, or of a person's at mitmweb, on its way to the client."""
        if socket and socket.closing and message.content == socket.closing[0]:
            if not message.content:
                message.drop()
                # Addons behind this one look at the last message too.
                asyncio.get_running_loop().call_soon(socket_messages.of(flow).take_out, message)
            socket_wire.close_after_message(flow, *socket.closing[1:])

    async def _replaced(self, flow: http.HTTPFlow, event: bytes) -> ProxyError | None:
        """After a refused token: what lets the client connect anew, with another one; None where that would not help."""
        rejected = flows.state_of(flow)["token"]
        if not flows.state_of(flow).get("token_told"):
            return None
        if backend_errors.is_region(event.decode("utf-8", "replace")) or rejected == self._replacement:
            return None
        try:
            login = await ctx.master.addons.get("puttoken").store.replaced(rejected)
        except ProxyError as e:
            return e
        self._replacement = fingerprint(login.access_token)
        return turns.connect_anew("The backend refused the token, and now there is another.")

    # What the proxy says itself.

    def is_quiet(self, flow: http.HTTPFlow) -> bool:
        """Is it an open WebSocket on which nothing is asked just now?"""
        socket = self._open.get(flow)
        return socket is not None and not socket.turns.running

    def close(self, flow: http.HTTPFlow, error: ProxyError | None = None, code: int = RESTART) -> None:
        """End a connection; with `error` as the last message, where something was asked."""
        socket = self._open.get(flow)
        if socket is None or socket.closing:
            return
        said = b"" if error is None else turns.error_event(error)
        reason = "The proxy is being stopped." if error is None else error.message
        socket.closing = said, code, reason.encode()[:REASON].decode("utf-8", "ignore")
        if error is not None:
            self._fail(flow, socket, error)
        socket_wire.say(flow, said)

    def _refuse(self, flow: http.HTTPFlow, message: WebSocketMessage, error: ProxyError) -> None:
        """A message that does not go up; the connection stays."""
        message.drop()
        tell.refused_message(flow, error)
        socket_wire.say(flow, turns.error_event(error))
        if flow in self._open:
            self._settle_soon(flow)

    def _last_words(self, flow: http.HTTPFlow, socket: Socket) -> tuple[bytes, int, str]:
        """After the backend was lost without a close: a word for a turn that is running, and the code that follows."""
        said = turns.error_event(turns.LOST) if socket.turns.running else b""
        self._fail(flow, socket, turns.LOST)
        return said, FAILED, "The connection to the backend was lost."

    def _flooded(self, flow: http.HTTPFlow, socket: Socket) -> tuple[int, str]:
        """The client sends frame after frame with nothing in them: how the connection is closed."""
        socket.closing = b"", POLICY, frame_budget.REASON
        self._fail(flow, socket, turns.FLOODED)
        tell.refused_message(flow, turns.FLOODED)
        return POLICY, frame_budget.REASON

    def _watch(self, of: weakref.ref[http.HTTPFlow], socket: Socket, running: weakref.ref[Turn]) -> None:
        """End the connection when the backend is silent for too long in a turn."""
        flow, turn, now = of(), running(), time.monotonic()
        if flow is None or turn is None or not flow.live or turn.repair.ended:
            return
        idle: float = ctx.master.addons.get("go").idle_timeout
        silent = now - max(float(turn.record["sent_at"]), socket.turns.heard_at)
        if silent >= idle and not flow.intercepted:
            self.close(flow, transport_errors.explain("", flows.backend().host, "idle", after=idle), FAILED)
        else:
            left = idle if flow.intercepted else idle - silent
            asyncio.get_running_loop().call_later(max(left, 0.01), self._watch, of, socket, running)

    # What is kept and told.

    def _fail(self, flow: http.HTTPFlow, socket: Socket, error: ProxyError) -> None:
        while socket.turns.running:
            turn = socket.turns.running.popleft()
            turn.fail(error, time.monotonic())
            self._end(flow, socket, turn)

    def _end(self, flow: http.HTTPFlow, socket: Socket, turn: Turn, is_apart: bool = False) -> None:
        """A turn is over; `is_apart` is one that was refused while another is being answered."""
        state = flows.state_of(flow)
        if turn.asked is not None and turn.response_id:
            ctx.master.addons.get("memory").store.remember(state["caller"], turn.asked, turn.repair.response)
        ctx.master.addons.get("recent").turn_ends(flow, turn.record)
        tell.turn(flow, turn.record, socket.turns.number)
        self._settle_soon(flow, None if is_apart else socket_messages.of(flow).turn_over())

    def _settle_soon(self, flow: http.HTTPFlow, settle: Callable[[], float] | None = None) -> None:
        """What is kept for good of what has come, and of what came before as far as there is room."""
        asyncio.get_running_loop().call_soon(self._settle, flow, settle or socket_messages.of(flow).trim)

    def _settle(self, flow: http.HTTPFlow, settle: Callable[[], float]) -> None:
        oldest, state = settle(), flows.state_of(flow)
        state["turns"] = [record for record in state["turns"] if record["asked"] >= oldest]
        state["let_go"] = socket_messages.of(flow).let_go
        ctx.master.addons.trigger(UpdateHook([flow]))

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        if not flows.is_claimed(flow) or flow.websocket is None:
            return
        if socket := self._open.pop(flow, None):
            by = "client" if flow.websocket.closed_by_client else "backend"
            code = "client_gone" if by == "client" else "stream_broken"
            self._fail(flow, socket, ProxyError(499, code, f"The {by} closed the connection before the last event."))
            tell.socket_end(flow, "proxy" if socket.closing else by, socket.turns.number)
