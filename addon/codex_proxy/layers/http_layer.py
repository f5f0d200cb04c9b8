"""The HTTP layer of our connections: HTTP/1 within bounds on both sides, instead of mitmproxy's own."""

from mitmproxy import ctx
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer, tunnel
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import ServerTLSLayer
from mitmproxy.proxy.layers.http import GetHttpConnection, GetHttpConnectionCompleted, HttpLayer, HTTPMode

from .answer_stream import AnswerStream
from .backend_side import BackendSide, Dial, OutgoingProxy
from .client_side import ClientSide


class OurHttpLayer(HttpLayer):
    """mitmproxy's exchange of requests and answers with sides of our own; HTTP/1 only.

    The client side that a replay puts into `connections` stays (mitmproxy's addons/clientplayback.py).
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context, HTTPMode.transparent)
        self.client_side: ClientSide | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Start) and self.context.client not in self.connections:
            # Checked where it is set (addons/head_time.py).
            self.client_side = ClientSide(self.context.fork(), float(ctx.options.codex_head_timeout))
            self.connections[self.context.client] = self.client_side
        yield from super()._handle_event(event)

    def make_stream(self, stream_id: int) -> layer.CommandGenerator[None]:
        stream = self.streams[stream_id] = AnswerStream(self.context.fork(), stream_id)
        yield from self.event_to_child(stream, events.Start())

    def get_connection(self, event: GetHttpConnection, *, reuse: bool = True) -> layer.CommandGenerator[None]:
        """Give a stream its connection to the backend: one that there is, or one more.

        As mitmproxy's, but never the connection that a reverse proxy opens by itself, and with the layers of this module.
        """
        for found in list(self.connections) if reuse else ():
            if not event.connection_spec_matches(found):
                continue
            side = self.connections[found].context.layers[-1]
            if found.connected and isinstance(side, BackendSide) and side.is_busy:
                # What is left of an answer that has ended for the client.
                yield commands.CloseConnection(found)
                continue
            if found in self.waiting_for_establishment:
                self.waiting_for_establishment[found].append(event)
                return
            if found.error or found.connected:
                reply = (None, found.error) if found.error else (found, None)
                stream = self.command_sources.pop(event)
                yield from self.event_to_child(stream, GetHttpConnectionCompleted(event, reply))
                return
        context = self.context.fork()
        context.server = Server(address=event.address, transport_protocol=event.transport_protocol)
        stack = tunnel.LayerStack()
        if event.via:
            context.server.via = event.via
            stack /= OutgoingProxy.make(context, True)
        if event.tls:
            context.server.sni = event.address[0]
            stack /= ServerTLSLayer(context)
        stack /= Dial(context)
        self.connections[context.server] = stack[0]
        self.waiting_for_establishment[context.server].append(event)
        yield from self.event_to_child(stack[0], events.Start())
