"""Connection handlers for clients and replays: mitmproxy's options as decided (mitmproxy_options.py), dialling by dialing.py.

Two classes replace mitmproxy's where it creates a handler, so that an exception of another addon cannot leave one of our
connections to mitmproxy's own class.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any

from mitmproxy import connection, ctx, http
from mitmproxy.addons import clientplayback
from mitmproxy.addons.errorcheck import ErrorCheck
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer, mode_servers, mode_specs, server, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls
from mitmproxy.proxy.layers.http import _hooks
from mitmproxy.proxy.tunnel import LayerStack
from mitmproxy.tls import TlsData
from mitmproxy.utils import asyncio_utils, human
from OpenSSL import SSL

from .. import mitmproxy_options
from ..net import accepting, dialing, few_files
from . import backend_tls, ours, own_answer, wire
from .client_tls import ClientTls
from .dialled import KEPT, Dialled
from .found_addon import found, proxyserver
from .hearing import tell_addons
from .http_layer import OurHttpLayer
from .way_out import WayOut

logger = logging.getLogger(__name__)


turned_away = few_files.RateLimitedLog()

# How long a client that is turned away may take to send its request and read why, in seconds.
LAST_WORD = 2.0


class OurOptions:
    """mitmproxy's options as they are for our connections."""

    def __init__(self, options: Any) -> None:
        self._options = options

    def __getattr__(self, name: str) -> Any:
        given = getattr(self._options, name)
        return mitmproxy_options.value(name, given, self._options.default(name))

    def __contains__(self, name: str) -> bool:
        return name in self._options


class _Ours(server.ConnectionHandler):
    """What a client's handler and a replay's have in common."""

    dialled: Dialled | None = None
    """The connection to the backend, or to the proxy on the way: of HTTP/1 there is one at a time."""

    async def tell(self, hook: commands.StartHook) -> None:
        """Run a hook's addons, and then what none of them may come behind."""
        await tell_addons(ctx.master.addons, hook)
        if isinstance(hook, tls.TlsStartServerHook):
            self._secure(hook.data)
        elif isinstance(hook, _hooks.HttpRequestHook):
            wire.seal(hook.flow)

    def _secure(self, data: TlsData) -> None:
        """The connection in use is ours, whatever an addon has put there. None fails it."""
        data.ssl_conn = None
        assert isinstance(data.conn, connection.Server)
        if data.conn.address not in _way_out.addresses():
            self.log(f"TLS with {human.format_address(data.conn.address)} is not started: it is not the Codex backend.")
            return
        try:
            data.ssl_conn = backend_tls.connect(data.conn)
        except (ValueError, SSL.Error) as e:
            self.log(f"No TLS with the backend: {e}", logging.ERROR)

    async def open_connection(self, command: commands.OpenConnection) -> None:
        """mitmproxy's (proxy/server.py), but dialled by dialing.py."""
        made = command.connection
        assert isinstance(made, connection.Server)
        hook_data = server_hooks.ServerConnectionHookData(client=self.client, server=made)
        if made.address:
            await self.handle_hook(server_hooks.ServerConnectHook(hook_data))
        if made.error or not made.address:
            await self._not_opened(command, hook_data, f"Connection killed: {made.error or 'no address'}")
            return
        async with self.max_conns[made.address]:
            made.timestamp_start = time.time()
            try:
                io = self.transports[made] = await self._dial(made)
            except (OSError, asyncio.CancelledError) as e:
                made.error = str(e) or "connection cancelled"
                await self._not_opened(command, hook_data, made.error)
                if isinstance(e, asyncio.CancelledError):
                    raise
                return
            made.timestamp_tcp_setup = time.time()
            made.state = connection.ConnectionState.OPEN
            assert io.writer
            made.peername, made.sockname = (io.writer.get_extra_info(name) for name in ("peername", "sockname"))
            assert made.peername
            where = human.format_address(made.address)
            if made.address[0] != made.peername[0]:
                where += f" ({human.format_address(made.peername)})"
            self.log(f"server connect {where}")
            await self.handle_hook(server_hooks.ServerConnectedHook(hook_data))
            await self.server_event(events.OpenConnectionCompleted(command, None))
            try:
                await self.handle_connection(made)
            finally:
                # A task of its own, since this one may be cancelled again while it waits here.
                closed = asyncio_utils.create_task(self._closed(hook_data), name=f"closed {where}", keep_ref=True)
                await asyncio.shield(closed)
                self.log(f"server disconnect {where}")

    async def _closed(self, hook_data: server_hooks.ServerConnectionHookData) -> None:
        """Tell the layers and the addons that a connection to the backend has ended.

        What reads from it cancels itself where it can't write to it, and may meet that just as it tells the layers
        (proxy/server.py, `drain_writers` and `handle_connection`): the code that waits for the answer would wait for ever.
        """
        made = hook_data.server
        if io := self.transports.pop(made, None):
            made.state = connection.ConnectionState.CLOSED
            if io.writer:
                with contextlib.suppress(OSError):
                    io.writer.close()
            await self.server_event(events.ConnectionClosed(made))
        made.timestamp_end = time.time()
        await self.handle_hook(server_hooks.ServerDisconnectedHook(hook_data))

    async def _not_opened(
        self, command: commands.OpenConnection, hook_data: server_hooks.ServerConnectionHookData, error: str
    ) -> None:
        self.log(f"no connection to {human.format_address(hook_data.server.address)}: {error}")
        await self.handle_hook(server_hooks.ServerConnectErrorHook(hook_data))
        await self.server_event(events.OpenConnectionCompleted(command, error))

    async def _dial(self, made: connection.Server) -> server.ConnectionIO:
        assert made.address
        host, port, *_ = made.address
        local = (made.sockname[0], made.sockname[1]) if made.sockname else None
        self.dialled = None
        self.dialled = Dialled(await dialing.connect(host, port, local))
        writer = await self.dialled.open()
        return server.ConnectionIO(handler=asyncio.current_task(), reader=self.dialled.reader, writer=writer)


