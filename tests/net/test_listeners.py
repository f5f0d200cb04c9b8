import socket

import pytest

from codex_proxy.net.listeners import Listener, is_loopback, leads_here, none_of_ours, open_to_others, without_key


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST", "localhost.", "app.localhost", "a.b.localhost.", "127.0.0.1", "127.0.0.1.", "127.1.2.3",
        "127.255.255.255", "::1", "[::1]", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]",
    ],
)  # fmt: skip
def test_this_machine_is_known_by_its_names_and_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "", ".", "0.0.0.0", "::", "[::]", "128.0.0.1", "192.168.1.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "fe80::1",
        "localhost.example.com", "example-localhost", "notlocalhost", "127.0.0.1.example.com", "127.example.com", "127.1",
        "2130706433", "0x7f000001", "127.0.0.256", "chatgpt.com", "host.docker.internal", "::1.localhost.example",
    ],
)  # fmt: skip
def test_nothing_else_is_taken_for_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("target", "is_here"),
    [
        ("127.0.0.1", True), ("localhost", True), ("app.localhost.", True), ("::1", True), ("[::1]", True), ("127.1", True),
        ("2130706433", True), ("0x7f000001", True), ("0.0.0.0", True), ("0", True), ("::", True), ("", True),
        ("::ffff:127.0.0.1", True), (socket.gethostname(), True), ("192.168.1.1", False), ("api.openai.com", False),
        ("127.example.com", False), ("fe80::1", False),
    ],
)  # fmt: skip
def test_a_target_is_this_machine_however_it_is_written(target: str, is_here: bool) -> None:
    assert leads_here(target) is is_here


OURS = Listener("reverse:https://chatgpt.com@127.0.0.1:9090", "reverse", "127.0.0.1", 9090, True, "chatgpt.com")


def other(spec: str, host: str | None = "", target: str = "") -> Listener:
    return Listener(spec, spec.partition(":")[0].partition("@")[0], host, None, False, target)


OPEN = [
    other("regular"), other("regular@0.0.0.0:8080", "0.0.0.0"), other("socks5@[::]:1080", "[::]"), other("transparent"),
    other("regular@192.168.1.2:8080", "192.168.1.2"), other("upstream:http://proxy.example:3128"), other("wireguard"),
    other("local", None), other("local:curl", None), other("tun", None), other("of_a_later_mitmproxy"),
    other("reverse:http://127.0.0.1:9090@0.0.0.0:8000", "0.0.0.0", "127.0.0.1"),
    other("reverse:tcp://localhost:9090@8000", "", "localhost"), other("reverse:tcp://127.1:9090@8000", "", "127.1"),
]  # fmt: skip
CLOSED = [
    other("regular@127.0.0.1:8080", "127.0.0.1"), other("socks5@localhost:1080", "localhost"), other("wireguard@::1:1", "::1"),
    other("transparent@127.0.0.1:8080", "127.0.0.1"), other("dns"), other("reverse:https://api.openai.com", "", "api.openai.com"),
    other("reverse:dns://8.8.8.8", "", "8.8.8.8"), other("reverse:http://127.0.0.1:3000@127.0.0.3:0", "127.0.0.3", "127.0.0.1"),
]  # fmt: skip


@pytest.mark.parametrize("listener", OPEN, ids=lambda each: each.spec)
def test_what_lets_others_in_may_not_stand_beside_ours(listener: Listener) -> None:
    told = open_to_others([listener, OURS])
    assert told and f"--mode {listener.spec} " in told and "codex_allow_open_listeners=true" in told
    # Alone it is told that it does not lead to the backend.
    assert open_to_others([listener]) is None


@pytest.mark.parametrize("listener", CLOSED, ids=lambda each: each.spec)
def test_what_lets_nobody_else_in_may(listener: Listener) -> None:
    assert open_to_others([OURS, listener]) is None


def test_the_way_out_is_a_line_that_works() -> None:
    assert "(--mode wireguard:a.conf@127.0.0.1:8080)" in str(open_to_others([OURS, other("wireguard:a.conf")]))
    assert "(--mode regular@127.0.0.1:8080)" in str(open_to_others([OURS, other("regular@0.0.0.0:8080")]))
    assert "Remove it, or allow it" in str(open_to_others([OURS, other("local", None)]))


@pytest.mark.parametrize(
    ("listeners", "way"),
    [
        ([other("regular")], "Start the proxy with --mode reverse:https://chatgpt.com@127.0.0.1:9090."),
        ([other("regular")._replace(port=9191)], "Start the proxy with --mode reverse:https://chatgpt.com@127.0.0.1:9191."),
        ([other("socks5@::1:99", "::1")._replace(port=99)], "Start the proxy with --mode reverse:https://chatgpt.com@::1:99."),
        ([other("reverse:https://api.openai.com", "", "api.openai.com")], "reverse:https://chatgpt.com@127.0.0.1:9090."),
        ([OURS], None), ([other("regular"), OURS], None), ([], None),
    ],
)  # fmt: skip
def test_without_one_that_leads_to_the_backend_the_line_is_told(listeners: list[Listener], way: str | None) -> None:
    told = none_of_ours(listeners, loads_flows=False)
    assert (told is None) if way is None else (told and told.endswith(way)), told


def test_who_only_looks_at_flows_is_told_how() -> None:
    assert "add -n" in str(none_of_ours([other("regular")], loads_flows=True))


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.2"])
def test_ours_listens_elsewhere_with_a_key_alone(host: str) -> None:
    told = without_key([OURS._replace(spec=f"reverse:https://chatgpt.com@{host}:9191", host=host, port=9191)])
    assert told and "(--mode reverse:https://chatgpt.com@127.0.0.1:9191)" in told
    assert without_key([OURS, other("regular")]) is None
