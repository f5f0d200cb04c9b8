from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from codex_proxy.layers.found_addon import proxyserver
from codex_proxy.layers.way_out import WayOut
from codex_proxy.output import redact

BACKEND, HERE = "https://a.example/codex", "http://127.0.0.1:9/codex"
PROXY = "http://somebody:made-up@proxy.example:3128"


@pytest.fixture(autouse=True)
def running(context: taddons.context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that runs, in an environment that names no other one."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        for each in (name, name.upper()):
            monkeypatch.delenv(each, raising=False)
    server = proxyserver()
    assert server
    server.is_running = True


def led(context: taddons.context, **options: Any) -> WayOut:
    context.options.update(**options)
    way_out = WayOut()
    way_out.configure(set(options))
    return way_out


@pytest.mark.parametrize(
    ("variables", "upstream", "ways"),
    [
        ({}, BACKEND, [("a.example", 443)]),
        ({}, HERE, [("127.0.0.1", 9)]),
        ({"https_proxy": PROXY}, BACKEND, [("a.example", 443), ("proxy.example", 3128)]),
        ({"HTTPS_PROXY": PROXY}, BACKEND, [("a.example", 443), ("proxy.example", 3128)]),
        ({"all_proxy": PROXY}, BACKEND, [("a.example", 443), ("proxy.example", 3128)]),
        ({"http_proxy": PROXY}, BACKEND, [("a.example", 443)]),
        ({"https_proxy": PROXY, "no_proxy": "a.example"}, BACKEND, [("a.example", 443)]),
        ({"https_proxy": PROXY, "no_proxy": "b.example"}, BACKEND, [("a.example", 443), ("proxy.example", 3128)]),
    ],
)
def test_a_connection_leads_to_the_backend_and_the_proxy_before_it(
    context: taddons.context,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    upstream: str,
    ways: list[tuple[str, int]],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert led(context, codex_upstream=upstream).addresses() == ways


def test_the_proxys_password_is_repeated_nowhere(context: taddons.context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", PROXY)
    assert led(context, codex_upstream=BACKEND).outgoing
    assert "made-up" not in redact.redact("somebody:made-up")


@pytest.mark.parametrize("name", ["codex_upstream", "codex_issuer"])
@pytest.mark.parametrize("address", ["ftp://proxy.example", "http://", "http://proxy.example:many"])
def test_an_address_that_is_none_is_refused(
    context: taddons.context, monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(exceptions.OptionsError, match="https_proxy"):
        led(context, **{name: BACKEND})


def test_other_options_leave_the_way_as_it_is(context: taddons.context, monkeypatch: pytest.MonkeyPatch) -> None:
    way_out = led(context, codex_upstream=BACKEND)
    monkeypatch.setenv("https_proxy", PROXY)
    way_out.configure({"codex_issuer", "codex_patch"})
    assert way_out.outgoing is None