class _Waiting(mode_servers.ProxyConnectionHandler):
    """A client of any listener waits until the start is over: what goes wrong before that ends the process."""

    async def handle_client(self) -> None:
        await started.wait()
        await super().handle_client()

    async def handle_connection(self, connection: connection.Connection) -> None:
        if connection is self.client:
            # Tasks begin at once here: what has come, or the end, must not be read before mitmproxy knows this one.
            await asyncio.sleep(0)
        await super().handle_connection(connection)


class OurHandler(_Ours, _Waiting):
    """A client's connection to our listener."""

    def __init__(self, master: Any, reader: Any, writer: Any, options: Any, mode: mode_specs.ProxyMode) -> None:
        super().__init__(master, reader, writer, OurOptions(options), mode)
        self._under_way = contextlib.ExitStack()
        self._let_go: asyncio.TimerHandle | None = None

    async def handle_hook(self, hook: commands.StartHook) -> None:
        if isinstance(hook, _hooks.HttpRequestHeadersHook):
            # `tcp_timeout` is for clients that ask nothing.
            self._under_way.enter_context(self.timeout_watchdog.disarm())
            if self._let_go:
                self._let_go.cancel()
        with self.timeout_watchdog.disarm():
            await self.tell(hook)
        if isinstance(hook, _hooks.HttpRequestHook) and self.dialled:
            if self.dialled.idle_for() > KEPT:
                await self._close_upstream()
            self.dialled.begin()
        elif isinstance(hook, _hooks.HttpResponseHook | _hooks.HttpErrorHook):
            self._under_way.close()
            if self.dialled and not hook.flow.websocket:
                self.dialled.rest()
                self._let_go = asyncio.get_running_loop().call_later(KEPT, self._idle)

    def _idle(self) -> None:
        self._closing = asyncio_utils.create_task(self._close_upstream(), name="close idle", keep_ref=True)

    async def _close_upstream(self) -> None:
        """Close what leads to the backend: the next request goes over a new connection."""
        open_ones = {conn: io.handler for conn, io in self.transports.items() if conn is not self.client and io.handler}
        for conn in open_ones:
            self.close_connection(conn)
        if tasks := open_ones.values():
            await asyncio.wait(tasks)

    async def handle_client(self) -> None:
        io, most = self.transports[self.client], few_files.limit()
        if isinstance(io.writer, asyncio.StreamWriter):
            if few_files.is_for_the_backend(io.writer.get_extra_info("socket").fileno(), most):
                await self._turn_away(io, most)
                return
        try:
            await super().handle_client()
        finally:
            if self._let_go:
                self._let_go.cancel()

    async def _turn_away(self, io: server.ConnectionIO, most: int | None) -> None:
        turned_away.say("Few file descriptors are left: new clients are refused. Raise `ulimit -n`.")
        assert isinstance(io.writer, asyncio.StreamWriter) and isinstance(io.reader, asyncio.StreamReader)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LAST_WORD):
                if not starts_like_tls_record(await io.reader.read(65536)):
                    io.writer.write(wire.response_bytes(own_answer.response(few_files.out_of_files(most))))
                    io.writer.write_eof()
                    while await io.reader.read(65536):
                        pass  # an answer is lost with what is left unread
        io.writer.close()


