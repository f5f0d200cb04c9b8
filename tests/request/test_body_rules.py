import json
import operator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codex_proxy.chat import dialect
from codex_proxy.errors import ProxyError
from codex_proxy.models.name_map import parse
from codex_proxy.request.body_rules import MEANINGFUL, REFUSED_FIELDS, RULES, TAKEN, PatchOptions, patch
from codex_proxy.request.opening import opened

from ..oracle import refusal
from ..places import NANOBOT
from ..properties import examples
from ..standin.kit import PNG

REMEMBERED = "this passed here before"


class Past:
    """All that anybody refers to passed here."""

    def item(self, item_id: str) -> msgspec.Raw:
        return msgspec.Raw(
            json.dumps({"type": "message", "role": "assistant", "content": REMEMBERED, "id": item_id}).encode()
        )

    def conversation(self, response_id: str) -> list[msgspec.Raw] | None:
        return [self.item("msg_1")] if response_id == "resp_1" else None

    def reasoning_before(self, call_id: str) -> list[msgspec.Raw]:
        return []


FULL, STORE = PatchOptions(past=Past()), PatchOptions(full=False)
LITE = PatchOptions(lite=True)

RIGHT = {
    "model": "gpt-6-sol",
    "instructions": "",
    "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "store": False,
}


def patched(body: dict[str, Any], options: PatchOptions = FULL) -> tuple[dict[str, Any], list[str]]:
    result = patch(json.dumps(body).encode(), options)
    changed = body if result.body is None else json.loads(result.body)
    return changed, [change.short for change in result.changes]


# Hosted tools that are not here, and older names of one that is (docs/backend.md, 3.4).
NOT_HOSTED = ["apply_patch", "code_interpreter", "computer", "computer_use", "computer_use_preview", "file_search"]
OLD_NAMES = ["web_search_preview", "web_search_preview_2025_03_11"]


def texts(body: dict[str, Any]) -> list[str]:
    """Everything a person or a model said in a request, in order."""
    if isinstance(body["input"], str):
        return [body["input"]]
    found = []
    for item in body["input"]:
        if item.get("type", "message") == "message":
            parts = item["content"]
            found += (
                [parts]
                if isinstance(parts, str)
                else [p.get("text") or url(p) or p.get("refusal") for p in parts or []]
            )
    return [text for text in found if text and text != REMEMBERED]


def url(part: dict[str, Any]) -> Any:
    """An image's address, in the form of a chat as well."""
    held = part.get("image_url")
    return held["url"] if isinstance(held, dict) else held


# Requests as clients might send them: whatever the patch is to mend, but none of a client's own mistakes, which stay.

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    ["text", '"text"', "system", "\\u0041", "output_text", '{"type": "text"}', "  ", "😀"]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | WORDS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)


