import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.chat import dialect
from codex_proxy.chat.messages import no_reasoning
from codex_proxy.chat.request import MOVED, WITHOUT, Chat, translate
from codex_proxy.errors import ProxyError
from codex_proxy.request.body_rules import PatchOptions, patch

from ..examples import JSON
from ..oracle import refusal
from ..properties import examples

HI = {"role": "user", "content": "hi"}
HI_ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
FLAT = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}


def translated(body: dict[str, Any]) -> tuple[dict[str, Any], Chat, list[str]]:
    raw = {key: msgspec.Raw(json.dumps(value).encode()) for key, value in body.items()}
    fixed, chat, changes = translate(raw, no_reasoning)
    assert changes[0].short == "chat completion translated"
    return json.loads(msgspec.json.encode(fixed)), chat, [change.short for change in changes[1:]]


BARE = {"input": [HI_ITEM], "store": False}

FIELDS: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    # Both APIs have it: the rules for Responses requests decide.
    ({"model": "m", "stream": True, "user": "me"}, {"model": "m", "stream": True, "user": "me"}, []),
    ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 5, "max_completion_tokens": 6}, []),
    ({"prompt_cache_key": "k", "service_tier": "priority"}, {"prompt_cache_key": "k", "service_tier": "priority"}, []),
    ({"parallel_tool_calls": False}, {"parallel_tool_calls": False}, []),
    ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}, []),
    ({"reasoning_effort": None, "verbosity": None}, {}, []),
    (
        {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
        {"reasoning": {"effort": "low", "summary": "auto"}},
        [],
    ),
    ({"verbosity": "low"}, {"text": {"verbosity": "low"}}, []),
    ({"response_format": {"type": "text"}}, {"text": {"format": {"type": "text"}}}, []),
    ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}, []),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": SCHEMA, "description": None}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "strict": True, "schema": SCHEMA}}},
        [],
    ),
    ({"tools": [FUNCTION], "tool_choice": "auto"}, {"tools": [FLAT], "tool_choice": "auto"}, []),
    (
        {"functions": [FUNCTION["function"]], "function_call": {"name": "f"}},
        {"tools": [FLAT], "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False},
        [],
    ),
    ({"store": True}, {}, ["-store"]),
    ({"n": 1, "seed": 7, "logprobs": False}, {}, ["-n", "-seed", "-logprobs"]),
    ({"modalities": ["text"], "audio": None, "prediction": {}, "logit_bias": {}}, {}, ["-modalities", "-prediction", "-logit_bias"]),
    # They only shade an answer.
    ({"logit_bias": {"1": 2}, "logprobs": True}, {}, ["-logit_bias", "-logprobs"]),
    ({"stop": "###", "stream_options": {"include_usage": True}}, {}, ["stop honoured by the proxy"]),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "becomes", "changes"), FIELDS)
def test_fields(sent: dict[str, Any], becomes: dict[str, Any], changes: list[str]) -> None:
    fixed, _, told = translated({"messages": [HI], **sent})
    assert fixed == {**BARE, **becomes}
    assert sorted(told) == sorted(changes)


ANSWERS: list[tuple[dict[str, Any], Chat]] = [
    ({}, Chat()),
    ({"stop": None, "stream_options": None}, Chat()),
    ({"stop": "a"}, Chat(stop=("a",))),
    ({"stop": ["a", "", "b"]}, Chat(stop=("a", "b"))),
    ({"stream_options": {"include_usage": True}}, Chat(usage=True)),
    ({"stream_options": {"include_usage": False}}, Chat()),
    ({"functions": []}, Chat(functions=True)),
    ({"response_format": {"type": "json_object"}}, Chat(json=True)),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}}, Chat(json=True)),
    ({"response_format": {"type": "text"}}, Chat()),
    ({"functions": [], "tools": []}, Chat()),
]


@pytest.mark.parametrize(("sent", "chat"), ANSWERS)
def test_how_the_answer_is_to_be(sent: dict[str, Any], chat: Chat) -> None:
    assert translated({"messages": [HI], **sent})[1] == chat


def system(text: Any) -> dict[str, Any]:
    return {"role": "system", "content": text}


LEADING: list[tuple[list[Any], dict[str, Any], Any, int]] = [
    ([system("a"), HI], {}, "a", 1),
    ([system("a"), {"role": "developer", "content": "b"}, HI], {}, "a\n\nb", 1),
    ([system([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), HI], {}, "a\n\nb", 1),
    ([HI, system("a")], {}, None, 2),
    ([system("a"), HI, system("b")], {}, "a", 2),
    # Something has to be said.
    ([system("a")], {}, None, 1),
    ([system("a"), HI], {"instructions": "own"}, "own", 2),
    # The word "json" is looked for in the input alone.
    ([system("answer in json"), HI], {"response_format": {"type": "json_object"}}, None, 2),
]


@pytest.mark.parametrize(("messages", "more", "instructions", "items"), LEADING)
def test_what_the_system_says_first_are_the_instructions(
    messages: list[Any], more: dict[str, Any], instructions: Any, items: int
) -> None:
    fixed, _, _ = translated({"messages": messages, **more})
    assert fixed.get("instructions") == instructions
    assert len(fixed["input"]) == items


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": [HI], "n": 2}, "not_supported", "`n` can't be 2 here"),
    ({"messages": [HI], "modalities": ["text", "audio"]}, "not_supported", "leave audio out"),
    ({"messages": [HI], "stop": [1]}, "not_supported", "`stop` has to be"),
    ({"messages": []}, "invalid_messages", "at least one message."),
    ({"messages": "hi"}, "invalid_messages", "has to be a list"),
    ({"input": "hi"}, "invalid_messages", "POST it to /responses"),
]