class OurReplayHandler(_Ours, clientplayback.ReplayHandler):
    """A request that the user replays."""

    def __init__(self, flow: http.HTTPFlow, options: Any) -> None:
        super().__init__(flow, OurOptions(options))  # type: ignore[arg-type]
        theirs = self.layer
        theirs.context.layers.remove(theirs)
        self.layer = OurHttpLayer(theirs.context)
        self.layer.connections = theirs.connections
        # The client that it once came from may be there still: what is done for this flow must not be done to that one.
        flow.client_conn = self.client
        # As a client's: it leads nowhere until the last step says where.
        flow.server_conn = self.layer.context.server
        flow.server_conn.address, flow.server_conn.via = ours.NOWHERE, None

    async def replay(self) -> None:
        # Found by the client's id, as a client's handler is: what ends a silent backend's connection ends this one's too.
        server = proxyserver()
        assert server
        with server.register_connection(self.client.id, self):  # type: ignore[arg-type]
            await super().replay()

    async def handle_hook(self, hook: commands.StartHook) -> None:
        await self.tell(hook)
        if isinstance(hook, _hooks.HttpResponseHook | _hooks.HttpErrorHook):
            tasks = [io.handler for io in self.transports.values() if io.handler]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            self.done.set()


def next_layer(context: Context, data: bytes) -> layer.Layer | None:
    """What follows on a client's connection that has sent `data`; None while that is not known."""
    stack = LayerStack()
    if len(context.layers) == 1:  # after the reverse proxy's own
        if not data or (data[:1] == b"\x16" and len(data) < 3):
            return None  # TLS shows in three bytes
        if context.client.proxy_mode.scheme == "https":  # type: ignore[attr-defined]
            stack /= tls.ServerTLSLayer(context)
        if starts_like_tls_record(data):
            stack /= ClientTls(context)
    stack /= OurHttpLayer(context)
    first: layer.Layer = stack[0]
    return first


started = asyncio.Event()
"""Is the start over?"""

_theirs = mode_servers.ProxyConnectionHandler, clientplayback.ReplayHandler


def _handler(master: Any, reader: Any, writer: Any, options: Any, mode: mode_specs.ProxyMode) -> Any:
    is_ours = isinstance(mode, mode_specs.ReverseMode) and ours.is_our_mode(mode)
    return (OurHandler if is_ours else _Waiting)(master, reader, writer, options, mode)


def _replay_handler(flow: http.HTTPFlow, options: Any) -> Any:
    return (OurReplayHandler if ours.is_our_client(flow.client_conn) else _theirs[1])(flow, options)


def _is_of_the_start(record: logging.LogRecord) -> bool:
    """Whether a logged error belongs to the start; otherwise it comes from an early client, perhaps a browser."""
    of_a_task = record.name == "mitmproxy.master" and record.getMessage().startswith("Unhandled")
    return not (of_a_task or hasattr(record, "client") or record.name.partition(".")[0] in ("asyncio", "tornado"))


_way_out = WayOut()


def install(way_out: WayOut) -> None:
    """From `load`: connections and replays that begin from now on are made here, and lead where `way_out` says."""
    global _way_out
    _way_out = way_out
    started.clear()
    if check := found(ErrorCheck):
        check.logger.addFilter(_is_of_the_start)
    accepting.install(asyncio.get_running_loop())
    mode_servers.ProxyConnectionHandler = _handler  # type: ignore[assignment, misc]
    clientplayback.ReplayHandler = _replay_handler  # type: ignore[assignment, misc]


def remove() -> None:
    """From `done`."""
    mode_servers.ProxyConnectionHandler, clientplayback.ReplayHandler = _theirs  # type: ignore[misc]
    started.set()
    accepting.remove(asyncio.get_running_loop())


def start_ends() -> None:
    """From `running`: let clients in once mitmproxy no longer ends for an error in its log (addons/errorcheck.py)."""
    check = found(ErrorCheck)
    if check is not None and check.logger in logging.getLogger().handlers:
        asyncio.get_running_loop().call_later(0.005, start_ends)
    else:
        started.set()
