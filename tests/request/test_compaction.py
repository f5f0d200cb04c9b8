import json
from typing import Any

import msgspec
import openai.types.responses
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.request.compaction import NO_TOKENS, SEALED, TRIGGER, as_turn

from .. import oracle

USER = {"role": "user", "content": "x"}
SAID = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "y"}]}
PARTS = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}
ITEM = {"id": "cmp_1", "type": "compaction", "encrypted_content": "sealed"}
USAGE = {"input_tokens": 1, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 2,
         "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 3}  # fmt: skip


def turned(body: dict[str, Any], lite: bool = False) -> tuple[dict[str, Any], Any]:
    turn, answered, changes = as_turn(json.dumps({"model": "gpt-6-sol", **body}).encode(), lite)
    assert [change.field for change in changes] == ["input"]
    return json.loads(turn), answered


@pytest.mark.parametrize(
    "body", [{"input": [USER]}, {"input": [USER, TRIGGER]}, {"input": [SAID, USER], "instructions": "i"}]
)
def test_it_is_a_turn_that_the_backend_takes(body: dict[str, Any]) -> None:
    turn, _ = turned({**body, "parallel_tool_calls": True, "prompt_cache_key": "k"})
    assert oracle.refusal(turn) is None
    assert turn["input"].count(TRIGGER) == 1 and turn["input"][-1] == TRIGGER
    assert (turn["store"], turn["stream"], turn["instructions"]) == (False, True, body.get("instructions", ""))
    assert turn["prompt_cache_key"] == "k"


@pytest.mark.parametrize("given", [{}, {"input": None}, {"input": []}])
def test_nothing_in_it_is_left_to_the_backend(given: dict[str, Any]) -> None:
    assert turned(given)[0]["input"] == [TRIGGER]


def test_a_lite_request_has_its_instructions_in_the_input() -> None:
    assert "instructions" not in turned({"input": [USER]}, lite=True)[0]


def test_what_is_no_list_is_the_clients_mistake() -> None:
    with pytest.raises(ProxyError) as e:
        turned({"input": {"a": 1}})
    assert (e.value.status, e.value.code) == (400, "invalid_json")


def frames(*output: dict[str, Any], kind: str = "response.completed", **response: Any) -> list[bytes]:
    """As the backend has it: the items come first, and the last event has none."""
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(output)
    ]
    last = {"type": kind, "response": {"id": "resp_1", "created_at": 7, "output": [], **response}}
    begun = {"type": "response.created", "response": {"id": "resp_1", "created_at": 7, "output": []}}
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in (begun, *events, last)]


def made(given: list[bytes], *items: dict[str, Any]) -> dict[str, Any]:
    document = turned({"input": list(items)})[1].document("gpt-6-sol")
    document.feed(given[:1])
    document.feed(given[1:])
    found: dict[str, Any] = msgspec.json.decode(document.made())
    return found


def test_the_answer_is_in_the_form_of_the_sdk() -> None:
    answer = made(frames(ITEM, usage=USAGE), USER, SAID, PARTS)
    first, second, sealed = answer.pop("output")
    assert answer == {"id": "resp_1", "object": "response.compaction", "created_at": 7, "usage": USAGE}
    assert (first["role"], first["content"]) == ("user", [{"type": "input_text", "text": "x"}])
    assert second["content"] == PARTS["content"] and first["id"] != second["id"]
    assert sealed == ITEM
    for item in (first, second):
        assert (item["type"], item["status"], item["id"][:4]) == ("message", "completed", "msg_")
    openai.types.responses.CompactedResponse.model_validate({**answer, "output": [sealed]}, strict=True)


@pytest.mark.parametrize("kind", SEALED)
def test_what_is_sealed_has_several_names(kind: str) -> None:
    spoken = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    assert [item["type"] for item in made(frames(spoken, {**ITEM, "type": kind}), USER)["output"]] == ["message", kind]


def test_an_answer_that_says_little_of_itself_has_all_fields() -> None:
    answer = made(frames(ITEM, id=None, created_at=None), USER)
    assert answer["id"].startswith("resp_") and answer["created_at"] > 7 and answer["usage"] == NO_TOKENS


FAILED = {"error": {"code": "context_length_exceeded", "message": "Too long."}}


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        (frames(SAID), 404, "compact_unavailable"),
        (frames(kind="response.incomplete"), 404, "compact_unavailable"),
        (frames(kind="response.failed", **FAILED), 400, "context_length_exceeded"),
        (frames(ITEM)[:1], 502, "stream_broken"),
        ([], 502, "stream_broken"),
    ],
)
def test_a_turn_that_seals_nothing_is_an_error(given: list[bytes], status: int, code: str) -> None:
    with pytest.raises(ProxyError) as e:
        made(given, USER)
    assert (e.value.status, e.value.code) == (status, code)


def test_it_is_not_streamed() -> None:
    answered = turned({"input": [USER]})[1]
    assert not answered.may_stop and not answered.document("m").stopped
    with pytest.raises(ProxyError):
        answered.stream("m")
