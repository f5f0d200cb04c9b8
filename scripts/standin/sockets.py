"""`GET /responses` as a WebSocket: the upgrade, and its turns, one after the other (docs/backend.md, 11)."""

import asyncio
import json
import time
from typing import Any

from wsproto.connection import Connection as Protocol
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import generate_accept_token

from . import turn
from .answers.events import Event as StreamEvent
from .answers.events import numbered, response_object
from .answers.script import Script
from .rules.body import Case, check_responses, parsed
from .rules.headers import LITE
from .state import Hold, State
from .wire.connection import ClientGone, Connection, Request
from .wire.replies import Headers, Refused, Reply, api_error, detail, dumps, missing, wrong_type
from .wire.seen import Seen
from .world.tokens import Login
from .world.usage_windows import event as limits_event

BETA = "responses_websockets=2026-02-06"
OF_SOCKET = ("type", "previous_response_id", "generate")
LITE_METADATA = "ws_request_header_x_openai_internal_codex_responses_lite"
LIMIT = "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue."


def upgraded(state: State, request: Request, login: Login, headers: Headers) -> Reply:
    """The answer to a good upgrade. Raises Refused."""
    key = request.header("sec-websocket-key") or ""
    if request.header("sec-websocket-version") != "13" or len(key) != 24:
        raise detail("Not a WebSocket upgrade")
    if "upgrade" not in (request.header("connection") or "").lower():
        raise detail("Upgrade Required", 426)
    extension = PerMessageDeflate()
    offer = request.header("sec-websocket-extensions")
    taken = extension.accept(offer) if offer and state.deflate else None
    headers = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", generate_accept_token(key.encode()).decode()),
        *(
            [("sec-websocket-extensions", f"permessage-deflate; {taken}" if taken else "permessage-deflate")]
            if taken is not None
            else []
        ),
        *headers,
    ]
    return Reply(
        101,
        headers,
        socket=lambda connection: Socket(
            state, connection, request, login, [extension] if taken is not None else []
        ).run(),
    )


