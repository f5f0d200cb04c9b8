"""What is kept of the last requests: words of bounded length, no secret, no flow."""

import gc
import time
import weakref
from datetime import datetime
from typing import Any

import msgspec
import pytest
from mitmproxy import flow as flow_module
from mitmproxy import http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow, tutils

from codex_proxy.changes import Change
from codex_proxy.outcome import Original, Tokens
from codex_proxy.steps import exchanges
from codex_proxy.steps.recent_requests import KEPT, RecentRequests, Row, client_name
from codex_proxy.walk.exchange import Exchange
from codex_proxy.websocket.turns import TurnRecord

from .flows import claimed


def asked(
    path: str = "/v1/responses", agent: str = "OpenAI/Python 2.1.0", **known: Any
) -> tuple[http.HTTPFlow, Exchange]:
    """A flow of ours whose head has come, and what is known of it."""
    flow = tflow.tflow(req=tutils.treq(path=path.encode(), headers=http.Headers(user_agent=agent)))
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:https://chatgpt.com@127.0.0.1:0")
    flow.live = True
    exchange = claimed(flow)
    exchanges.keep_original_head(flow, exchange)
    learn(exchange, known)
    return flow, exchange


def learn(exchange: Exchange, known: dict[str, Any]) -> None:
    for name, value in known.items():
        setattr(exchange, name, value)


def answer(recent: RecentRequests, flow: http.HTTPFlow, exchange: Exchange, status: int = 200) -> None:
    flow.response = http.Response.make(status)
    recent.response(flow, exchange)


def plain(row: Row) -> dict[str, Any]:
    """A row as the page gets it."""
    told: dict[str, Any] = msgspec.to_builtins(row)
    return told


def test_a_request_is_told_of_while_it_runs_and_afterwards() -> None:
    recent, (flow, exchange) = RecentRequests(), asked(model="gpt-4.1")
    recent.requestheaders(flow, exchange)
    (running,) = recent.rows()
    assert (running.running, running.status, running.duration_ms) == (True, None, None)

    exchange.changes = [
        Change("model", "gpt-4.1 → gpt-6-luna", "why", "model gpt-4.1 → gpt-6-luna"),
        Change("top_p", "taken off", "", "-top_p"),
    ]
    exchange.sent_model, exchange.tokens = "gpt-6-luna", Tokens(input=100, cached=40, output=7)
    now = time.monotonic()
    exchange.sent_at, exchange.first_at = now - 2, now - 1.5
    answer(recent, flow, exchange)
    (told,) = recent.rows()
    row = plain(told)
    assert datetime.fromisoformat(row.pop("at")).timestamp() == pytest.approx(flow.request.timestamp_start, abs=0.001)
    assert 2000 <= row.pop("duration_ms") < 3000
    assert row == {
        "number": running.number,
        "client": "OpenAI/Python 2.1.0",
        "method": "GET",
        "path": "/v1/responses",
        "model": "gpt-4.1",
        "sent_model": "gpt-6-luna",
        "changes": ["model gpt-4.1 → gpt-6-luna", "-top_p"],
        "notes": [],
        "tokens": {"in": 100, "cached": 40, "out": 7, "reasoning": 0},
        "first_byte_ms": 500,
        "running": False,
        "status": 200,
        "error": None,
    }


@pytest.mark.parametrize(
    ("known", "message", "told"),
    [
        ({"refused": "unknown_path"}, None, "unknown_path"),
        ({"error": "usage_limit_reached"}, None, "usage_limit_reached"),
        ({}, "Client disconnected.", "Client disconnected."),
        ({"error": "stream_broken"}, "peer closed", "stream_broken"),
    ],
)
def test_what_went_wrong_is_told(known: dict[str, Any], message: str | None, told: str) -> None:
    recent, (flow, exchange) = RecentRequests(), asked()
    recent.requestheaders(flow, exchange)
    learn(exchange, known)
    if message:
        flow.error = flow_module.Error(message)
        recent.error(flow, exchange)
    else:
        answer(recent, flow, exchange, 400)
    assert recent.rows()[0].error == told


