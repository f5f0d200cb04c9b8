from typing import Any, cast

import pytest

from codex_proxy.capture import assessment
from codex_proxy.capture.assessment import ACCEPTED, CHANGED, PUT_IN, REFUSED, TAKEN_OFF, UNKNOWN, Fate
from codex_proxy.capture.folder import Document
from codex_proxy.dry_run import canned
from codex_proxy.models.dated_list import NOT_LISTED

GOOD = {"model": "gpt-6-sol", "input": [], "instructions": "", "store": False, "stream": True,
        "include": ["reasoning.encrypted_content"]}  # fmt: skip


def document(body: Any = None, line: str = "POST /v1/responses HTTP/1.1", **more: Any) -> Document:
    made = {"request_line": line, "headers": [["Host", "x"]], "sent": {}, "body": body or GOOD, **more}
    return cast(Document, made)


def fate_of(name: str, **fields: Any) -> list[tuple[str, str]]:
    return [(fate.what, fate.how) for fate in assessment.look(document({**GOOD, **fields})).fates[name]]


def test_what_the_backend_takes_is_accepted() -> None:
    one = assessment.look(document())

    assert one.fates == {name: [Fate(ACCEPTED)] for name in GOOD}
    assert (one.failure, one.unknown, one.is_changed) == ("", [], False)


CALL = {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}
FATES: list[tuple[str, Any, list[tuple[str, str]]]] = [
    ("temperature", 1, [(TAKEN_OFF, "")]),
    ("never_heard_of", 1, [(TAKEN_OFF, "")]),
    ("store", True, [(CHANGED, "set to false")]),
    ("service_tier", "fast", [(CHANGED, 'set to "priority"')]),
    ("reasoning", {"effort": "minimal"}, [(CHANGED, "effort minimal → low")]),
    ("previous_response_id", "resp_1", [(CHANGED, "replaced by the conversation before it")]),
    ("conversation", "conv_1", [(REFUSED, "")]),
    ("previous_response_id", None, [(TAKEN_OFF, "")]),
    ("input", "hi", [(CHANGED, "text made a list")]),
    ("input", [{"role": "system", "content": "a"}] * 2, [(CHANGED, "system → developer")]),
    ("input", [{"type": "item_reference", "id": "x"}], [(CHANGED, "item_reference replaced by its item")]),
    ("input", [{"type": "reasoning", "id": "rs_1"}], [(CHANGED, "reasoning item taken off")]),
    ("input", [CALL], [(CHANGED, 'function_call given the output "aborted"')]),
    ("tools", [{"type": "function", "function": {"name": "x"}}], [(CHANGED, "chat form flattened")]),
    ("tools", [{"type": "file_search"}], [(CHANGED, "tools file_search taken off")]),
    ("tools", [{"type": "function", "name": "x", "cache_control": 1}], [(CHANGED, "tools[].cache_control taken off")]),
    ("tool_choice", {"type": "function", "function": {"name": "x"}}, [(CHANGED, 'set to "auto"')]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "fates"), FATES)
def test_what_becomes_of_a_field(name: str, value: Any, fates: list[tuple[str, str]]) -> None:
    assert fate_of(name, **{name: value}) == fates


def test_what_is_missing_is_put_in() -> None:
    body = {"model": "gpt-6-sol", "input": [], "store": False, "stream": True}
    found = assessment.look(document(body)).fates

    assert [fate.what for fate in found["instructions"] + found["include"]] == [PUT_IN, PUT_IN]


def test_one_refused_field_does_not_hide_the_others() -> None:
    one = assessment.look(document({**GOOD, "conversation": "x", "temperature": 1}))

    assert [one.fates[name][0].what for name in ("conversation", "temperature")] == [REFUSED, TAKEN_OFF]
    assert "`conversation` can't be used" in one.failure


