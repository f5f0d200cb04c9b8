import json
from typing import Any

import msgspec
import pytest

from codex_proxy import outcome
from codex_proxy.errors import ProxyError
from codex_proxy.outcome import Tokens
from codex_proxy.websocket import turns

NO_OUTPUT = {"id": "resp_1", "output": [], "usage": {"input_tokens": 5, "output_tokens": 2}}
ITEM = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "hi"}]}


def event(kind: str, **values: Any) -> bytes:
    return json.dumps({"type": kind, **values}).encode()


DELTA = event("response.output_text.delta", output_index=0, item_id="msg_1", content_index=0, delta="hi")
DONE = event("response.output_item.done", item=ITEM, output_index=0)
COMPLETED = event("response.completed", response=NO_OUTPUT)


def begun(connection: turns.Turns | None = None, now: float = 10.0) -> tuple[turns.Turns, turns.Turn]:
    connection = connection or turns.Turns()
    return connection, connection.begin(turns.TurnRecord(model="m"), now)


def test_the_last_event_gets_its_output_and_the_turn_is_over() -> None:
    connection, turn = begun()
    assert connection.take(DELTA, 10.5) == (DELTA, turn)
    assert connection.take(DONE, 11) == (DONE, turn)
    fixed, _ = connection.take(COMPLETED, 12)

    assert json.loads(fixed)["response"]["output"] == [ITEM]
    assert not connection.running
    record = turn.record
    assert record.ended == "response.completed"
    assert record.tokens == Tokens(input=5, output=2)
    assert (record.number, record.sent_at, record.first_at) == (1, 10.0, 10.5)
    assert record.marks[0] == (0, 500)
    # In the form of a stream, so that it is shown like one.
    assert turn.kept == b"".join(b"data: " + each + b"\n\n" for each in (DELTA, DONE, fixed))


def test_what_follows_upon_a_response_of_the_connection_is_known_with_its_cache_key() -> None:
    connection, turn = begun()
    turn.cache_key = "k"
    connection.take(COMPLETED, 11)
    assert connection.known == {"resp_1": "k"}
    _, failed = begun(connection)
    connection.take(event("response.failed", response={"id": "resp_2", "error": {"code": "server_error"}}), 12)
    assert connection.known == {"resp_1": "k"}
    assert failed.record.error == "server_error"


def test_not_every_response_is_remembered_for_ever() -> None:
    connection = turns.Turns()
    for number in range(turns.KNOWN + 5):
        begun(connection)
        connection.take(event("response.completed", response={"id": f"resp_{number}", "output": []}), 11)
    assert len(connection.known) == turns.KNOWN
    assert f"resp_{turns.KNOWN + 4}" in connection.known


def test_turns_are_answered_in_their_order() -> None:
    connection, one = begun()
    _, two = begun(connection)
    connection.take(COMPLETED, 11)
    connection.take(DELTA, 12)
    assert one.record.ended == "response.completed"
    assert not two.record.ended and two.kept


def test_an_event_of_no_turn_passes_without_tokens() -> None:
    connection = turns.Turns()
    secret = "eyJhbGciOiJub25l" + ".eyJzdWIiOiJ4In0.c2ln"
    assert connection.take(DELTA, 1) == (DELTA, None)
    told, _ = connection.take(event("error", status=401, error={"message": f"bad token {secret}"}), 1)
    assert secret.encode() not in told


def test_a_long_answer_is_not_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "KEPT", 1000)
    connection, turn = begun()
    for _ in range(500):
        connection.take(DELTA, 11)
    assert len(turn.kept) < 1100


def test_the_times_of_many_events_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome, "MARKS", 64)
    connection, turn = begun()
    for number in range(1000):
        connection.take(DELTA, 10 + number)
    assert len(turn.record.marks) <= 65


@pytest.mark.parametrize(
    ("is_official", "status", "kind"),
    [(True, {}, "response.failed"), (True, {"status": 500}, "error"), (False, {}, "error")],
)
def test_an_error_without_a_status_reaches_the_official_client(is_official: bool, status: Any, kind: str) -> None:
    connection, _ = begun(turns.Turns(is_official=is_official))
    fixed, turn = connection.take(event("error", code="odd", message="Why.", **status), 11.0)
    told = json.loads(fixed)
    assert turn and (told["type"], turn.repair.ended, len(connection.running)) == (kind, "error", 0)
    assert (told["response"]["error"] if kind == "response.failed" else told)["message"] == "Why."


def test_a_turn_that_the_proxy_ends_says_so() -> None:
    _, turn = begun()
    told = json.loads(turn.fail(ProxyError("backend_timeout", "Too long."), 12))
    assert (told["type"], told["status"], told["error"]["code"]) == ("error", 504, "backend_timeout")
    assert turn.record.error == "backend_timeout"
    assert b"backend_timeout" in turn.kept


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{", "invalid_json"),
        (b"[1]", "not_an_object"),
        (b"", "empty_body"),
        (b'{"type": "\xff"}', "invalid_json"),
        (b'{"type":' + b"[" * 5000, "invalid_json"),
    ],
)
def test_what_is_no_message_is_refused(message: bytes, code: str) -> None:
    with pytest.raises(ProxyError) as refused:
        turns.read(message)
    assert refused.value.code == code


def test_the_type_of_a_message_is_read() -> None:
    assert turns.read(b'{"type": "response.create", "input": "x"}')[0] == turns.CREATE
    assert turns.read(b'{"type": 5}')[0] == ""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (event("error", status=429, error={}), 429),
        (event("error", status_code=401), 401),
        (event("error", code="flat"), None),
        (event("response.failed", status=429), None),
        (b"no json", None),
    ],
)
def test_the_status_of_an_error_is_read(data: bytes, status: int | None) -> None:
    assert turns.status_of(data) == status


def test_the_lite_form_is_told_by_the_message_as_well() -> None:
    metadata = msgspec.Raw(json.dumps({turns.LITE: "true"}).encode())
    assert turns.is_lite({"client_metadata": metadata})
    assert not turns.is_lite({"client_metadata": msgspec.Raw(b"{}")})
    assert not turns.is_lite({})