def shaped(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


# Keys that other providers' parts have.
FOREIGN = {"cache_control": st.just({"type": "ephemeral"}), "prompt_cache_breakpoint": JSON, "provider_options": JSON}
TEXTS = WORDS | st.just("")

IDS = st.sampled_from(
    ["msg_1", "rs_1", "fc_1", "ctc_1", "ctco_1", "call_1", "", "id", "msg_" + "x" * 61, "fc_" + "x" * 80]
)
CALL_IDS = st.sampled_from(["c1", "c2", "c3", "x" * 64, "y" * 65, "z" * 200])
OTHER_CALLS = ("shell_call", "apply_patch_call", "computer_call")
STATUS = {"id": IDS, "status": st.sampled_from(["completed", None])}
EXTRA = {"phase": st.just("final_answer"), "internal_chat_message_metadata_passthrough": JSON}
USER_PARTS = st.one_of(
    shaped({"type": st.sampled_from(["input_text", "text", "output_text"]), "text": TEXTS}, FOREIGN),
    shaped(
        {
            "type": st.just("image_url"),
            "image_url": shaped({"url": st.just(PNG)}, {"detail": st.just("low")}) | st.just(PNG),
        },
        FOREIGN,
    ),
    shaped(
        {"type": st.just("input_image"), "image_url": st.just(PNG)},
        {"detail": st.just("high"), "file_id": st.none(), **FOREIGN},
    ),
)
ASSISTANT_PARTS = st.one_of(
    shaped(
        {"type": st.sampled_from(["input_text", "text", "output_text"]), "text": TEXTS},
        {"annotations": JSON, "parsed": JSON, **FOREIGN},
    ),
    shaped({"type": st.just("refusal"), "refusal": WORDS}, {}),
)
OUTPUTS = st.one_of(
    WORDS,
    JSON,
    st.lists(USER_PARTS, max_size=2),
)
ITEMS = st.one_of(
    shaped(
        {"role": st.sampled_from(["user", "developer", "system"]), "content": TEXTS | st.lists(USER_PARTS, max_size=3)},
        {"type": st.just("message"), **STATUS, **EXTRA},
    ),
    shaped(
        {"role": st.just("assistant"), "content": TEXTS | st.none() | st.lists(ASSISTANT_PARTS, max_size=3)},
        {"type": st.just("message"), **STATUS, **EXTRA},
    ),
    shaped(
        {"type": st.just("reasoning")},
        {"summary": st.just([]), "encrypted_content": st.sampled_from(["opaque", "", None]), "content": st.none(), **STATUS},
    ),
    shaped({"type": st.just("item_reference"), "id": IDS}, {}),
    shaped({"type": st.just("function_call"), "call_id": CALL_IDS, "name": WORDS, "arguments": WORDS | JSON}, {"parsed_arguments": JSON, **STATUS}),
    shaped({"type": st.just("function_call_output"), "call_id": CALL_IDS, "output": OUTPUTS}, STATUS),
    shaped({"type": st.just("custom_tool_call"), "call_id": CALL_IDS, "name": WORDS, "input": WORDS}, STATUS),
    shaped({"type": st.just("custom_tool_call_output"), "call_id": CALL_IDS, "output": OUTPUTS}, STATUS),
    shaped({"type": st.sampled_from([*OTHER_CALLS, *(f"{call}_output" for call in OTHER_CALLS)]), "call_id": CALL_IDS,
            "status": st.just("completed")}, {}),
    shaped({"type": st.just("mcp_approval_request"), "id": CALL_IDS}, {}),
    shaped({"type": st.just("mcp_approval_response"), "approval_request_id": CALL_IDS, "approve": st.booleans()}, {}),
    shaped({"type": st.sampled_from(["web_search_call", "compaction"])}, {"id": IDS, "x": JSON}),
)  # fmt: skip
SCHEMAS = st.none() | shaped(
    {}, {"type": st.just("object"), "properties": st.just({"a": {"type": "string"}}), "required": st.just(["a"])}
)
FUNCTION = {"name": st.just("f"), "parameters": SCHEMAS}
TOOLS = st.one_of(
    shaped({"type": st.just("function"), **FUNCTION}, {"defer_loading": JSON, "cache_control": JSON, "strict": st.none()}),
    shaped({"type": st.just("function"), "function": shaped(FUNCTION, {"description": WORDS})}, {"cache_control": JSON}),
    shaped({"type": st.sampled_from([*NOT_HOSTED, *OLD_NAMES, "web_search"])}, {"x": JSON}),
    shaped({"type": st.sampled_from(["custom", "namespace"]), "name": st.just("n")}, {"x": JSON}),
    st.sampled_from([{"type": "tool_search"}, {"type": "image_generation"}]),
)  # fmt: skip
NAMED = [{"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}]
CHOSEN = shaped(
    {"type": st.sampled_from([*NOT_HOSTED, *OLD_NAMES, "web_search", "image_generation"])}, {}
) | st.sampled_from(NAMED)
CHOICES = st.one_of(
    st.sampled_from(["auto", "none", "required"]),
    CHOSEN,
    shaped(
        {
            "type": st.just("allowed_tools"),
            "mode": st.sampled_from(["auto", "required"]),
            "tools": st.lists(CHOSEN, min_size=1, max_size=3),
        },
        {},
    ),
)
REASONING = shaped(
    {},
    {
        "effort": st.sampled_from(["minimal", "low", "ultra", None]),
        "summary": st.sampled_from(["none", "auto"]),
        "context": st.just("auto"),
    },
)
REFUSED_NAMES = st.sampled_from([name for name in REFUSED_FIELDS if name not in {*MEANINGFUL, "previous_response_id"}] + ["messages", "n", "stop", "something_new"])  # fmt: skip
TEXT = shaped(
    {},
    {
        "verbosity": st.sampled_from(["low", "high", None]),
        "format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
    },
)


REQUESTS = st.builds(
    operator.or_,
    shaped(
        {"model": st.just("gpt-6-sol"), "input": WORDS | st.lists(ITEMS, max_size=8)},
        {
            "instructions": st.none() | WORDS,
            "stream": st.sampled_from([True, False, None, "true", 1]),
            "store": st.sampled_from([True, False, None, "false", 0]),
            "include": st.lists(st.sampled_from(["reasoning.encrypted_content", "message.output_text.logprobs"]), max_size=2),
            "tools": st.none() | st.lists(TOOLS, max_size=4),
            "tool_choice": CHOICES,
            "reasoning": st.none() | REASONING,
            "service_tier": st.sampled_from(["priority", "fast", "auto", "flex", None]),
            "stream_options": st.sampled_from([{"include_usage": True}, {"reasoning_summary_delivery": "sequential_cutoff"},
                                               {"reasoning_summary_delivery": "sequential_cutoff", "x": 1}, None, {}]),
            "text": TEXT, "prompt_cache_key": WORDS, "client_metadata": st.dictionaries(WORDS, WORDS, max_size=3), "parallel_tool_calls": st.booleans(),
            "previous_response_id": st.sampled_from([None, ""]), "background": st.sampled_from([None, False]),
        },
    ),
    st.dictionaries(REFUSED_NAMES, JSON, max_size=3),
)  # fmt: skip
SPELLINGS = st.sampled_from([
    {"ensure_ascii": True},
    {"ensure_ascii": False, "separators": (",", ":")},
    {"ensure_ascii": False, "indent": 2},
    {"ensure_ascii": True, "separators": (" ,\t", " :  ")},
])  # fmt: skip


def spelled(body: dict[str, Any], how: dict[str, Any]) -> bytes:
    return json.dumps(body, **how).encode()


@given(REQUESTS, SPELLINGS)
@examples(300)
def test_any_request_becomes_one_the_backend_takes(request: dict[str, Any], how: dict[str, Any]) -> None:
    data = spelled(request, how)
    assert refusal(json.loads(patch(data, FULL).body or data)) is None


@given(REQUESTS, SPELLINGS)
@examples(200)
def test_a_patched_request_is_not_patched_again(request: dict[str, Any], how: dict[str, Any]) -> None:
    once = patch(spelled(request, how), FULL).body
    if once is not None:
        again = patch(once, FULL)
        assert (again.body, again.changes) == (None, [])


@given(REQUESTS, SPELLINGS)
@examples(200)
def test_nothing_anybody_said_is_lost(request: dict[str, Any], how: dict[str, Any]) -> None:
    data = spelled(request, how)
    sent = json.loads(patch(data, FULL).body or data)
    assert texts(sent) == texts(request)
    assert sent["instructions"] == (request.get("instructions") or "")
    assert {key: sent[key] for key in ("text", "prompt_cache_key", "client_metadata") if key in request} == {
        key: request[key] for key in ("text", "prompt_cache_key", "client_metadata") if key in request
    }


CALLS = ("function_call", "custom_tool_call")


@given(REQUESTS, SPELLINGS)
@examples(200)
def test_a_call_is_not_lost_and_has_an_output(request: dict[str, Any], how: dict[str, Any]) -> None:
    if isinstance(request["input"], str):
        return
    data = spelled(request, how)
    sent = json.loads(patch(data, FULL).body or data)["input"]
    ids = {kind: {i["call_id"] for i in request["input"] if i.get("type") == kind} for kind in pairs(CALLS)}
    for kind in pairs(CALLS):
        kept = {item["call_id"] for item in sent if item.get("type") == kind}
        assert len(kept) == len(ids[kind.removesuffix("_output")])


def pairs(calls: tuple[str, ...]) -> list[str]:
    return [*calls, *(f"{call}_output" for call in calls)]


@given(REQUESTS, SPELLINGS)
@examples(200)
def test_every_difference_is_told_in_a_change(request: dict[str, Any], how: dict[str, Any]) -> None:
    data = spelled(request, how)
    result = patch(data, FULL)
    assert (result.body is None) == (result.changes == [])
    sent = json.loads(result.body or data)
    different = {name for name in request.keys() | sent.keys() if request.get(name, ...) != sent.get(name, ...)}
    told = " ".join(f"{change.field} {change.short}" for change in result.changes)
    assert [name for name in different - {"input", "tools"} if name not in told] == []
    assert all(change.what and change.why and change.short for change in result.changes)


@given(REQUESTS, SPELLINGS)
@examples(100)
def test_with_patch_store_nothing_but_store_differs(request: dict[str, Any], how: dict[str, Any]) -> None:
    data = spelled(request, how)
    result = patch(data, STORE)
    if request.get("store", None) is False:
        assert (result.body, result.changes) == (None, [])
    else:
        assert [change.short for change in result.changes] == ["store set to false"]
        assert raw_values(result.body or b"") == raw_values(data) | {"store": b"false"}


# Values byte for byte.


def raw_values(body: bytes) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()}


SPACE = st.sampled_from(["", " ", "  ", "\n", "\t", "\r\n"])
ODD_NUMBERS = st.sampled_from(["1e3", "1.0", "-0", "1E+2", "0.10", "12345678901234567890123", "1e-400", "-1.50e00"])
ODD_STRINGS = st.sampled_from(
    [r'"\u0041"', r'"\/"', r'"caf\u00E9"', '"é  😀"', r'"\ud83d\ude00"', '"two  spaces"', r'"\\\""']
)


def in_list(values: list[str], space: str) -> str:
    return f"[{space}" + f"{space},{space}".join(values) + f"{space}]"


def in_object(values: list[str], space: str) -> str:
    return (
        f"{{{space}" + f"{space},{space}".join(f'"k{n}"{space}:{space}{v}' for n, v in enumerate(values)) + f"{space}}}"
    )


ODD_JSON = st.recursive(
    ODD_NUMBERS | ODD_STRINGS | st.sampled_from(["null", "true", "false"]),
    lambda inner: st.builds(in_list, st.lists(inner, max_size=3), SPACE) | st.builds(in_object, st.lists(inner, max_size=3), SPACE),
    max_leaves=8,
)  # fmt: skip
FREE = st.sampled_from(["text", "prompt_cache_key", "client_metadata", "parallel_tool_calls"])


def with_odd(body: dict[str, Any], odd: dict[str, str], space: str) -> bytes:
    values = {name: json.dumps(value) for name, value in body.items()} | odd
    inner = f"{space},{space}".join(f'"{name}"{space}:{space}{value}' for name, value in values.items())
    return f"{space}{{{space}{inner}{space}}}{space}".encode()


@given(st.dictionaries(FREE, ODD_JSON), SPACE)
@examples(200)
def test_a_body_with_nothing_to_put_right_is_not_touched(odd: dict[str, str], space: str) -> None:
    result = patch(with_odd(RIGHT, odd, space), FULL)
    assert (result.body, result.changes) == (None, [])


@given(st.dictionaries(FREE, ODD_JSON, min_size=1), SPACE)
@examples(200)
def test_what_need_not_change_stays_byte_for_byte(odd: dict[str, str], space: str) -> None:
    data = with_odd(RIGHT | {"store": True, "top_p": 0.5}, odd, space)
    sent = raw_values(patch(data, FULL).body or b"")
    before = raw_values(data)
    assert sent == {name: value for name, value in before.items() if name != "top_p"} | {"store": b"false"}
    assert list(sent) == [name for name in before if name != "top_p"]


def test_what_is_put_in_stands_behind_what_the_client_sent() -> None:
    body, _ = patched({"input": [], "model": "m"})
    assert list(body) == ["input", "model", "instructions", "stream", "include", "store"]


# One change at a time.


@pytest.mark.parametrize("name", sorted(TAKEN))
def test_what_the_backend_takes_is_never_taken_off(name: str) -> None:
    assert name in patched(RIGHT | {name: RIGHT.get(name, "auto")})[0]


@pytest.mark.parametrize("value", [0, 0.5, None, "x", {}, [1], True])
@pytest.mark.parametrize(
    "name",
    [
        "max_output_tokens", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_logprobs",
        "frequency_penalty", "presence_penalty", "metadata", "user", "safety_identifier", "truncation",
        "prompt_cache_retention", "prompt_cache_options", "context_management", "max_tool_calls", "moderation",
        "messages", "n", "stop", "response_format", "functions", "reasoning_effort", "verbosity", "generate", "type",
    ],
)  # fmt: skip
def test_a_field_the_backend_refuses_is_taken_off(name: str, value: Any) -> None:
    assert patched(RIGHT | {name: value}) == (RIGHT, [f"-{name}"])


@pytest.mark.parametrize(
    "name",
    [
        "max_output_tokens", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_logprobs",
        "frequency_penalty", "presence_penalty", "metadata", "user", "safety_identifier", "truncation", "background",
        "prompt_cache_retention", "prompt_cache_options", "context_management", "previous_response_id",
    ],
)  # fmt: skip
def test_of_a_field_known_to_be_refused_that_is_the_reason(name: str) -> None:
    (change,) = patch(json.dumps(RIGHT | {name: None}).encode(), FULL).changes
    assert change.why == 'the backend answers 400 "Unsupported parameter"'


def test_a_field_nobody_knows_is_taken_off_for_another_reason() -> None:
    (change,) = patch(json.dumps(RIGHT | {"novel": 1}).encode(), FULL).changes
    assert change.why.startswith("not known to be accepted")


@pytest.mark.parametrize(
    "without, told",
    [
        ("instructions", "instructions set to empty"),
        ("stream", "stream set to true"),
        ("store", "store set to false"),
        ("include", "include with reasoning.encrypted_content"),
    ],
)
def test_what_the_backend_insists_on_is_put_in(without: str, told: str) -> None:
    body = {name: value for name, value in RIGHT.items() if name != without}
    assert patched(body) == (RIGHT, [told])


@pytest.mark.parametrize(
    "name, value, becomes, told",
    [
        ("instructions", None, "", "instructions set to empty"),
        ("stream", False, True, "stream set to true"),
        ("stream", "true", True, "stream set to true"),
        ("stream", 1, True, "stream set to true"),
        ("store", True, False, "store set to false"),
        ("store", None, False, "store set to false"),
        ("store", 0, False, "store set to false"),
        ("include", [], ["reasoning.encrypted_content"], 'include set to ["reasoning.encrypted_content"]'),
        ("include", None, ["reasoning.encrypted_content"], 'include set to ["reasoning.encrypted_content"]'),
        ("input", "hi", RIGHT["input"], "input text made a list"),
        ("service_tier", "fast", "priority", 'service_tier set to "priority"'),
        ("stream_options", {"reasoning_summary_delivery": "sequential_cutoff", "include_usage": True},
         {"reasoning_summary_delivery": "sequential_cutoff"}, "stream_options reduced to reasoning_summary_delivery"),
        ("reasoning", {"effort": "minimal"}, {"effort": "low"}, "reasoning effort minimal → low"),
        ("reasoning", {"effort": "ultra", "summary": "auto"}, {"effort": "max", "summary": "auto"}, "reasoning effort ultra → max"),
        ("reasoning", {"effort": "high", "summary": "none"}, {"effort": "high"}, "reasoning summary none taken off"),
        ("reasoning", {"effort": "minimal", "summary": "none"}, {"effort": "low"}, "reasoning effort minimal → low, summary none taken off"),
    ],
)  # fmt: skip
def test_a_value_the_backend_refuses_is_put_right(name: str, value: Any, becomes: Any, told: str) -> None:
    assert patched(RIGHT | {name: value}) == (RIGHT | {name: becomes}, [told])


@pytest.mark.parametrize(
    "name, value",
    [
        ("service_tier", "auto"), ("service_tier", "flex"), ("service_tier", "default"), ("service_tier", ["priority"]),
        ("stream_options", {"include_usage": True}), ("stream_options", None), ("stream_options", {}), ("stream_options", "x"),
    ],
)  # fmt: skip
def test_a_value_that_can_not_be_put_right_is_taken_off(name: str, value: Any) -> None:
    assert patched(RIGHT | {name: value}) == (RIGHT, [f"-{name}"])


@pytest.mark.parametrize(
    "name, value",
    [
        ("service_tier", "priority"), ("service_tier", None), ("instructions", "Be short."), ("input", []),
        ("stream_options", {"reasoning_summary_delivery": "sequential_cutoff"}),
        ("reasoning", None), ("reasoning", {}), ("reasoning", "odd"), ("reasoning", {"effort": None}),
        ("reasoning", {"effort": ["odd"]}), ("reasoning", {"effort": "xhigh", "summary": "auto", "context": "all_turns"}),
        ("tools", []), ("tool_choice", "none"), ("parallel_tool_calls", False), ("prompt_cache_key", "k"),
        ("text", {"verbosity": "low", "format": {"type": "json_schema", "strict": True, "schema": {}}}),
        ("client_metadata", {"a": "b"}), ("model", "gpt-4.1"), ("instructions", ["odd"]), ("input", {"odd": 1}),
    ],
)  # fmt: skip
def test_a_value_the_backend_takes_or_has_to_judge_stays(name: str, value: Any) -> None:
    assert patched(RIGHT | {name: value}) == (RIGHT | {name: value}, [])


@pytest.mark.parametrize("name", ["conversation", "prompt", "background"])
@pytest.mark.parametrize("value", ["resp_1", {"id": "x"}, True, 1])
def test_what_would_change_the_answer_is_refused_with_the_way_out(name: str, value: Any) -> None:
    with pytest.raises(ProxyError) as e:
        patch(json.dumps(RIGHT | {name: value}).encode(), FULL)
    assert (e.value.status, e.value.code) == (400, "not_supported")
    assert f"`{name}`" in e.value.message and MEANINGFUL[name] in e.value.message


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "prompt", "background"])
@pytest.mark.parametrize("value", [None, False, ""])
def test_the_same_field_that_says_nothing_is_taken_off(name: str, value: Any) -> None:
    assert patched(RIGHT | {name: value}) == (RIGHT, [f"-{name}"])