class Socket:
    """One connection after its upgrade."""

    def __init__(
        self,
        state: State,
        connection: Connection,
        request: Request,
        login: Login,
        extensions: list[PerMessageDeflate],
    ) -> None:
        self.state, self.connection, self.request, self.login = state, connection, request, login
        self.ws = Protocol(ConnectionType.SERVER, list(extensions))
        self.opened = time.monotonic()
        self.known: dict[str, list[Any]] = {}
        """Items up to and with those of each response of this connection."""
        self.answering: asyncio.Task[None] | None = None
        self.text = ""

    async def run(self) -> None:
        """Until either side closes. Raises ClientGone where the peer does so in the middle of an answer."""
        if BETA not in (self.request.header("openai-beta") or ""):
            self.send(CloseConnection(1011, "unsupported beta"))
            return
        try:
            await self.converse()
            if self.answering and (not self.answering.done() or isinstance(self.answering.exception(), ClientGone)):
                raise ClientGone
        finally:
            if self.answering:
                self.answering.cancel()
                await asyncio.gather(self.answering, return_exceptions=True)

    async def converse(self) -> None:
        while data := await self.connection.more():
            self.ws.receive_data(data)
            for event in self.ws.events():
                if not self.take(event):
                    return

    def take(self, event: Event) -> bool:
        """Is there more to come?"""
        if isinstance(event, CloseConnection):
            self.state.closed_with = event.code
            if self.ws.state is ConnectionState.REMOTE_CLOSING:
                self.send(event.response())
            return False
        if isinstance(event, Ping):
            self.send(event.response())
        elif isinstance(event, BytesMessage):
            self.send(CloseConnection(1003, "text only"))
            return False
        elif isinstance(event, Message):
            self.text += str(event.data)
            if event.message_finished:
                text, self.text = self.text, ""
                self.ask(text)
        return True

    def ask(self, text: str) -> None:
        if self.answering and not self.answering.done():
            self.refuse(
                text, None, api_error("One request at a time: a response is in progress", code="response_in_progress")
            )
            return
        self.answering = asyncio.ensure_future(self.answer(text))
        self.answering.add_done_callback(self.crashed)

    def crashed(self, task: asyncio.Task[None]) -> None:
        if (
            not task.cancelled()
            and (e := task.exception())
            and isinstance(e, Exception)
            and not isinstance(e, ClientGone)
        ):
            self.state.crashes.append(e)
            self.connection.transport.abort()

    async def answer(self, text: str) -> None:
        body: Any = None
        try:
            body = parsed(text.encode())
            case, before, generate = self.case(body)
            script, active, items = turn.script(self.state, case, used=True, headers=[], generate=generate)
        except Refused as refused:
            self.refuse(text, body, refused)
            return
        if active and active.failure.wire:
            self.remember(text, body, 0, active.text)
            self.cut(active.failure.wire == "reset")
            return
        self.remember(text, body, 200, active.text if active else None)
        if not generate:
            items = []
            script.events = warm_up(case.body)
        else:
            script.events.insert(0, limits_event(self.login.plan, self.state.now()))
        await self.write(script, self.state.hold_for("responses") if generate else None)
        self.known[script.events[-1].get("response", {}).get("id", "")] = [*before, *remembered(items)]

    def case(self, body: dict[str, Any]) -> tuple[Case, list[Any], bool]:
        """A message as a body with all that came before in its input. Raises Refused."""
        if body.get("type") != "response.create":
            raise api_error(f"Unknown message type: {body.get('type')}", code="unknown_message_type")
        self.state.tokens.bearer(self.request.header("authorization"))
        if time.monotonic() - self.opened >= self.state.socket_life:
            raise api_error(LIMIT, code="websocket_connection_limit_reached")
        before = body.get("previous_response_id")
        if before is not None and before not in self.known:
            text = f"Previous response with id '{before}' not found."
            raise api_error(text, param="previous_response_id", code="previous_response_not_found")
        generate = body.get("generate", True)
        if not isinstance(generate, bool):
            raise wrong_type("generate", "a boolean", generate)
        if body.get("model") is None:
            raise missing("model")
        plain = {key: value for key, value in body.items() if key not in OF_SOCKET}
        if isinstance(plain.get("input"), list):
            plain["input"] = [*self.known.get(before or "", []), *plain["input"]]
        metadata = body.get("client_metadata")
        lite = self.request.header(LITE) == "true" or (
            isinstance(metadata, dict) and metadata.get(LITE_METADATA) == "true"
        )
        switches = (self.state.instructions_required, self.state.status_refused)
        case = Case(
            plain,
            self.login,
            self.state.vault,
            self.request.header("version"),
            lite,
            *switches,
            models=self.state.models,
        )
        check_responses(case)
        return case, plain["input"], generate

    async def write(self, script: Script, hold: Hold | None) -> None:
        pauses = script.pauses(len(script.events)) if script.pauses else {}
        if script.wait:
            await self.connection.sleep(script.wait)
        for place, event in enumerate(script.events):
            if place in pauses:
                await self.connection.sleep(pauses[place])
            self.send(TextMessage(dumps(event).decode()))
            await self.connection.drain()
            await asyncio.sleep(0)
            if place == 1 and hold:
                await self.state.stand(self.connection)
        if script.end != "proper":
            self.cut(script.end == "reset")

    def refuse(self, text: str, body: Any, refused: Refused) -> None:
        """The same refusal as over HTTP, as an event (docs/backend.md, 7.1)."""
        reply = refused.reply
        told = json.loads(reply.body) if reply.body.startswith(b"{") else {}
        error = told.get("error") or {
            "message": reply.refusal,
            "type": "invalid_request_error",
            "code": None,
            "param": None,
        }
        self.remember(text, body, reply.status, reply.refusal)
        headers = {name: value for name, value in reply.headers if name != "content-type"}
        self.send(
            TextMessage(dumps({"type": "error", "status": reply.status, "error": error, "headers": headers}).decode())
        )
        if error.get("code") == "websocket_connection_limit_reached":
            self.send(CloseConnection(1000, ""))

    def remember(self, text: str, body: Any, status: int, refusal: str | None) -> None:
        request = self.request
        self.state.remember(
            Seen("WS", request.path, "", request.headers, text.encode(), body, status, refusal, request.connection)
        )

    def send(self, event: Event) -> None:
        self.connection.write(self.ws.send(event))

    def cut(self, reset: bool) -> None:
        if reset:
            self.connection.reset()
        else:
            self.connection.transport.close()


def remembered(items: list[Any]) -> list[Any]:
    """An answer's items as the input that they are from now on."""
    plain = [{key: value for key, value in item.items() if key != "status"} for item in items]
    return [item for item in plain if item["type"] != "reasoning" or "encrypted_content" in item]


def warm_up(body: dict[str, Any]) -> list[StreamEvent]:
    """`generate: false`: a response with an id, and an empty body."""
    response = response_object(body)
    done = {**response, "status": "completed", "output": [], "usage": None}
    return numbered(
        [{"type": "response.created", "response": response}, {"type": "response.completed", "response": done}]
    )
