"""The server: its connections, and how a reply is written on them."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import h11

from .failures.table import Kind
from .routes import request_ids, route
from .state import TOKEN_PATH, Hold, State
from .wire.connection import ClientGone, Connection, Request
from .wire.replies import JSON_TYPE, Refused, Reply, detail, dumps
from .wire.seen import Seen, safe_headers

log = logging.getLogger("standin")

NOT_HTTP = b"\x16\x03\x01 this is not HTTP \xff\xfe\r\n\r\n"
KINDS: dict[str, Kind] = {
    "/backend-api/codex/responses": "responses",
    "/backend-api/codex/models": "models",
    TOKEN_PATH: "token",
}


class Standin(State):
    """`async with Standin() as s:` serves until the block ends; a handler that crashed fails the block. For one event loop."""

    def __post_init__(self, consent: bool, callback_ports: Sequence[int]) -> None:
        super().__post_init__(consent, callback_ports)
        self.accepted = 0
        self.closed_by_client = 0
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
    def idle_connections(self) -> int:
        """Open, with no request on them."""
        return sum(not each.busy and not each.gone.is_set() for each in self._connections)

    async def wait_for_client_gone(self, timeout: float = 5) -> None:  # noqa: ASYNC109
        """Until a peer closes while its answer is under way; TimeoutError if none does."""
        async with asyncio.timeout(timeout):
            await self._client_gone.wait()
        self._client_gone.clear()

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
            self.remember(Seen.of(request, reply))
            log.debug("headers: %s", safe_headers(request.headers))
        return reply

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
