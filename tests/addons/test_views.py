import json
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy import contentviews, flow, http
from mitmproxy.contentviews import Metadata, registry
from mitmproxy.test import taddons, tflow, tutils
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from codex_proxy.addons.views import CodexAnswer, CodexRequest, Views, with_gaps
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.changes import Change
from codex_proxy.steps.event_stream import EventStream
from codex_proxy.steps.live_view import so_far
from codex_proxy.walk.exchange import Exchange
from codex_proxy.walk.saved import KEY, saved
from standin.answers.events import events, frame
from standin.answers.usage import Usage

from ..places import NANOBOT

REQUEST = json.dumps(NANOBOT["first_turn"]["body"]).encode()
CALL = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
SAID = events({"model": "gpt-6-sol"}, [CALL], Usage(1, 0, 1, 0), None)
STREAM = b"".join(frame(event) for event in SAID)


def flow_of(
    path: str = "/backend-api/codex/responses",
    answer: bytes = STREAM,
    kind: str | None = "text/event-stream; charset=utf-8",
    status: int = 200,
) -> http.HTTPFlow:
    made = tflow.tflow(
        req=tutils.treq(
            method=b"POST", path=path.encode(), content=REQUEST, headers=http.Headers(content_type="application/json")
        ),
        resp=tutils.tresp(status_code=status, content=answer, headers=http.Headers()),
    )
    assert made.response
    if kind:
        made.response.headers["content-type"] = kind
    made.live = False
    return made


@pytest.fixture
def loaded() -> Iterator[None]:
    """mitmproxy with the views loaded, and without them afterwards."""
    before = dict(registry._by_name)
    with taddons.context(Views()):
        yield
    registry._by_name.clear()
    registry._by_name.update(before)


def shown(message: http.Message | WebSocketMessage, of: flow.Flow) -> tuple[str | None, str]:
    """Name and text of the view that mitmproxy chooses."""
    result = contentviews.prettify_message(message, of)
    assert result.syntax_highlight == "yaml" or not (result.view_name or "").startswith("Codex")
    return result.view_name, result.text


def test_a_request_is_shown_with_what_the_proxy_knows_of_it(loaded: None) -> None:
    made = flow_of()
    made.metadata[KEY] = {"model": "gpt-4.1", "changes": [["store", "set to false", "it is refused", "store"]]}
    name, text = shown(made.request, made)
    assert name == "Codex request"
    assert text.startswith("# gpt-4.1 → gpt-6-sol · 1 item · ")
    assert "changed on the way up: |\n  store: set to false\n      it is refused\n \nraw JSON:" in text


def test_an_answer_is_shown_with_its_times(loaded: None) -> None:
    made = flow_of()
    made.metadata[KEY] = {"marks": [[0, 1234]]}
    assert made.response
    name, text = shown(made.response, made)
    assert name == "Codex answer"
    assert text.startswith("# gpt-6-sol · completed · 1.23 s · ") and "call f:  # c\n  {}" in text


@pytest.mark.parametrize("kept", [None, "x", {}, []])
def test_a_flow_of_plain_mitmproxy_is_shown_too(kept: Any, loaded: None) -> None:
    made = flow_of()
    if kept is not None:
        made.metadata[KEY] = kept
    assert made.response
    assert shown(made.request, made)[0] == "Codex request"
    assert shown(made.response, made)[0] == "Codex answer"


def test_a_flow_is_shown_after_it_was_saved(loaded: None) -> None:
    made = flow_of()
    made.metadata[KEY] = saved(Exchange(marks=[(0, 1234)], changes=[Change("store", "set to false", "why")]))
    again = http.HTTPFlow.from_state(made.get_state())
    assert isinstance(again, http.HTTPFlow) and again.response
    assert "1.23 s" in shown(again.response, again)[1] and "set to false" in shown(again.request, again)[1]


JSON, EVENTS = "application/json", "text/event-stream"
ONE_OBJECT = b'{"object":"response","model":"m","output":[]}'

CHOSEN = [
    # the paths, with any prefix
    ("/v1/responses", STREAM, EVENTS, 200, "Codex answer"),
    ("/responses?a=b", STREAM, EVENTS, 200, "Codex answer"),
    ("/v1/chat/completions", b"data: [DONE]\n\n", EVENTS, 200, "Codex answer"),
    ("/other/base/responses", STREAM, EVENTS, 200, "Codex answer"),
    ("/v1/messages", STREAM, EVENTS, 200, None),
    ("/v1/responses/resp_1", STREAM, EVENTS, 200, None),
    # the content types
    ("/responses", STREAM, None, 200, "Codex answer"),
    ("/responses", b"hello", None, 200, None),
    ("/responses", ONE_OBJECT, JSON, 200, "Codex answer"),
    ("/responses", b'{"error":{}}', JSON, 400, None),
    ("/responses", b"<html>", "text/html", 403, None),
    ("/models", ONE_OBJECT, JSON, 200, None),
]


