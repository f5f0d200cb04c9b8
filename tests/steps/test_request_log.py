import logging
import time
from typing import Any

import pytest
from mitmproxy import flow as mitmproxy_flow
from mitmproxy import http
from mitmproxy.test import tflow

from codex_proxy.changes import Change
from codex_proxy.errors import ProxyError
from codex_proxy.outcome import Tokens
from codex_proxy.steps import request_log
from codex_proxy.steps.request_log import TROUBLE, RequestLog, brief, span, turns_so_far
from codex_proxy.walk.exchange import Exchange
from codex_proxy.websocket.turns import TurnRecord

from .flows import asked, configured

CHANGE = Change("store", "false", "why", "store false")
TOKEN = "sk-" + "a1" * 20


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({}, ""),
        ({"sent_model": "gpt-6-luna"}, "gpt-6-luna"),
        ({"sent_model": "gpt-6-luna", "changes": [CHANGE]}, "gpt-6-luna, 1 change"),
        ({"sent_model": "gpt-6-luna", "changes": [CHANGE] * 6}, "gpt-6-luna, 6 changes"),
        ({"refused": "unknown_path"}, "unknown_path"),
        ({"error": "server_error", "sent_model": "gpt-6-luna"}, "server_error, gpt-6-luna"),
        ({"error": "server_error", "refused": "proxy_failed"}, "proxy_failed"),
    ],
)
def test_there_is_room_for_a_few_words(known: dict[str, Any], text: str) -> None:
    assert brief(Exchange(**known)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.0004, "0 ms"), (0.25, "250 ms"), (0.999, "999 ms"), (1, "1.0 s"), (75.25, "75.2 s")],
)
def test_a_time_is_told_in_a_unit_that_suits_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize("number, text", [(0, "0 turns"), (1, "1 turn"), (2, "2 turns")])
def test_turns_are_counted(number: int, text: str) -> None:
    assert turns_so_far(number) == text


@pytest.mark.parametrize(
    ("status", "known", "level", "line", "marked"),
    [
        (200, {}, logging.INFO, "POST /v1/responses 200", ""),
        (200, {"model": "m", "sent_model": "m"}, logging.INFO, "POST /v1/responses m 200", ""),
        (200, {"model": "m", "sent_model": "n"}, logging.INFO, "POST /v1/responses m → n 200", ""),
        (200, {"error": "server_error"}, logging.INFO, "POST /v1/responses 200 server_error", TROUBLE),
        (404, {"refused": "unknown_path"}, logging.INFO, "POST /v1/responses 404 unknown_path", TROUBLE),
        (503, {"refused": "stopping"}, logging.WARNING, "POST /v1/responses 503 stopping", TROUBLE),
        (200, {"notes": ["one", "two"]}, logging.INFO, "POST /v1/responses 200 · one · two", ""),
        (200, {"changes": [CHANGE]}, logging.INFO, "POST /v1/responses 200 · changed: store false", ""),
        (200, {"tokens": Tokens(5, 1, 2, 0)}, logging.INFO, "POST /v1/responses 200 · tokens in 5 (cached 1) out 2 (reasoning 0)", ""),
        (200, {"model": TOKEN, "sent_model": TOKEN}, logging.INFO, None, ""),
    ],
)  # fmt: skip
def test_an_answer_is_one_line(
    status: int, known: dict[str, Any], level: int, line: str | None, marked: str, caplog: pytest.LogCaptureFixture
) -> None:
    flow, exchange = asked(**known)
    flow.response = http.Response.make(status)
    with caplog.at_level(logging.INFO):
        RequestLog().response(flow, exchange)
    (record,) = caplog.records
    assert (record.levelno, flow.marked) == (level, marked)
    assert record.message == line if line else TOKEN not in record.message + flow.comment


