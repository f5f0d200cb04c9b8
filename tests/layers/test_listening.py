from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import taddons, tflow

from codex_proxy.layers import listening
from codex_proxy.layers.found_addon import proxyserver
from codex_proxy.net.listeners import Listener

OURS = "reverse:https://chatgpt.com"


@pytest.mark.parametrize(
    ("spec", "options", "listener"),
    [
        (f"{OURS}@127.0.0.1:9090", {}, ("reverse", "127.0.0.1", 9090, True, "chatgpt.com")),
        (f"{OURS}@9090", {}, ("reverse", "", 9090, True, "chatgpt.com")),
        (OURS, {}, ("reverse", "", None, True, "chatgpt.com")),
        (OURS, {"listen_port": 7000, "listen_host": "::1"}, ("reverse", "::1", 7000, True, "chatgpt.com")),
        ("reverse:https://a.example@9090", {}, ("reverse", "", 9090, False, "a.example")),
        ("regular@127.0.0.1:8080", {}, ("regular", "127.0.0.1", 8080, False, "")),
        ("socks5@8080", {}, ("socks5", "", 8080, False, "")),
        ("local:curl", {}, ("local", None, None, False, "")),
        ("dns@53", {}, ("dns", "", 53, False, "")),
    ],
)
def test_a_mode_is_a_listener(
    context: taddons.context, spec: str, options: dict[str, Any], listener: tuple[object, ...]
) -> None:
    context.options.update(**options)
    assert listening.of(ProxyMode.parse(spec)) == Listener(ProxyMode.parse(spec).full_spec, *listener)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("modes", "server", "kinds"),
    [
        (["regular"], True, ["regular"]),
        ([f"{OURS}@9090", "socks5@8080"], True, ["reverse", "socks5"]),
        ([f"{OURS}@9090"], False, []),
        ([], True, []),
    ],
)
def test_the_listeners_are_those_of_the_options(
    context: taddons.context, modes: list[str], server: bool, kinds: list[str]
) -> None:
    context.options.update(mode=modes, server=server)
    assert [each.kind for each in listening.given()] == kinds


@pytest.mark.parametrize("has_server, is_running, begun", [(False, False, False), (True, False, False), (True, True, True)])  # fmt: skip
def test_a_process_listens_once_it_has_begun(has_server: bool, is_running: bool, begun: bool) -> None:
    with taddons.context(*[Proxyserver()] if has_server else [], loadcore=False):
        if server := proxyserver():
            server.is_running = is_running
        assert listening.has_begun() is begun and listening.kept_from_listening() is None


def client(port: int, address: str = "127.0.0.1", key: str = "") -> connection.Client:
    made = tflow.tclient_conn()
    made.peername, made.sockname, made.id = (address, port), ("127.0.0.1", 9090), key or str(port)
    return made


def reached(clients: list[tuple[connection.Client, list[int]]]) -> None:
    """Of each client's connection what mitmproxy keeps: the client's own, and those that were made for it, by their port."""
    server = proxyserver()
    assert server
    for found, ports in clients:
        transports: dict[connection.Connection, object] = {found: object()}
        for port in ports:
            made = connection.Server(address=("127.0.0.1", 9090))
            made.sockname = ("127.0.0.1", port)
            transports[made] = object()
        server.connections[found.id] = SimpleNamespace(client=found, transports=transports)  # type: ignore[assignment]


STRANGER = "192.0.2.7"


@pytest.mark.parametrize(
    ("others", "address"),
    [
        ([], "127.0.0.1"),
        ([(client(6000, STRANGER), [])], "127.0.0.1"),
        ([(client(6000, STRANGER), [4999])], "127.0.0.1"),
        ([(client(6000, STRANGER), [5000])], STRANGER),
        ([(client(6000, STRANGER), [4999, 5000])], STRANGER),
        ([(client(7000, STRANGER), [6000]), (client(6000), [5000])], STRANGER),
        ([(client(7000), [6000]), (client(6000), [5000])], "127.0.0.1"),
    ],
)
@pytest.mark.usefixtures("context")
def test_a_caller_by_way_of_another_listener_is_who_called_there(
    others: list[tuple[connection.Client, list[int]]], address: str
) -> None:
    caller = client(5000)
    reached([(caller, []), *others])
    assert listening.caller_address(caller) == address


@pytest.mark.usefixtures("context")
def test_a_client_without_an_address_has_none() -> None:
    caller = client(5000)
    caller.peername = None  # type: ignore[assignment]
    assert listening.caller_address(caller) == ""


@pytest.mark.usefixtures("context")
def test_a_connection_of_its_own_is_not_looked_at() -> None:
    caller = client(5000)
    reached([(caller, [5000])])
    assert listening.caller_address(caller) == "127.0.0.1"