@pytest.mark.parametrize("path", ["/", "/v1", "/?live", "/healthz", "/v1/healthz/"])
def test_asking_for_the_proxys_own_pages_is_no_request(path: str) -> None:
    recent, (flow, exchange) = RecentRequests(), asked(path)
    recent.requestheaders(flow, exchange)
    assert recent.rows() == []
    answer(recent, flow, exchange)
    assert recent.rows() == []


def test_a_request_that_did_not_begin_here_is_left_alone() -> None:
    recent, (flow, exchange) = RecentRequests(), asked()
    answer(recent, flow, exchange)
    assert recent.rows() == []


def test_of_a_websocket_the_turns_are_told() -> None:
    recent, (flow, exchange) = RecentRequests(), asked("/v1/responses")
    recent.requestheaders(flow, exchange)
    answer(recent, flow, exchange, 101)
    assert recent.rows() == []

    one, two = (
        TurnRecord(asked=1e9 + n, model=f"m{n}", sent_model=f"m{n}", sent_at=time.monotonic()) for n in range(2)
    )
    recent.turn_begins(flow, one)
    recent.turn_begins(flow, two)
    one.error = "usage_limit_reached"
    recent.turn_ends(flow, exchange, one)
    rows = recent.rows()
    assert [(row.model, row.running, row.error, row.status) for row in rows] == [
        ("m1", True, None, None),
        ("m0", False, "usage_limit_reached", 101),
    ]
    assert (rows[1].method, rows[1].at) == ("WebSocket", "2001-09-09T01:46:40.000+00:00")
    assert rows[0].number > rows[1].number
    recent.turn_ends(flow, exchange, two)
    assert [row.running for row in recent.rows()] == [False, False]


def test_the_newest_come_first_and_the_oldest_go() -> None:
    recent = RecentRequests()
    flow, runs = asked(model="runs")
    for number in range(KEPT + 5):
        one, exchange = asked(model=str(number))
        recent.requestheaders(one, exchange)
        answer(recent, one, exchange)
    recent.requestheaders(flow, runs)
    rows = recent.rows()
    assert [row.model for row in rows[:3]] == ["runs", str(KEPT + 4), str(KEPT + 3)] and len(rows) == KEPT


def test_no_flow_is_held() -> None:
    recent, (flow, exchange), (lost, others) = RecentRequests(), asked(), asked()
    recent.requestheaders(flow, exchange)
    recent.requestheaders(lost, others)
    answer(recent, flow, exchange)
    kept = [weakref.ref(flow), weakref.ref(lost)]
    del flow, lost
    gc.collect()
    assert [ref() for ref in kept] == [None, None] and len(recent.rows()) == 1


def test_what_callers_name_things_is_bounded_and_without_tokens() -> None:
    recent, token = RecentRequests(), "sk-" + "a1" * 20
    flow, exchange = asked(
        f"/v1/{token}", f"agent/{token}" + "x" * 500, model="m" * 100_000 + token, notes=["n" * 9999, f"bearer {token}"]
    )
    exchange.changes = [Change("f", "w", "y", "c" * 9999)] * 5000
    recent.requestheaders(flow, exchange)
    answer(recent, flow, exchange)
    told = msgspec.json.encode(recent.rows())
    assert token.encode() not in told and len(told) < 10_000


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("OpenAI/Python 2.1.0", "OpenAI/Python 2.1.0"),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)", "codex_exec/0.169.0"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Mozilla/5.0"),
        ("", ""),
        ("x" * 200, "x" * 59 + "…"),
    ],
)
def test_a_client_is_called_by_its_product(agent: str, name: str) -> None:
    assert client_name(Exchange(original=Original(headers=[("User-Agent", agent)]))) == name


def test_a_client_without_a_name_has_none() -> None:
    assert client_name(Exchange()) == client_name(Exchange(original=Original(headers=[("Host", "localhost")]))) == ""
