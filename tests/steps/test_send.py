import asyncio
import gc
import time
from typing import Any

import pytest
from mitmproxy import http

from codex_proxy.errors import ProxyError
from codex_proxy.front import routes
from codex_proxy.layers import ours
from codex_proxy.layers.way_out import WayOut
from codex_proxy.net.policy import OutgoingProxy
from codex_proxy.steps.admit import take_off
from codex_proxy.steps.send import Send, UpstreamTimeout
from codex_proxy.steps.timeouts import Timeouts
from codex_proxy.walk.exchange import Exchange

from .flows import asked, configured, until

pytestmark = pytest.mark.usefixtures("context")


def ready(method: str = "POST", **known: Any) -> tuple[http.HTTPFlow, Exchange]:
    flow, exchange = asked(method, body={}, **{"token": "t", "route": routes.ROUTES["/responses"], **known})
    take_off(flow)
    return flow, exchange


@pytest.mark.parametrize(
    ("upstream", "to", "host"),
    [
        ("https://chatgpt.com/backend-api/codex", ("https", "chatgpt.com", 443), "chatgpt.com"),
        ("https://a.example:8443/x", ("https", "a.example", 8443), "a.example:8443"),
        ("http://127.0.0.1:9/x", ("http", "127.0.0.1", 9), "127.0.0.1:9"),
        ("http://[::1]:9", ("http", "::1", 9), "[::1]:9"),
    ],
)
async def test_the_backends_address_is_written_last(upstream: str, to: tuple[str, str, int], host: str) -> None:
    flow, exchange = ready()
    assert (flow.request.data.host, flow.request.data.port) == ours.NOWHERE
    configured(codex_upstream=upstream)
    Send(WayOut(), Timeouts()).request(flow, exchange)
    assert (flow.request.scheme, flow.request.host, flow.request.port) == to
    assert flow.request.headers["host"] == host and exchange.was_sent


@pytest.mark.parametrize(
    ("method", "body", "length"), [("POST", b"{}", "2"), ("POST", b"", "0"), ("GET", b"", None), ("POST", None, "0")]
)
async def test_a_body_goes_up_with_its_length(method: str, body: bytes | None, length: str | None) -> None:
    flow, exchange = ready(method)
    flow.request.headers.pop("content-length", None)
    flow.request.headers["transfer-encoding"] = "chunked"
    flow.request.data.content = body
    Send(WayOut(), Timeouts()).request(flow, exchange)
    assert flow.request.headers.get("content-length") == length
    assert "transfer-encoding" not in flow.request.headers and flow.request.http_version == "HTTP/1.1"


@pytest.mark.parametrize(
    ("known", "header", "code"),
    [
        ({"token": ""}, None, "proxy_failed"),
        ({}, (b"x-odd", b"a\x00b"), "malformed_request"),
        ({}, (b"x odd", b"a"), "malformed_request"),
        ({}, (b"x-odd", b"a\nb: c"), "malformed_request"),
    ],
)
async def test_what_must_not_go_up_stays(known: dict[str, Any], header: tuple[bytes, bytes] | None, code: str) -> None:
    flow, exchange = ready(**known)
    if header:
        flow.request.headers.fields += (header,)
    with pytest.raises(ProxyError) as refused:
        Send(WayOut(), Timeouts()).request(flow, exchange)
    assert refused.value.code == code and not exchange.was_sent


@pytest.mark.parametrize("via", [None, OutgoingProxy("http", "proxy.example", 3128, "")])
async def test_it_goes_through_the_proxy_that_there_is(via: OutgoingProxy | None) -> None:
    flow, exchange = ready()
    way_out = WayOut()
    way_out.outgoing = via
    Send(way_out, Timeouts()).request(flow, exchange)
    assert flow.server_conn.via == (("http", ("proxy.example", 3128)) if via else None)


@pytest.mark.parametrize(
    ("address", "heard", "stage"),
    [
        (None, False, "connect"),
        (("127.0.0.1", 9), False, "idle"),
        (("127.0.0.1", 9), True, "stall"),
        (("127.0.0.1", 10), False, "connect"),
    ],
)
async def test_a_silent_backend_is_given_up(address: tuple[str, int] | None, heard: bool, stage: str) -> None:
    flow, exchange = ready()
    flow.server_conn.address = address
    exchange.sent_at = time.monotonic()
    exchange.heard_at = exchange.sent_at if heard else None
    UpstreamTimeout(flow, exchange, 0.02, 0.03)
    await until(lambda: exchange.gave_up)
    assert (exchange.gave_up, exchange.gave_up_after) == (stage, 0.02 if stage == "connect" else 0.03)


@pytest.mark.parametrize("over", ["answered", "intercepted", "gone"])
async def test_nobody_gives_up_what_is_over_or_held_by_a_person(over: str) -> None:
    flow, exchange = ready(sent_at=time.monotonic())
    if over == "answered":
        flow.live = False
    elif over == "intercepted":
        flow.intercepted = True
    UpstreamTimeout(flow, exchange, 0.01, 0.01)
    if over == "gone":
        del flow
        gc.collect()
    await asyncio.sleep(0.05)
    assert exchange.gave_up == ""