def test_a_lite_request_needs_no_instructions() -> None:
    body = {name: value for name, value in RIGHT.items() if name != "instructions"}
    assert patched(body, LITE) == (body, [])


def test_a_lite_request_of_the_official_codex_is_not_touched() -> None:
    body = {
        "model": "gpt-6.1-sol", "stream": True,
        "input": [
            {"type": "additional_tools", "id": "at_01a1f93a", "role": "developer", "tools": [{"type": "custom", "name": "exec"}]},
            {"type": "message", "id": "msg_01a1f93a", "role": "developer", "content": [{"type": "input_text", "text": "rules"}],
             "internal_chat_message_metadata_passthrough": {"create_time": 1795182703.1382346, "content_item_kinds": ["a"]}},
            {"type": "message", "id": "msg_01a1f93b", "role": "user", "content": [{"type": "input_text", "text": "say hi"}]},
            {"type": "configuration_update", "reasoning": {"effort": "low"}},
        ],
        "tool_choice": "auto", "parallel_tool_calls": False, "reasoning": {"effort": "low", "context": "all_turns"},
        "store": False, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "01a1f93a",
        "text": {"verbosity": "low"}, "client_metadata": {"session_id": "01a1f93a"},
    }  # fmt: skip
    result = patch(json.dumps(body).encode(), LITE)
    assert (result.body, result.changes) == (None, [])


