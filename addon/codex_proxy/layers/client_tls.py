"""TLS from a client, within bounds: before the client key can be checked, nothing is kept, searched or logged without a limit."""

import logging

from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.layers import tls
from OpenSSL import SSL

from ..message.client_hello import HelloError, HelloReader

# How much of a handshake error is shown, in characters.
TOLD = 200


class ClientTls(tls.ClientTLSLayer):
    def __init__(self, context: context.Context) -> None:
        super().__init__(context)
        self._hello = HelloReader()
        self._failed = False
        """Drop all further data: mitmproxy would go on with the failed connection."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        if self.client_hello_parsed:
            return (yield from super().receive_handshake_data(data))
        try:
            if not self._hello.read(data):
                return False, None
        except HelloError as e:
            return False, f"Cannot parse ClientHello: {e}"
        done, error = yield from super().receive_handshake_data(bytes(self._hello.held))
        # For an invalid ClientHello it would log every byte.
        return done, error[:TOLD] if error else None

    def on_handshake_error(self, err: str) -> layer.CommandGenerator[None]:
        self._failed = True
        yield from super().on_handshake_error(err)

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """mitmproxy's, but anything except TLS ends the connection: OpenSSL would hold it, and each piece would be logged."""
        if self._failed:
            return
        if data:
            self.tls.bio_write(data)
        plain, ended = bytearray(), False
        try:
            while True:
                plain += self.tls.recv(65535)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            ended = True
        except SSL.Error as e:
            self._failed = True
            yield commands.Log(f"TLS with the client failed: {e}"[:TOLD], logging.INFO)
        # Only now: what was read may have something to be said.
        yield from self.tls_interact()
        if plain:
            yield from self.event_to_child(events.DataReceived(self.conn, bytes(plain)))
        if ended:
            self.conn.state &= ~self.conn.state.CAN_READ
            yield from self.event_to_child(events.ConnectionClosed(self.conn))
        if self._failed:
            yield commands.CloseConnection(self.tunnel_connection)

    def send_data(self, data: bytes) -> layer.CommandGenerator[None]:
        """Perhaps an answer to a client that did not send TLS: the connection is ending, and nothing can be sent on it."""
        if not self._failed:
            yield from super().send_data(data)
