import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codex_proxy.changes import Change
from codex_proxy.views.conversation import MOST_CHANGES, request_text
from codex_proxy.views.known import NOTHING, Known
from codex_proxy.views.layout import LARGEST

from ..examples import JSON
from ..places import NANOBOT
from ..properties import examples

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


def shown(body: Any, known: Known = NOTHING) -> str:
    return request_text(json.dumps(body).encode(), known)


def conversation(text: str) -> str:
    """What stands before the raw JSON."""
    return text.partition("\n\nraw JSON:")[0]


KNOWN = Known(
    model="gpt-4.1",
    sent_model="gpt-6-sol",
    changes=[
        Change("store", "set to false", 'the backend answers 400 "Store must be set to false"', "store"),
        Change(
            "max_output_tokens", "taken off", 'the backend answers 400 "Unsupported parameter"', "-max_output_tokens"
        ),
    ],
    header_changes=[Change("user-agent", "python → codex", "as the backend wants it")],
    notes=["sent again with another token"],
)


TOOL_OUTPUT = """\
# gpt-4.1 → gpt-6-sol · 4 items · 1.3 kB

store:   false
stream:  true

instructions: |  # 71 characters
  You are a weather desk. Answer in one sentence. […1401 more characters]

user: |
  Weather in Oslo?

reasoning: |  # encrypted, 13 B
  **Thinking** it over

call get_weather:  # call_4969b2ddd5cb4c5cb249f2bb
  {"city": "Oslo"}
output: |
  12 degrees celsius and rain in Oslo

tools: |  # 2 tools
  count_words(text: string)
      Number of words in a text.
  get_weather(city: string, unit?: string = "celsius")
      Weather of a city, today.

changed on the way up: |
  store: set to false
      the backend answers 400 "Store must be set to false"
  max_output_tokens: taken off
      the backend answers 400 "Unsupported parameter"
  header user-agent: python → codex
      as the backend wants it

notes: |
  sent again with another token"""


def test_a_request_of_nanobot_is_shown_as_a_person_reads_it() -> None:
    body = NANOBOT["tool_output"]["body"]
    text = shown(body, KNOWN)
    assert conversation(text) == TOOL_OUTPUT
    assert json.loads(text.partition("raw JSON:\n")[2]) == body


@pytest.mark.parametrize("name", NANOBOT)
def test_what_is_shown_is_yaml(name: str) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    assert "raw JSON" in yaml.load(shown(NANOBOT[name]["body"], KNOWN))


def test_long_instructions_are_folded() -> None:
    text = conversation(shown({"model": "m", "instructions": "You are kind. " * 500, "input": []}))
    assert "instructions: |  # 7,000 characters\n  You are kind." in text and "characters left out …" in text
    assert len(text) < 1000


def test_the_effort_stands_in_the_head_line() -> None:
    assert shown({"model": "m", "reasoning": {"effort": "high"}, "input": []}).startswith("# m · effort high · 0 items")
    assert shown({"model": "m", "reasoning_effort": "low", "messages": []}).startswith("# m · effort low · 0 items")


def test_of_a_long_conversation_the_first_and_the_last_items_are_shown() -> None:
    items = [{"role": "user", "content": f"message {n}."} for n in range(1000)]
    text = shown({"model": "m", "input": items})
    before = conversation(text)
    assert "· 1,000 items ·" in text
    assert "message 19.\n\n# … 830 items left out …\n\nuser: |\n  message 850." in before
    assert "message 999." in before and "message 20." not in before


def test_messages_of_chat_completions_are_shown_as_items_are() -> None:
    text = conversation(shown({"model": "m", "messages": [{"role": "system", "content": "Be kind."}]}))
    assert text.endswith("system: |\n  Be kind.") and "· 1 item ·" in text


def test_long_arguments_of_a_call_are_shown_further_than_raw_json() -> None:
    call = {"type": "function_call", "name": "write", "arguments": json.dumps({"text": "word " * 2000})}
    before, _, raw = shown({"input": [call]}).partition("raw JSON:")
    assert "word " * 2000 in before
    assert "characters left out" in raw and len(raw) < 4000