FAILURES: list[tuple[str, dict[str, Any], str]] = [
    ("path", {"line": "POST /v1/embeddings HTTP/1.1"}, "No such path here: POST /v1/embeddings"),
    ("method", {"line": "PUT /v1/responses HTTP/1.1"}, "takes POST, not PUT"),
    ("no messages", {"line": "POST /v1/chat/completions?a=b HTTP/1.1"}, "`messages` has to be a list"),
    ("no model", {"body": {"input": []}}, "Missing required parameter: 'model'."),
    ("role", {"body": {**GOOD, "input": [{"role": "tool", "content": "x"}]}}, "the role tool is not one"),
    ("no object", {"body": [1]}, "JSON, but not an object"),
    ("too large", {"body": None, "sent": {"note": "the body is larger than 128m and was not kept"}}, "larger than 128m"),
    ("by the backend", {"answer": {"by": "backend", "status": 400, "message": "No."}}, "the backend answered 400: No."),
    ("a page", {"answer": {"by": "proxy", "status": 403, "code": "origin_refused"}}, "answered 403: origin_refused"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "why"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_what_fails_and_why(given: dict[str, Any], why: str) -> None:
    made = document(**{"body": GOOD, **given})
    if given.get("body", GOOD) is None:
        del made["body"]

    assert why in assessment.look(made).failure


@pytest.mark.parametrize(
    ("model", "settings", "what", "how", "unlisted"),
    [
        ("gpt-6.2-sol", {}, ACCEPTED, "", ""),
        ("gpt-99", {}, UNKNOWN, "", "gpt-99"),
        ("gpt-6-sol-high", {}, CHANGED, "gpt-6-sol-high → gpt-6-sol", ""),
        ("gpt-4o-mini", {}, CHANGED, "gpt-4o-mini → gpt-6-luna", ""),
        ("gpt-4o-mini", {"model_aliases": False}, UNKNOWN, "", "gpt-4o-mini"),
        ("gpt-4o-mini", {"model_map": ["gpt-4*=gpt-99"]}, CHANGED, "gpt-4o-mini → gpt-99", "gpt-99"),
        ("claude", {"model_default": "gpt-6-sol"}, CHANGED, "claude → gpt-6-sol", ""),
    ],
)
def test_a_model_is_looked_up_in_the_dated_list_and_never_fails(
    model: str, settings: dict[str, Any], what: str, how: str, unlisted: str
) -> None:
    one = assessment.look(document({**GOOD, "model": model}, proxy=settings))

    assert (one.failure, one.unlisted) == ("", unlisted)
    assert one.fates["model"][0][:2] == (what, how)
    assert one.unknown == ([f"model {unlisted}: {NOT_LISTED}"] if unlisted else [])


CHAT = {"line": "POST /v1/chat/completions HTTP/1.1"}


def test_a_chat_completion_is_judged_by_its_translation() -> None:
    body = {
        "model": "gpt-6-sol", "messages": [{"role": "user", "content": "hi"}], "verbosity": "low", "max_tokens": 5, "seed": 1,
        "stop": "x", "stream": True,
    }  # fmt: skip
    one = assessment.look(document(body, **CHAT))

    assert (one.failure, one.unknown, one.is_turn) == ("", [], True)
    assert {name: fates[0].what for name, fates in one.fates.items() if name in body} == {
        "model": ACCEPTED, "messages": CHANGED, "verbosity": CHANGED, "max_tokens": TAKEN_OFF, "seed": TAKEN_OFF, "stop": CHANGED,
        "stream": ACCEPTED,
    }  # fmt: skip
    assert assessment.reads_last([one])[0] == "no"


def test_what_a_chat_can_not_mean_does_not_hide_the_rest() -> None:
    one = assessment.look(
        document({"model": "gpt-6-sol", "messages": [{"role": "user", "content": "hi"}], "n": 2, "seed": 1}, **CHAT)
    )

    assert "`n` can't be 2" in one.failure
    assert [one.fates[name][0].what for name in ("n", "seed")] == [REFUSED, TAKEN_OFF]


def test_a_body_that_is_no_json_fails() -> None:
    made = document(text='{"broken": ')
    del made["body"]

    assert "is not JSON" in assessment.look(made).failure


MOMENTARY = [("backend", 401), ("backend", 403), ("backend", 429), ("backend", 500), ("proxy", 401), ("proxy", 502)]


@pytest.mark.parametrize(("by", "status"), MOMENTARY)
def test_what_tells_of_the_moment_is_no_failure_of_the_client(by: str, status: int) -> None:
    assert assessment.look(document(answer={"by": by, "status": status})).failure == ""


def test_a_model_is_mapped_as_it_was_then() -> None:
    options = {"model_map": ["gpt-4*=gpt-6-luna"]}
    one = assessment.look(document({**GOOD, "model": "gpt-4.1"}, proxy=options))

    assert one.failure == ""
    assert one.fates["model"] == [Fate(CHANGED, "gpt-4.1 → gpt-6-luna", "codex_model_map: gpt-4*")]


def test_a_model_the_backend_has_answered_with_is_one() -> None:
    assert assessment.look(document({**GOOD, "model": "new"}, answer={"by": "backend", "status": 200})).failure == ""


def test_what_is_not_known_of_the_backend_is_told() -> None:
    body = {
        **GOOD,
        "tools": [{"type": "mcp"}, {"type": "file_search"}],
        "input": [{"type": "novel"}, {"role": "user", "content": [{"type": "input_audio"}, {"type": "input_text"}]}],
    }

    assert assessment.look(document(body)).unknown == ["tool type mcp", "item type novel", "content part input_audio"]


def test_headers_by_the_table_of_the_way_up() -> None:
    headers = [
        ["Host", "x"],
        ["Authorization", "y"],
        ["X-Stainless-Lang", "go"],
        ["session_id", "1"],
        ["User-Agent", "z"],
    ]
    found = {name: (what, why) for name, what, why in assessment.header_fates(document(headers=headers))}

    assert found["host"][0] == "rewritten"
    assert found["authorization"] == (TAKEN_OFF, "the client's own key; the login's token is sent instead")
    assert found["x-stainless-lang"] == (TAKEN_OFF, "telemetry of the SDK")
    assert found["session_id"] == ("kept", "")
    assert found["user-agent"][0] == "the proxy's own in its place"


TOOLS = [
    ({"type": "function", "name": "x"}, "accepted"),
    ({"type": "web_search_preview"}, "changed: web_search_preview → web_search"),
    ({"type": "file_search"}, 'taken off: the backend answers 400 "Unsupported tool type"'),
    ({"type": "function", "name": "x", "defer_loading": True}, "changed: tools[].defer_loading taken off"),
    ({"type": "mcp", "server_label": "x"}, "not known"),
]


@pytest.mark.parametrize(("tool", "fate"), TOOLS)
def test_what_becomes_of_a_tool(tool: dict[str, Any], fate: str) -> None:
    assert assessment.tool_fate(tool) == fate


def sent_back(*marks: str, stream: bool = True) -> Any:
    items = [{"role": "assistant", "content": canned.TEXTS[mark]} for mark in marks]
    return assessment.look(document({**GOOD, "input": items, "stream": stream}))


READS = [
    ((canned.LAST,), True, "yes"),
    ((canned.LAST, canned.STREAMED), True, "yes"),
    ((canned.STREAMED,), True, "no"),
    ((canned.WHOLE,), False, "not known"),
    ((), True, "not known"),
]


@pytest.mark.parametrize(("marks", "stream", "told"), READS)
def test_whether_it_reads_the_last_event(marks: tuple[str, ...], stream: bool, told: str) -> None:
    assert assessment.reads_last([sent_back(*marks, stream=stream)])[0] == told