@pytest.mark.parametrize(
    "more, stream, model, sent",
    [
        ({}, True, "gpt-6-sol", "gpt-6-sol"),
        ({"stream": False}, False, "gpt-6-sol", "gpt-6-sol"),
        ({"stream": None}, False, "gpt-6-sol", "gpt-6-sol"),
        ({"model": "gpt-4.1"}, True, "gpt-4.1", "gpt-6-luna"),
        ({"model": 5}, True, "", ""),
    ],
)
def test_what_the_client_asked_for_is_remembered(more: dict[str, Any], stream: bool, model: str, sent: str) -> None:
    result = patch(json.dumps(RIGHT | more).encode(), PatchOptions(models=parse(["gpt-4.1=gpt-6-luna"])))
    assert (result.stream, result.model, result.sent_model) == (stream, model, sent)


def test_a_mapped_model_is_a_change_like_any_other() -> None:
    body, told = patched(RIGHT | {"model": "gpt-4o"}, PatchOptions(models=parse(["*=gpt-6-sol:low"])))
    assert (body["model"], body["reasoning"]) == ("gpt-6-sol", {"effort": "low"})
    assert told == ["model gpt-4o → gpt-6-sol", "reasoning.effort set to low"]


def test_with_patch_store_the_model_is_not_mapped() -> None:
    options = PatchOptions(full=False, models=parse(["*=gpt-6-sol"]))
    assert patched(RIGHT | {"model": "gpt-4o"}, options) == (RIGHT | {"model": "gpt-4o"}, [])