NOT_REQUESTS = [b"", b"{", b"[]", b"\xff\xfe", b'{"input":[{"a":}]}', b'{"model":"m","input":["\\ud800"]}', b"[" * 5000]


@pytest.mark.parametrize("data", NOT_REQUESTS)
def test_what_is_no_request_is_shown_as_it_is(data: bytes) -> None:
    text = request_text(data, KNOWN)
    assert text.startswith("# not the JSON of a request: ") and "changed on the way up" in text


@pytest.mark.parametrize("value", ["text", 3, None, {}, [], [None], [[]], {"a": 1}])
def test_a_conversation_of_an_unknown_form_is_shown_somehow(value: Any) -> None:
    for key in ("input", "messages", "instructions", "tools", "reasoning", "model"):
        assert "raw JSON" in shown({key: value})


def test_of_very_many_changes_and_notes_the_first_are_shown() -> None:
    many = [Change(f"field{n}.", "taken off", "why") for n in range(MOST_CHANGES + 5)]
    text = shown({"model": "m", "input": []}, Known(changes=many, header_changes=many, notes=["note."] * 100))
    for kind in ("  field", "  header field"):
        assert f"{kind}{MOST_CHANGES - 1}.:" in text and f"{kind}{MOST_CHANGES}.:" not in text
    assert text.count("note.") == 50


def test_secrets_are_hidden_wherever_they_stand() -> None:
    body = {
        "model": SECRET,
        "instructions": f"Use {SECRET}",
        "metadata": {SECRET: f"a\n{SECRET}"},
        "input": [
            {"role": SECRET, "content": f"a\n{SECRET}"},
            {
                "type": "function_call",
                "name": SECRET,
                "call_id": SECRET,
                "arguments": json.dumps({"key": f"\n{SECRET}"}),
            },
            {"type": SECRET, "value": [f"\t{SECRET}"]},
        ],
        "tools": [{"type": "function", "name": "f", "description": SECRET, "parameters": {"properties": {SECRET: {}}}}],
    }
    known = Known(
        model=SECRET,
        sent_model=SECRET,
        changes=[Change("a", f"was {SECRET}", SECRET)],
        header_changes=[Change("b", SECRET, SECRET)],
        notes=[SECRET],
    )
    assert "abcdefghijkl" not in shown(body, known)
    assert "abcdefghijkl" not in request_text(b"{" + SECRET.encode(), known)


KEYS = st.sampled_from(
    "type role content text image_url call_id name arguments output tools parameters properties enum items anyOf required"
    " default summary encrypted_content id function file file_data description namespace annotations url effort".split()
)


VALUES = st.sampled_from(
    [
        "message",
        "function_call",
        "function_call_output",
        "input_text",
        "input_image",
        "input_file",
        "namespace",
        "reasoning",
        "c",
    ]
)


ODD = st.recursive(
    JSON | VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=20
)


BODIES = st.dictionaries(
    st.sampled_from("model input messages instructions tools reasoning other".split()),
    ODD | st.lists(ODD, max_size=4),
    max_size=7,
)


@examples(300)
@given(BODIES)
def test_no_json_raises(body: Any) -> None:
    assert len(request_text(msgspec.json.encode(body))) <= LARGEST


@examples(200)
@given(st.sampled_from(sorted(NANOBOT)), st.data())
def test_no_cut_and_no_garbage_raises(name: str, data: st.DataObject) -> None:
    body = json.dumps(NANOBOT[name]["body"]).encode()
    place = data.draw(st.integers(0, len(body)))
    put = data.draw(st.sampled_from([b"", b"\xff", b'"', b"}", b"[[[[", b"null", b"1e999", b"\\ud800"]))
    assert 0 < len(request_text(body[:place] + put + body[place + data.draw(st.integers(0, 50)) :])) <= LARGEST