def test_the_line_has_the_times_and_the_backends_request_id(caplog: pytest.LogCaptureFixture) -> None:
    now = time.monotonic()
    flow, exchange = asked(sent_at=now - 75, first_at=now - 74.75)
    flow.response = http.Response.make(200, b"", {"x-request-id": "req_1"})
    with caplog.at_level(logging.INFO):
        RequestLog().response(flow, exchange)
    *_, first, took, request_id = caplog.records[0].message.split(" · ")
    assert (first, took[:8], request_id) == ("first byte 250 ms", "took 75.", "req_1")


@pytest.mark.parametrize(
    ("message", "known", "answered", "line", "marked"),
    [
        ("peer closed", {}, False, "POST /v1/responses no answer (peer closed)", TROUBLE),
        ("peer closed", {"error": "stream_broken"}, True, "POST /v1/responses 200 stream_broken (peer closed)", TROUBLE),
        ("cancelled", {"stopped": True}, True, "POST /v1/responses 200", ""),
        (None, {}, True, None, ""),
        (f"token {TOKEN}", {}, False, "", TROUBLE),
    ],
)  # fmt: skip
def test_what_broke_off_is_a_warning_unless_we_did_it(
    message: str | None,
    known: dict[str, Any],
    answered: bool,
    line: str | None,
    marked: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    flow, exchange = asked(**known)
    flow.response = http.Response.make(200) if answered else None
    flow.error = mitmproxy_flow.Error(message) if message else None
    with caplog.at_level(logging.INFO):
        RequestLog().error(flow, exchange)
    assert TOKEN not in caplog.text + flow.comment + repr(flow.error and flow.error.msg)
    assert flow.marked == marked and (flow.error is not None) is bool(marked)
    if line:
        assert [record.message for record in caplog.records] == [line]
    if line is None:
        assert caplog.records == []


def test_a_mark_of_a_persons_own_stays() -> None:
    flow, exchange = asked(error="server_error")
    flow.response, flow.marked = http.Response.make(200), ":star:"
    RequestLog().response(flow, exchange)
    assert flow.marked == ":star:"


@pytest.mark.parametrize(
    ("record", "line", "marked"),
    [
        (TurnRecord(number=1, model="m", sent_model="m", ended="response.completed"), "turn 1 m completed", ""),
        (TurnRecord(number=2, model="m", sent_model="n", ended="response.done"), "turn 2 m → n done", ""),
        (TurnRecord(number=3, model="m", sent_model="m", ended="error", error="slow_down"), "turn 3 m slow_down", TROUBLE),
    ],
)  # fmt: skip
def test_a_turn_of_a_websocket_is_one_line(
    record: TurnRecord, line: str, marked: str, caplog: pytest.LogCaptureFixture
) -> None:
    flow, exchange = asked()
    with caplog.at_level(logging.INFO):
        request_log.turn(flow, exchange, record, 3)
    assert caplog.messages == [f"WebSocket /v1/responses {line}"] and flow.marked == marked
    assert flow.comment.endswith("3 turns")


def test_a_websocket_is_told_of_turn_by_turn_and_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    flow = tflow.twebsocketflow()
    exchange = Exchange(path="/v1/responses", sent_at=time.monotonic())
    with caplog.at_level(logging.INFO):
        RequestLog().response(flow, exchange)
        request_log.refused_message(flow, exchange, ProxyError("invalid_json", "x"))
        request_log.websocket_end(flow, exchange, "client", 2)
    assert [line.partition(" · took")[0] for line in caplog.messages] == [
        "WebSocket /v1/responses message refused: invalid_json",
        "WebSocket /v1/responses closed by the client (1000) · 2 turns",
    ]


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("server, words", [(True, "requests go to http://127.0.0.1:9/backend-api/codex"), (False, "nothing listens")])  # fmt: skip
def test_the_start_says_where_requests_go(server: bool, words: str, caplog: pytest.LogCaptureFixture) -> None:
    configured(server=server)
    with caplog.at_level(logging.INFO):
        RequestLog().running()
    assert words in caplog.text