@pytest.mark.parametrize(("body", "code", "says"), REFUSED)
def test_what_can_not_be_meant_is_refused(body: dict[str, Any], code: str, says: str) -> None:
    with pytest.raises(ProxyError) as e:
        translated(body)
    assert (e.value.status, e.value.code) == (400, code)
    assert says in e.value.message


def test_an_image_goes_up_as_it_came() -> None:
    # An escape that nobody would write again like that.
    url = '"data:image/png;base64,AAAA\\u002f"'
    image = '{"type": "image_url", "image_url": {"url": ' + url + "}}"
    body = '{"model": "m", "messages": [{"role": "user", "content": [' + image + "]}]}"
    sent = patch(body.encode(), PatchOptions(translate=dialect.translate)).body
    assert sent and url.encode() in sent


def test_even_with_nothing_but_store_it_is_translated() -> None:
    sent = patch(
        json.dumps({"model": "m", "messages": [HI], "stream": True}).encode(),
        PatchOptions(full=False, translate=dialect.translate),
    ).body
    assert sent and json.loads(sent) == {**BARE, "model": "m", "stream": True}


# Whatever a client of chat completions sends.

TEXTS = st.text(max_size=6)
IMAGE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PART = st.one_of(
    TEXTS.map(lambda text: {"type": "text", "text": text}),
    st.sampled_from(["low", "auto", None]).map(
        lambda d: {"type": "image_url", "image_url": {"url": IMAGE, **({"detail": d} if d else {})}}
    ),
)
NULLS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={"refusal": st.none(), "annotations": st.just([]), "reasoning_content": TEXTS, "audio": st.none(), "parsed": st.none()},
)  # fmt: skip


