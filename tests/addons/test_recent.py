"""What is kept of the last requests: words of bounded length, no secret, no flow."""

import gc
import json
import time
import weakref
from datetime import datetime
from typing import Any

import pytest
from mitmproxy import flow as flow_module
from mitmproxy import http
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.test import tflow, tutils

from codex_proxy.addons import flows
from codex_proxy.addons.recent import KEPT, Recent, client_name


def asked(path: str = "/v1/responses", agent: str = "OpenAI/Python 2.1.0", **state: Any) -> http.HTTPFlow:
    """A flow of ours whose head has come."""
    flow = tflow.tflow(req=tutils.treq(path=path.encode(), headers=http.Headers(user_agent=agent)))
    flow.client_conn.proxy_mode = ProxyMode.parse("reverse:https://chatgpt.com@127.0.0.1:0")
    flow.live = True
    flows.claim(flow).update(state)
    flows.keep_original_head(flow)
    return flow


def answered(flow: http.HTTPFlow, status: int = 200) -> http.HTTPFlow:
    flow.response = http.Response.make(status)
    return flow


def test_a_request_is_told_of_while_it_runs_and_afterwards() -> None:
    recent, flow = Recent(), asked(model="gpt-4.1")
    recent.requestheaders(flow)
    (running,) = recent.rows()
    assert (running["running"], running["status"], running["duration_ms"]) == (True, None, None)

    changes = [
        ["model", "gpt-4.1 → gpt-6-luna", "why", "model gpt-4.1 → gpt-6-luna"],
        ["top_p", "taken off", "", "-top_p"],
    ]
    tokens = {"in": 100, "cached": 40, "out": 7, "reasoning": 0}
    now = time.monotonic()
    flows.state_of(flow).update(
        sent_model="gpt-6-luna", changes=changes, tokens=tokens, sent_at=now - 2, first_at=now - 1.5
    )
    recent.response(answered(flow))
    (row,) = recent.rows()
    assert datetime.fromisoformat(row.pop("at")).timestamp() == pytest.approx(flow.request.timestamp_start, abs=0.001)
    assert 2000 <= row.pop("duration_ms") < 3000
    assert row == {
        "number": running["number"],
        "client": "OpenAI/Python 2.1.0",
        "method": "GET",
        "path": "/v1/responses",
        "model": "gpt-4.1",
        "sent_model": "gpt-6-luna",
        "changes": ["model gpt-4.1 → gpt-6-luna", "-top_p"],
        "notes": [],
        "tokens": tokens,
        "first_byte_ms": 500,
        "running": False,
        "status": 200,
        "error": None,
    }


@pytest.mark.parametrize(
    ("state", "message", "told"),
    [
        ({"refused": "unknown_path"}, None, "unknown_path"),
        ({"error": "usage_limit_reached"}, None, "usage_limit_reached"),
        ({}, "Client disconnected.", "Client disconnected."),
        ({"error": "stream_broken"}, "peer closed", "stream_broken"),
    ],
)
def test_what_went_wrong_is_told(state: dict[str, Any], message: str | None, told: str) -> None:
    recent, flow = Recent(), asked()
    recent.requestheaders(flow)
    flows.state_of(flow).update(state)
    if message:
        flow.error = flow_module.Error(message)
        recent.error(flow)
    else:
        recent.response(answered(flow, 400))
    assert recent.rows()[0]["error"] == told


@pytest.mark.parametrize("path", ["/", "/v1", "/?live", "/healthz", "/v1/healthz/"])
def test_asking_for_the_proxys_own_pages_is_no_request(path: str) -> None:
    recent, flow = Recent(), asked(path)
    recent.requestheaders(flow)
    assert recent.rows() == []
    recent.response(answered(flow))
    assert recent.rows() == []


def test_a_flow_that_is_not_ours_is_left_alone() -> None:
    recent, flow = Recent(), tflow.tflow(resp=True)
    recent.requestheaders(flow)
    recent.response(flow)
    assert recent.rows() == []


def test_of_a_websocket_the_turns_are_told() -> None:
    recent, flow = Recent(), asked("/v1/responses")
    recent.requestheaders(flow)
    recent.response(answered(flow, 101))
    assert recent.rows() == []

    one, two = (
        {"asked": 1e9 + n, "model": f"m{n}", "sent_model": f"m{n}", "changes": [], "notes": [], "sent_at": time.monotonic()}
        for n in range(2)
    )  # fmt: skip
    recent.turn_begins(flow, one)
    recent.turn_begins(flow, two)
    one["error"] = "usage_limit_reached"
    recent.turn_ends(flow, one)
    rows = recent.rows()
    assert [(row["model"], row["running"], row["error"], row["status"]) for row in rows] == [
        ("m1", True, None, None),
        ("m0", False, "usage_limit_reached", 101),
    ]
    assert (rows[1]["method"], rows[1]["at"]) == ("WebSocket", "2001-09-09T01:46:40.000+00:00")
    assert rows[0]["number"] > rows[1]["number"]
    recent.turn_ends(flow, two)
    assert [row["running"] for row in recent.rows()] == [False, False]


def test_the_newest_come_first_and_the_oldest_go() -> None:
    recent = Recent()
    runs = asked(model="runs")
    for number in range(KEPT + 5):
        recent.requestheaders(one := asked(model=str(number)))
        recent.response(answered(one))
    recent.requestheaders(runs)
    rows = recent.rows()
    assert [row["model"] for row in rows[:3]] == ["runs", str(KEPT + 4), str(KEPT + 3)] and len(rows) == KEPT


def test_no_flow_is_held() -> None:
    recent, flow, lost = Recent(), asked(), asked()
    recent.requestheaders(flow)
    recent.requestheaders(lost)
    recent.response(answered(flow))
    kept = [weakref.ref(flow), weakref.ref(lost)]
    del flow, lost
    gc.collect()
    assert [ref() for ref in kept] == [None, None] and len(recent.rows()) == 1


def test_what_callers_name_things_is_bounded_and_without_tokens() -> None:
    recent, token = Recent(), "sk-" + "a1" * 20
    flow = asked(
        f"/v1/{token}", f"agent/{token}" + "x" * 500, model="m" * 100_000 + token, notes=["n" * 9999, f"bearer {token}"]
    )
    flows.state_of(flow)["changes"] = [["f", "w", "y", "c" * 9999]] * 5000
    recent.requestheaders(flow)
    recent.response(answered(flow))
    told = json.dumps(recent.rows())
    assert token not in told and len(told) < 10_000


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
    assert client_name({"original": {"headers": [["User-Agent", agent]]}}) == name


def test_a_client_without_a_name_has_none() -> None:
    assert client_name({}) == client_name({"original": {"headers": [["Host", "localhost"]]}}) == ""