def test_with_patch_store_nothing_is_refused_for_its_meaning() -> None:
    assert patched(RIGHT | {"previous_response_id": "resp_1"}, STORE)[1] == []


# Bodies that are none.


@pytest.mark.parametrize("options", [FULL, STORE], ids=["full", "store"])
@pytest.mark.parametrize(
    "data, code",
    [
        (b"", "empty_body"),
        (b" \r\n", "empty_body"),
        (b"{", "invalid_json"),
        (b'{"a":1} x', "invalid_json"),
        (b"{'a':1}", "invalid_json"),
        (b'{"text":{"a":}}', "invalid_json"),
        (b'{"text":NaN}', "invalid_json"),
        (b"model=gpt-6-sol", "invalid_json"),
        (b'{"\xff":1}', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        (b"\x1f\x8b\x08\x00", "invalid_json"),
        (b'{"text":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "invalid_json"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"1", "not_an_object"),
    ],
    ids=lambda v: v[:20] if isinstance(v, bytes | str) else v,
)
def test_a_body_that_is_no_json_object_is_told_so(data: bytes, code: str, options: PatchOptions) -> None:
    with pytest.raises(ProxyError) as e:
        patch(data, options)
    assert (e.value.status, e.value.code) == (400, code)


@pytest.mark.parametrize(
    "data",
    [
        b'{"model":"m","reasoning":{"effort":"minimal","x":1e999}}',
        b'{"model":"m","reasoning":{"effort":"min\xff"}}',
    ],
)
def test_a_value_that_can_not_be_read_is_the_clients_mistake_not_ours(data: bytes) -> None:
    with pytest.raises(ProxyError) as e:
        patch(data, FULL)
    assert (e.value.status, e.value.code) == (400, "invalid_json")


@pytest.mark.parametrize(
    ("more", "options"),
    [
        (rb'"input":"cut \ud83d"', FULL),
        (rb'"input":[{"role":"user","content":[{"type":"input_text","text":"cut \ud83d"}]}]', FULL),
        (rb'"messages":[{"role":"user","content":"cut \ud83d"}]', PatchOptions(translate=dialect.translate)),
        (rb'"input":[{"role":"user","content":"cut \ud83d"}],"store":false', PatchOptions(full=False)),
    ],
    ids=["text", "items", "chat", "store alone"],
)
@pytest.mark.parametrize("open_first", [False, True])
def test_half_a_character_is_replaced_and_told(more: bytes, options: PatchOptions, open_first: bool) -> None:
    data = b'{"model":"gpt-6-sol",%s}' % more
    patched = patch(opened(data) if open_first else data, options)
    assert patched.body is not None and "cut \ufffd" in str(json.loads(patched.body)["input"])
    assert [change.what for change in patched.changes].count("lone surrogate replaced") == 1


@given(st.dictionaries(st.sampled_from([*sorted(TAKEN), *RULES, *MEANINGFUL, "user", "x"]), JSON, max_size=6))
@example({"tools": [{"type": "function", "function": None}]})
@example({"tool_choice": {"type": []}})
@example({"input": [{"role": "user", "content": [{"type": []}]}]})
@examples(300)
def test_no_body_makes_the_patch_fail_in_another_way(body: dict[str, Any]) -> None:
    try:
        patch(json.dumps(body).encode(), FULL)
    except ProxyError as e:
        assert e.status == 400


@given(st.binary(max_size=40))
@examples(200)
def test_no_bytes_make_the_patch_fail_in_another_way(data: bytes) -> None:
    try:
        patch(data, FULL)
    except ProxyError as e:
        assert e.status == 400


# What the real nanobot sends.

CAPTURED = {
    name: request
    for name, request in NANOBOT.items()
    if request["request_line"].startswith("POST /responses ")
}  # fmt: skip


@pytest.mark.parametrize("name", CAPTURED)
def test_a_request_of_nanobot_becomes_one_the_backend_takes(name: str) -> None:
    request = CAPTURED[name]["body"]
    body, told = patched(request)
    # Names of models are put right by another module.
    assert refusal(body | {"model": "gpt-6-sol"}) is None
    assert body["input"] == request["input"] and texts(body) == texts(request)
    assert set(told) <= {
        "include with reasoning.encrypted_content",
        "-max_output_tokens",
        "-temperature",
        "-top_p",
        "-truncation",
    }


def test_of_nanobots_sampling_parameters_none_is_left() -> None:
    _, told = patched(CAPTURED["sampling_parameters"]["body"])
    assert set(told) == {
        "-max_output_tokens",
        "-temperature",
        "-top_p",
        "-truncation",
        "include with reasoning.encrypted_content",
    }


SOCKET = PatchOptions(past=Past(), socket=True)
CHAINED = PatchOptions(socket=True, chained=True)


def test_a_websockets_message_keeps_what_only_it_has() -> None:
    message = {**RIGHT, "type": "response.create", "generate": False}
    assert patched(message, SOCKET) == (message, [])
    # Over HTTP the backend would refuse them.
    assert patched(message)[0] == RIGHT


def test_a_message_that_follows_upon_a_response_of_its_connection_is_left_as_it_is() -> None:
    output = {"type": "function_call_output", "call_id": "call_of_before", "output": "12 degrees"}
    message = {**RIGHT, "type": "response.create", "previous_response_id": "resp_9", "input": [output]}
    assert patched(message, CHAINED) == (message, [])


def test_a_message_that_follows_upon_a_response_of_elsewhere_gets_its_items() -> None:
    message = {**RIGHT, "type": "response.create", "previous_response_id": "resp_1"}
    body, _ = patched(message, SOCKET)
    assert "previous_response_id" not in body
    assert len(body["input"]) == 2
    with pytest.raises(ProxyError) as refused:
        patch(json.dumps({**message, "previous_response_id": "resp_2"}).encode(), SOCKET)
    assert refused.value.code == "previous_response_not_found"


def test_a_message_that_follows_upon_another_goes_by_its_cache_key() -> None:
    plain = {**RIGHT, "type": "response.create", "previous_response_id": "resp_9"}
    assert (
        patched(plain, PatchOptions(socket=True, chained=True, caller="c", session="k"))[0]["prompt_cache_key"] == "k"
    )
    # One made from the new items would be another.
    assert "prompt_cache_key" not in patched(plain, PatchOptions(socket=True, chained=True, caller="c"))[0]


# A compaction (docs/backend.md, 1.1).

COMPACT = PatchOptions(compact=True, past=Past())
SHORTER = {"model": "gpt-6-sol", "input": RIGHT["input"], "parallel_tool_calls": False}


def test_a_compaction_as_the_official_client_asks_for_it_is_not_touched() -> None:
    body = SHORTER | {
        "instructions": "x",
        "tools": [],
        "reasoning": {"effort": "low"},
        "service_tier": "priority",
        "prompt_cache_key": "k",
        "text": {},
    }
    assert patched(body, COMPACT) == (body, [])


def test_what_a_compaction_does_not_take_is_taken_off_and_nothing_of_a_turns_put_in() -> None:
    for name in ("stream", "store", "include", "tool_choice", "client_metadata", "stream_options", "temperature"):
        assert patched(SHORTER | {name: True}, COMPACT) == (SHORTER, [f"-{name}"])
    assert patched({"model": "gpt-6-sol", "input": []}, COMPACT) == (
        {"model": "gpt-6-sol", "input": [], "parallel_tool_calls": True}, ["parallel_tool_calls set to true"],
    )  # fmt: skip


def test_a_compaction_is_put_right_like_a_turn() -> None:
    body = SHORTER | {"input": "hi", "service_tier": "fast", "previous_response_id": "resp_1"}
    becomes, told = patched(body, COMPACT)
    assert [item["role"] for item in becomes["input"]] == ["assistant", "user"]
    assert becomes["service_tier"] == "priority"
    assert "previous_response_id" not in becomes and len(told) == 3
