"""The stand-in itself: its connections, and everything a test or a person can switch."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Literal, Self

import h11

from .control import safe_headers
from .failures.table import Kind
from .oauth import CALLBACK_PORTS
from .routes import request_ids, route
from .state import Hold, Switches
from .wire.connection import ClientGone, Connection, Request
from .wire.replies import JSON_TYPE, Refused, Reply, detail, dumps
from .wire.seen import Seen

type Tls = tuple[str, str] | Literal[False]

log = logging.getLogger("standin")

NOT_HTTP = b"\x16\x03\x01 this is not HTTP \xff\xfe\r\n\r\n"
TOKEN_PATH = "/oauth/token"
KINDS: dict[str, Kind] = {
    "/backend-api/codex/responses": "responses",
    "/backend-api/codex/models": "models",
    TOKEN_PATH: "token",
}


class Standin(Switches):
    """`async with Standin() as s:` serves until the block ends; a handler that crashed fails the block.

    `requests` has what was asked, `refresh_calls` what was asked of `/oauth/token`; `keep` bounds both. For one event loop.
    """

    def __init__(
        self,
        port: int = 0,
        tls: Tls = False,
        host: str = "127.0.0.1",
        *,
        instructions_required: bool = True,
        status_refused: bool = True,
        require_account: bool = True,
        refuse_bare_agents: bool = False,
        trust_encrypted: Sequence[str] = (),
        keep: int | None = None,
        device_interval: int = 5,
        device_login: bool = True,
        consent: bool = False,
        callback_ports: Sequence[int] = CALLBACK_PORTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(now, tuple(trust_encrypted))
        self.host, self.port, self.tls = host, port, tls
        self.instructions_required = instructions_required
        self.status_refused = status_refused
        self.require_account = require_account
        self.refuse_bare_agents = refuse_bare_agents
        self.keep = keep
        self.device_interval = device_interval
        self.device_login = device_login
        self.oauth.consent = consent
        self.oauth.callback_ports = callback_ports
        self.requests: list[Seen] = []
        self.refresh_calls: list[Seen] = []
        self.notes: list[str] = []
        self.crashes: list[Exception] = []
        self.closed_by_client = 0
        self.accepted = 0
        self._client_gone = asyncio.Event()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        context = None
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            context.set_alpn_protocols(["http/1.1"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connected, self.host, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [connection.task for connection in self._connections]
        for connection in list(self._connections):
            connection.transport.abort()
            connection.task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()
        if self.crashes:
            raise ExceptionGroup("the stand-in crashed", self.crashes)

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    @property
    def upstream(self) -> str:
        return f"{self.origin}/backend-api/codex"

    @property
    def issuer(self) -> str:
        return self.origin

    @property
    def idle_connections(self) -> int:
        """Open, with no request on them."""
        return sum(not each.busy and not each.gone.is_set() for each in self._connections)

    async def wait_for_client_gone(self, timeout: float = 5) -> None:  # noqa: ASYNC109
        """Until a peer closes while its answer is under way; TimeoutError if none does."""
        async with asyncio.timeout(timeout):
            await self._client_gone.wait()
        self._client_gone.clear()

    def note(self, request: Request, what: str) -> None:
        self.notes.append(what)
        log.info("noted: %s %s: %s", request.method, request.path, what)

    # Connections.

    def _connected(self) -> Connection:
        self.accepted += 1
        return Connection(self.accepted, self._serve)

    async def _serve(self, connection: Connection) -> None:
        self._connections.add(connection)
        try:
            while request := await connection.next_request():
                reply = self._reply(request)
                await self._write(connection, request, reply)
                if reply.wire or reply.socket or reply.close_after or not connection.next_cycle():
                    break
        except ClientGone:
            self.closed_by_client += 1
            self._client_gone.set()
            log.info("the client closed connection %d before the answer was whole", connection.number)
        except h11.RemoteProtocolError as e:
            await self._answer_nonsense(connection, e)
        except Exception as e:
            self.crashes.append(e)
            log.exception("crashed")
            connection.transport.abort()
        finally:
            self._connections.discard(connection)
            connection.close()

    async def _answer_nonsense(self, connection: Connection, error: h11.RemoteProtocolError) -> None:
        """What is not HTTP gets a 400, if anyone is there to read it."""
        if connection.gone.is_set():
            return
        log.info("refused: not HTTP: %s", error)
        text = f"Bad Request: {error}"
        try:
            await connection.answer(Reply(error.error_status_hint, body=dumps({"detail": text}), refusal=text))
        except (ClientGone, h11.LocalProtocolError):
            connection.transport.abort()

    def _reply(self, request: Request) -> Reply:
        try:
            reply = route(self, request)
        except Refused as refused:
            reply = refused.reply
        except RecursionError:
            reply = detail("The body is nested too deeply").reply
        if request.path.startswith("/backend-api/") and JSON_TYPE in reply.headers and reply.status >= 400:
            reply.headers = [*reply.headers, *request_ids()]
        if not request.path.startswith("/_standin/"):
            self._remember(request, reply)
        return reply

    def _remember(self, request: Request, reply: Reply) -> None:
        seen = self.refresh_calls if request.path == TOKEN_PATH else self.requests
        seen.append(Seen.of(request, reply))
        if self.keep is not None:
            del seen[: -self.keep]
        what = "answered" if reply.refusal is None else "refused"
        log.info("%s: %s %s: %s %s", what, request.method, request.path, reply.status, reply.refusal or "")
        log.debug("headers: %s", safe_headers(request.headers))

    async def _write(self, connection: Connection, request: Request, reply: Reply) -> None:
        # Of a WebSocket the turns are held, not the upgrade.
        hold = None if reply.socket else self.hold_for(KINDS.get(request.path))
        if reply.wait:
            await connection.sleep(reply.wait)
        if hold and hold.before_headers:
            await self.stand(connection)
        if reply.socket:
            await connection.switch(reply)
            await reply.socket(connection)
        elif reply.wire:
            if reply.wire == "garbage":
                connection.write(NOT_HTTP)
            elif reply.wire == "reset":
                connection.reset()
        elif reply.stream is None:
            await connection.answer(reply)
        else:
            await self._write_stream(connection, reply, hold)

    async def _write_stream(self, connection: Connection, reply: Reply, hold: Hold | None) -> None:
        assert reply.stream is not None
        stream = reply.stream
        connection.head(reply, [])
        for place, piece in enumerate(stream.pieces):
            if place in stream.pauses:
                await connection.sleep(stream.pauses[place])
            await connection.piece(piece)
            if place == 0 and hold and not hold.before_headers:
                await self.stand(connection)
        if stream.end == "proper":
            connection.finish()
            await connection.drain()
        elif stream.end == "reset":
            connection.reset()

    async def stand(self, connection: Connection) -> None:
        """Hold an answer until it is released."""
        self.held.set()
        await connection.until(self.released)
