"""Of a listener that is open to others no connection is served, whatever moment it came in."""

import pytest
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons

from codex_proxy.addons.listeners import Listeners
from codex_proxy.addons.options import Options

CLIENTS = [
    ("regular@0.0.0.0:8080", False), ("socks5", False), ("wireguard", False), ("local", False),
    ("reverse:http://127.0.0.1:9090@8000", False), ("regular@127.0.0.1:8080", True), ("dns", True),
    ("reverse:https://chatgpt.com", True), ("reverse:https://api.openai.com", True),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "is_served"), CLIENTS)
async def test_a_connection_by_an_open_listener_is_not_served(mode: str, is_served: bool) -> None:
    client = Client(peername=("192.0.2.1", 1), sockname=("192.0.2.2", 2), proxy_mode=ProxyMode.parse(mode))
    with taddons.context(Options(), listeners := Listeners()) as tctx:
        listeners.client_connected(client)
        assert (client.error is None) is is_served
        client.error = None
        tctx.options.codex_allow_open_listeners = True
        listeners.client_connected(client)
        assert client.error is None