@pytest.mark.parametrize(("path", "answer", "kind", "status", "view"), CHOSEN)
def test_an_answer_is_known_by_its_path_and_content_type(
    path: str, answer: bytes, kind: str | None, status: int, view: str | None, loaded: None
) -> None:
    made = flow_of(path, answer, kind, status)
    assert made.response
    name, _ = shown(made.response, made)
    assert name == view if view else not (name or "").startswith("Codex")


@pytest.mark.parametrize(
    ("path", "kind", "ours"),
    [
        ("/v1/responses", JSON, True),
        ("/v1/responses", "application/json; charset=utf-8", True),
        ("/v1/responses", None, True),
        ("/responses/compact", JSON, True),
        ("/chat/completions", JSON, True),
        ("/v1/responses", "multipart/form-data", False),
        ("/v1/embeddings", JSON, False),
    ],
)
def test_a_request_is_known_by_its_path_and_content_type(path: str, kind: str | None, ours: bool, loaded: None) -> None:
    made = flow_of(path)
    made.request.headers.pop("content-type")
    if kind:
        made.request.headers["content-type"] = kind
    assert (shown(made.request, made)[0] == "Codex request") is ours


def test_neither_view_is_for_what_it_knows_nothing_of() -> None:
    for view in (CodexRequest(), CodexAnswer()):
        assert view.render_priority(b"{}", Metadata(content_type=JSON)) < 0
        assert view.render_priority(STREAM, Metadata(content_type=EVENTS)) < 0
        assert view.render_priority(b"", Metadata()) < 0


def test_chosen_by_hand_they_need_no_flow() -> None:
    assert CodexAnswer().prettify(STREAM, Metadata()).startswith("# gpt-6-sol · completed")
    assert CodexRequest().prettify(REQUEST, Metadata()).startswith("# gpt-6-sol")


def test_an_answer_that_is_still_coming_is_running(loaded: None) -> None:
    made = flow_of(answer=STREAM[:-20])
    assert made.response
    made.live, made.response.timestamp_end = True, None
    assert "· running ·" in shown(made.response, made)[1]
    made.live = False
    assert "· broken off ·" in shown(made.response, made)[1]


def test_an_answer_that_mitmweb_is_shown_without_its_middle_is_read_around_it(loaded: None) -> None:
    text = " ".join(f"w{n}" for n in range(5000))
    message = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": text}]}
    frames = [frame(event) for event in events({"model": "gpt-6-sol"}, [message], Usage(1, 0, 1, 0), None)][:4500]
    stream = EventStream(Exchange(), StreamRepairer(), None)
    stream.kept += b"".join(frames)
    made = flow_of(answer=so_far(stream))
    assert made.response and len(made.response.content or b"") < 40_000
    made.live, made.response.timestamp_end = True, None
    made.metadata[KEY] = {"marks": [[0, 100], [len(stream.kept) - 10, 9000]]}
    shown_text = shown(made.response, made)[1]
    assert shown_text.startswith("# gpt-6-sol · running · 9.00 s · 4,500 events · ")
    assert "text: |\n  w0 w1 w2" in shown_text and "\n  … left out …\n   w" in shown_text
    assert "not readable" not in shown_text and "comment" not in shown_text and "-4,500 " in shown_text


def test_an_answer_that_broke_off_says_what_mitmproxy_saw(loaded: None) -> None:
    made = flow_of(answer=STREAM[:-20])
    assert made.response
    made.live, made.response.timestamp_end = True, None
    made.error = flow.Error("Client disconnected.")
    text = shown(made.response, made)[1]
    assert "· broken off ·" in text and "the proxy noted: Client disconnected." in text


def test_a_json_answer_that_is_none_falls_back_to_mitmproxys_own(loaded: None) -> None:
    made = flow_of(answer=b'{"id":"x"}', kind=JSON)
    assert made.response
    name, text = shown(made.response, made)
    assert name != "Codex answer" and '"id"' in text


def kept(body: str = '{"model":"a"}', **more: Any) -> dict[str, Any]:
    """What the proxy keeps of a client's request."""
    original = {
        "method": "POST",
        "path": "/v1/responses",
        "headers": [["Accept", "a"]],
        "body": body,
        "body_cut": False,
    }
    return {"original": {**original, **more}}