@st.composite
def rounds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A call of some tools, and what came of it."""
    calls = []
    for n in range(draw(st.integers(1, 3))):
        call_id = draw(st.sampled_from(["call_1", "x" * 70, f"call_{n}"]))
        if draw(st.booleans()):
            calls.append({"id": call_id, "type": "function", "function": {"name": "f", "arguments": draw(TEXTS)}})
        else:
            calls.append({"id": call_id, "type": "custom", "custom": {"name": "sh", "input": draw(TEXTS)}})
    calls = list({call["id"]: call for call in calls}.values())
    content = draw(st.one_of(st.none(), TEXTS))
    outputs = [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)} for call in calls]
    return [{"role": "assistant", "content": content, "tool_calls": calls, **draw(NULLS)}, *outputs]


MESSAGES = st.lists(
    st.one_of(
        st.sampled_from(["system", "developer"]).flatmap(lambda role: TEXTS.map(lambda t: [{"role": role, "content": t}])),
        st.one_of(st.none(), TEXTS, st.lists(PART, max_size=3)).map(lambda content: [{"role": "user", "content": content}]),
        st.tuples(TEXTS, NULLS).map(lambda each: [{"role": "assistant", "content": each[0], **each[1]}]),
        st.just([{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                 {"role": "function", "name": "f", "content": "1"}]),
        rounds(),
    ),
    min_size=1, max_size=6,
).map(lambda turns: [message for turn in turns for message in turn])  # fmt: skip

TOOLS = [FUNCTION, {"type": "custom", "custom": {"name": "sh"}}]
BODIES = st.fixed_dictionaries(
    {"model": st.just("gpt-6-sol"), "messages": MESSAGES},
    optional={
        "stream": st.booleans(), "tools": st.just(TOOLS), "n": st.sampled_from([None, 1]), "stop": st.sampled_from([None, "a", ["a"]]),
        "temperature": st.just(0.5), "max_tokens": st.just(5), "seed": st.just(1), "user": TEXTS, "metadata": st.just({}),
        "reasoning_effort": st.sampled_from([None, "low", "minimal"]), "verbosity": st.sampled_from([None, "low"]),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": {
            "name": "n", "schema": SCHEMA, "strict": None}}]),
        "stream_options": st.just({"include_usage": True}), "service_tier": st.sampled_from(["auto", "priority", "flex"]),
        "store": st.booleans(), "parallel_tool_calls": st.booleans(), "web_search_options": st.just({}),
        "functions": st.just([{"name": "g"}]), "modalities": st.just(["text"]), "logit_bias": st.sampled_from([None, {"50256": -100}]), "logprobs": st.booleans(), "odd": TEXTS,
        "safety_identifier": TEXTS, "prompt_cache_key": TEXTS, "prompt_cache_retention": st.just("24h"),
    },
)  # fmt: skip


def odd(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))


ODD_CALL = st.fixed_dictionaries(
    {}, optional={"id": JSON, "function": JSON | odd("name", "arguments"), "custom": JSON | odd("name")}
)
ODD_PART = st.fixed_dictionaries(
    {"type": JSON | st.sampled_from(["text", "image_url", "file", "refusal"])},
    optional={"text": JSON, "image_url": JSON | odd("url", "detail"), "file": JSON | odd("file_data"), "refusal": JSON},
)
ODD_MESSAGE = st.fixed_dictionaries(
    {"role": JSON | st.sampled_from(["system", "user", "assistant", "tool", "function"])},
    optional={"content": JSON | st.lists(ODD_PART, max_size=2), "tool_calls": JSON | st.lists(ODD_CALL, max_size=2), "name": JSON,
              "function_call": JSON | odd("name", "arguments"), "tool_call_id": JSON, "refusal": JSON, "audio": JSON},
)  # fmt: skip
ODD_TOOL = st.fixed_dictionaries(
    {"type": JSON | st.sampled_from(["function", "custom"])},
    optional={"function": JSON | odd("name"), "custom": JSON | odd("format")},
)
OTHERS = [
    name
    for name in (*MOVED, *WITHOUT, "model", "stream", "text", "reasoning", "store", "instructions")
    if name != "messages"
]
ODD_BODY = st.fixed_dictionaries(
    {"messages": st.lists(ODD_MESSAGE, min_size=1, max_size=3) | JSON},
    optional={
        **dict.fromkeys(OTHERS, JSON),
        "tools": JSON | st.lists(ODD_TOOL, max_size=2),
        "tool_choice": JSON | odd("type", "function", "allowed_tools"),
    },
)


@given(ODD_BODY)
@examples(300)
def test_whatever_comes_it_goes_up_or_is_refused(body: dict[str, Any]) -> None:
    try:
        assert patch(json.dumps(body).encode(), PatchOptions(translate=dialect.translate, caller="a")).body
    except ProxyError as e:
        assert e.status == 400 and e.message


@given(BODIES)
@examples(150)
def test_the_backend_takes_whatever_comes_out(body: dict[str, Any]) -> None:
    sent = patch(json.dumps(body).encode(), PatchOptions(translate=dialect.translate, caller="a"))

    assert sent.body
    assert refusal(json.loads(sent.body)) is None
    assert sent.stream == (body.get("stream") is True)
    said = [text for message in body["messages"] for text in texts(message)]
    up = json.loads(sent.body)
    # The texts of the instructions are one there.
    assert "".join("".join(said).split()) == "".join("".join(sent_texts(up)).split())


def test_of_a_chat_goes_up_what_has_something_in_it() -> None:
    messages = [
        HI,
        {"role": "assistant", "content": [{"type": "text", "text": ""}]},
        {"role": "user", "content": None},
        HI,
    ]
    sent = patch(json.dumps({"model": "m", "messages": messages}).encode(), PatchOptions(translate=dialect.translate))
    assert json.loads(sent.body or b"")["input"] == [HI_ITEM, HI_ITEM]
    assert "-empty message (x2)" in [change.short for change in sent.changes]


def test_a_call_of_a_chat_that_was_cut_off_keeps_its_place_and_its_reasoning() -> None:
    class Past:
        def item(self, _: str) -> None: ...

        def conversation(self, _: str) -> None: ...

        def reasoning_before(self, call_id: str) -> list[msgspec.Raw]:
            return [msgspec.Raw(json.dumps({**sealed, "id": f"rs_{call_id}"}).encode())]

    sealed = {"type": "reasoning", "summary": [], "encrypted_content": "opaque"}
    calls = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in "ab"]
    messages = [
        HI,
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "b", "content": "12"},
        HI,
    ]
    options = PatchOptions(translate=dialect.translate, past=Past())
    body = json.loads(patch(json.dumps({"model": "gpt-6-sol", "messages": messages}).encode(), options).body or b"")
    assert refusal(body) is None
    assert [item["type"] for item in body["input"]] == [
        "message", "reasoning", "function_call", "function_call_output", "reasoning", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    assert [item["output"] for item in body["input"] if "output" in item] == ["aborted", "12"]


def texts(message: dict[str, Any]) -> list[str]:
    """What a message of a chat says, in order."""
    content = message["content"]
    parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content or []]
    for call in message.get("tool_calls") or []:
        parts.append(call.get("function", {}).get("arguments") or call.get("custom", {}).get("input") or "")
    return [*parts, message["function_call"]["arguments"]] if message.get("function_call") else parts


def sent_texts(body: dict[str, Any]) -> list[str]:
    """What a Responses request says, in order."""
    found = [body["instructions"]]
    for item in body["input"]:
        found += [part.get("text", "") for part in item.get("content", [])]
        found += [item[key] for key in ("arguments", "input", "output") if key in item]
    return found
