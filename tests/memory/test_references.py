import json
from typing import Any

import msgspec
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.memory import references as put_back
from codex_proxy.memory import store as stored
from codex_proxy.request.body_rules import PatchOptions, patch

from ..oracle import refusal

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
NEXT = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and now?"}]}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}
ABORTED = {"type": "function_call_output", "call_id": "call_1", "output": "aborted"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "12"}


def past(caller: str = "me") -> stored.CallerView:
    """One answer to USER is stored, of a caller called "me"."""
    store = stored.ResponseStore()
    asked = stored.parts_of_request(json.dumps({"input": [USER]}).encode())
    answer = {
        "id": "resp_1",
        "output": [REASONING, {**MESSAGE, "status": "completed"}, {**CALL, "status": "completed"}],
    }
    store.remember("me", asked, json.dumps(answer).encode())
    return stored.CallerView(store, caller)


def sent(body: dict[str, Any], options: PatchOptions | None = None) -> tuple[dict[str, Any], list[str]]:
    result = patch(json.dumps({"model": "gpt-6-sol", **body}).encode(), options or PatchOptions(past=past()))
    told = [
        change.short
        for change in result.changes
        if change.field in ("previous_response_id", "item_reference", "second item_reference")
    ]
    return json.loads(result.body or b""), told


@pytest.mark.parametrize("new", [[OUTPUT, NEXT], [OUTPUT], "and now?"])
def test_a_conversation_is_put_back_in_front_of_what_is_new(new: Any) -> None:
    body, told = sent({"previous_response_id": "resp_1", "input": new})

    added = [NEXT] if isinstance(new, str) else new
    missing = [] if OUTPUT in added else [ABORTED]
    assert body["input"] == [USER, REASONING, MESSAGE, CALL, *missing, *added]
    assert "previous_response_id" not in body
    assert told == ["previous_response_id replaced by the conversation before it"]


def test_with_nothing_new_it_is_the_conversation_alone() -> None:
    assert sent({"previous_response_id": "resp_1"})[0]["input"] == [USER, REASONING, MESSAGE, CALL, ABORTED]


@pytest.mark.parametrize(
    ("cut_off", "whole"),
    [
        ([REASONING], []),
        ([MESSAGE, REASONING], [MESSAGE]),
        ([REASONING, CALL], [REASONING, CALL, ABORTED]),
        ([REASONING, CALL, REASONING], [REASONING, CALL, ABORTED]),
    ],
)
def test_what_an_interrupted_answer_left_goes_up_whole(cut_off: list[Any], whole: list[Any]) -> None:
    store = stored.ResponseStore()
    asked = stored.parts_of_request(json.dumps({"input": [USER]}).encode())
    store.remember("me", asked, json.dumps({"id": "resp_1", "output": cut_off}).encode())
    options = PatchOptions(past=stored.CallerView(store, "me"))
    body, _ = sent({"previous_response_id": "resp_1", "input": [NEXT]}, options)
    assert body["input"] == [USER, *whole, NEXT] and refusal(body) is None


@pytest.mark.parametrize(("new", "first"), [([NEXT], ABORTED), ([OUTPUT, NEXT], OUTPUT)])
def test_what_follows_upon_a_call_on_the_same_connection_answers_it(new: list[Any], first: dict[str, Any]) -> None:
    """The backend has the call; only what is new goes up (docs/backend.md, 11)."""
    chained = PatchOptions(past=past(), socket=True, chained=True)
    body, told = sent({"type": "response.create", "previous_response_id": "resp_1", "input": new}, chained)
    assert body["input"] == [first, NEXT] and body["previous_response_id"] == "resp_1" and told == []


@pytest.mark.parametrize("typed", [True, False])
def test_references_become_their_items(typed: bool) -> None:
    kind = {"type": "item_reference"} if typed else {}
    references = [{**kind, "id": name} for name in ("rs_1", "msg_1", "fc_1")]
    body, told = sent({"input": [USER, *references, OUTPUT, NEXT]})

    assert body["input"] == [USER, REASONING, MESSAGE, CALL, OUTPUT, NEXT]
    assert told == ["item_reference replaced by its item (x3)"]


def test_an_item_stands_there_once() -> None:
    again = {"type": "item_reference", "id": "msg_1"}
    body, told = sent({"previous_response_id": "resp_1", "input": [again, NEXT]})

    assert body["input"] == [USER, REASONING, MESSAGE, CALL, ABORTED, NEXT]
    assert told[1:] == ["-second item_reference"]


UNKNOWN: list[tuple[dict[str, Any], str, str, str]] = [
    ({"previous_response_id": "resp_2", "input": "x"}, "previous_response_not_found", "previous_response_id", "use_previous_response_id=False"),
    ({"previous_response_id": ["resp_1"], "input": "x"}, "previous_response_not_found", "previous_response_id", "['resp_1']"),
    ({"input": [{"type": "item_reference", "id": "rs_2"}]}, "item_not_found", "input", "store: false"),
    ({"input": [USER, {"type": "item_reference"}]}, "item_not_found", "input", "providerOptions"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code", "param", "says"), UNKNOWN)
@pytest.mark.parametrize(
    "options", [PatchOptions(past=past()), PatchOptions(past=past("somebody else")), PatchOptions()]
)
def test_what_is_not_known_is_refused_with_what_to_set(
    body: dict[str, Any], code: str, param: str, says: str, options: PatchOptions
) -> None:
    with pytest.raises(ProxyError) as e:
        sent(body, options)
    assert (e.value.status, e.value.code, e.value.extra) == (400, code, {"param": param})
    assert says in e.value.message and "not found" in e.value.message and "codex_memory" in e.value.message


@pytest.mark.parametrize(
    "body", [{"previous_response_id": "resp_1", "input": "x"}, {"input": [{"type": "item_reference", "id": "rs_1"}]}]
)
def test_another_caller_gets_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(ProxyError):
        sent(body, PatchOptions(past=past("somebody else")))


def test_an_input_that_is_no_list_is_not_put_behind_a_conversation() -> None:
    with pytest.raises(ProxyError) as e:
        sent({"previous_response_id": "resp_1", "input": {"odd": 1}})
    assert e.value.code == "invalid_json"


def test_of_a_body_without_a_previous_response_nothing_is_asked() -> None:
    body = {"input": msgspec.Raw(b"[]")}
    assert put_back.conversation(body, None) == []