def as_diff(of: flow.Flow, message: http.Message) -> str:
    return contentviews.prettify_message(message, of, "codex diff").text


def test_the_difference_is_a_view_of_a_request_that_is_asked_for(loaded: None) -> None:
    made = flow_of()
    made.metadata[KEY] = kept()
    told = as_diff(made, made.request)
    assert told.startswith("--- what the client sent\n+++ what went up\n")
    assert '- "model": "a"\n' in told and "-POST /v1/responses\n+POST /backend-api/codex/responses\n" in told
    assert shown(made.request, made)[0] == "Codex request"


def test_of_a_body_that_was_cut_the_difference_says_so(loaded: None) -> None:
    made = flow_of()
    made.metadata[KEY] = kept(body_cut=True)
    assert as_diff(made, made.request).endswith("bytes were kept)")


def test_the_difference_holds_no_token(loaded: None) -> None:
    token = "sk-" + "Ab1" * 12
    made = flow_of()
    made.metadata[KEY] = kept(json.dumps({"input": f"my key\n{token}"}))
    assert token not in as_diff(made, made.request)


@pytest.mark.parametrize("message, said", [("request", "did not come through"), ("response", "is for requests")])
def test_where_there_is_no_difference_the_view_says_why(message: str, said: str, loaded: None) -> None:
    made = flow_of()
    assert said in as_diff(made, getattr(made, message))


@pytest.mark.parametrize("text", ["", "a", "a\nb", "a\n\nb", "a\n\n\n\nb\n"])
def test_empty_lines_hold_a_space(text: str) -> None:
    assert "\n\n" not in with_gaps(text)
    assert with_gaps(text).replace("\n ", "\n") == text


def turn(running: bool = False, state: dict[str, Any] | None = None) -> http.HTTPFlow:
    """A WebSocket's flow with a turn on it, as websockets.py keeps it."""
    made = tflow.twebsocketflow(messages=False)
    made.request.path = "/backend-api/codex/responses"
    assert made.websocket
    kept = b"".join(b"data: " + frame(event).partition(b"data: ")[2] for event in SAID[: 3 if running else None])
    asked = {"type": "response.create", **json.loads(REQUEST)}
    made.websocket.messages = [
        WebSocketMessage(Opcode.TEXT, True, json.dumps(asked).encode(), 1000.5),
        WebSocketMessage(Opcode.TEXT, False, kept, 1000.75),
    ]
    record = {"asked": 1000.5, "answered": 1000.75, "changes": [["store", "set to false", "why", "x"]], "notes": []}
    record |= {"marks": [[0, 250]], "sent_model": "gpt-6-sol"}
    made.metadata[KEY] = {"turns": [{"asked": 1.0, "answered": 2.0}, record], "changes": [], **(state or {})}
    made.live = running
    return made


def test_a_turn_of_a_websocket_is_shown_as_a_request_and_its_answer(loaded: None) -> None:
    made = turn()
    assert made.websocket
    asked, answered = made.websocket.messages
    name, text = shown(asked, made)
    assert name == "Codex request"
    assert "store: set to false" in text and "response.create" in text
    name, text = shown(answered, made)
    assert name == "Codex answer"
    assert "completed" in text and "0.25 s" in text and "timeline" in text and "broken" not in text


def test_a_turn_that_is_running_says_so(loaded: None) -> None:
    made = turn(running=True)
    assert made.websocket
    assert "running" in shown(made.websocket.messages[1], made)[1].splitlines()[0]


@pytest.mark.parametrize("state", [{"turns": None}, {"turns": "x"}, {"turns": [None, {}]}])
def test_a_turn_that_nothing_is_known_of_is_shown_as_well(state: dict[str, Any], loaded: None) -> None:
    made = turn(state=state)
    assert made.websocket
    assert [shown(message, made)[0] for message in made.websocket.messages] == ["Codex request", "Codex answer"]


def test_other_messages_of_a_websocket_are_left_to_mitmproxy(loaded: None) -> None:
    made = turn()
    for content, from_client in (
        (b'{"type":"error"}', False),
        (b'{"type":"response.cancel"}', True),
        (b"data: x", True),
    ):
        message = WebSocketMessage(Opcode.TEXT, from_client, content)
        assert not (shown(message, made)[0] or "").startswith("Codex")
    made.request.path = "/socket"
    assert made.websocket
    assert not (shown(made.websocket.messages[0], made)[0] or "").startswith("Codex")
