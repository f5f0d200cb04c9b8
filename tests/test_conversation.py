import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from codex_proxy.conversation import (
    LARGEST,
    Shortener,
    binary,
    block,
    bounded,
    chat_items,
    clip,
    count,
    item_text,
    items_text,
    line,
    pretty,
    request_text,
    size,
    tools_text,
)  # fmt: skip

CAPTURES = json.loads((Path(__file__).parent / "captures" / "nanobot-63c9c55.json").read_text())["requests"]
SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
PICTURE = "data:image/png;base64," + base64.b64encode(b"x" * 45_000).decode()


def shown(body: Any, state: dict[str, Any] | None = None) -> str:
    return request_text(json.dumps(body).encode(), state)


def conversation(text: str) -> str:
    """What stands before the raw JSON."""
    return text.partition("\n\nraw JSON:")[0]


STATE = {
    "model": "gpt-4.1",
    "sent_model": "gpt-6-sol",
    "changes": [
        ["store", "set to false", 'the backend answers 400 "Store must be set to false"', "store"],
        ["max_output_tokens", "taken off", 'the backend answers 400 "Unsupported parameter"', "-max_output_tokens"],
    ],
    "header_changes": [["user-agent", "python → codex", "as the backend wants it"]],
    "notes": ["sent again with another token"],
}

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
  store              set to false  the backend answers 400 "Store must be set to false"
  max_output_tokens  taken off     the backend answers 400 "Unsupported parameter"

  header user-agent  python → codex  as the backend wants it

notes: |
  sent again with another token"""


def test_a_request_of_nanobot_is_shown_as_a_person_reads_it() -> None:
    body = CAPTURES["tool_output"]["body"]
    text = shown(body, STATE)
    assert conversation(text) == TOOL_OUTPUT
    assert json.loads(text.partition("raw JSON:\n")[2]) == body


@pytest.mark.parametrize("name", CAPTURES)
def test_what_is_shown_is_yaml(name: str) -> None:
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    assert "raw JSON" in yaml.load(shown(CAPTURES[name]["body"], STATE))


def test_long_instructions_are_folded() -> None:
    text = conversation(shown({"model": "m", "instructions": "You are kind. " * 500, "input": []}))
    assert "instructions: |  # 7,000 characters\n  You are kind." in text and "characters left out …" in text
    assert len(text) < 1000


def test_the_effort_stands_in_the_head_line() -> None:
    assert shown({"model": "m", "reasoning": {"effort": "high"}, "input": []}).startswith("# m · effort high · 0 items")
    assert shown({"model": "m", "reasoning_effort": "low", "messages": []}).startswith("# m · effort low · 0 items")


PARTS = [
    ("Hi", "Hi"),
    ([{"type": "input_text", "text": "Hi"}, {"type": "input_text", "text": "there"}], "Hi\n  there"),
    ([{"type": "input_image", "image_url": PICTURE, "detail": "high"}], "[image image/png, 45 kB, detail high]"),
    ([{"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}], "[image image/png, 45 kB, detail low]"),
    ([{"type": "input_image", "image_url": "https://example.org/a.png"}], "[image https://example.org/a.png]"),
    ([{"type": "input_image", "file_id": "file_1"}], "[image file_1]"),
    ([{"type": "input_image"}], "[image (nothing)]"),
    (
        [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64," + "A" * 4000}],
        "[file a.pdf application/pdf, 3.0 kB]",
    ),
    ([{"type": "refusal", "refusal": "No."}], "[refused] No."),
    ([{"type": "input_audio", "format": "wav"}], '{"type": "input_audio", "format": "wav"}'),
    (["Hi", 3], "Hi\n  3"),
]


@pytest.mark.parametrize(("content", "text"), PARTS)
def test_content_is_shown_by_what_it_is(content: Any, text: str) -> None:
    assert item_text({"role": "user", "content": content}) == f"user: |\n  {text}"


ITEMS = [
    ({"type": "message", "role": "assistant", "phase": "commentary", "content": "So"}, "assistant: |  # commentary\n  So"),
    ({"type": "function_call", "name": "f", "arguments": '{"a":1}'}, 'call f:\n  {"a": 1}'),
    ({"type": "function_call", "name": "f", "arguments": '{"a":'}, 'call f: |\n  {"a":'),
    ({"type": "function_call", "name": "f", "arguments": ""}, 'call f: ""'),
    ({"type": "function_call", "namespace": "db", "name": "f", "call_id": "c"}, 'call db.f: ""  # c'),
    ({"type": "custom_tool_call", "name": "patch", "input": '{"not": "parsed"}'}, 'call patch: |\n  {"not": "parsed"}'),
    ({"type": "local_shell_call", "action": {"command": ["ls"]}}, 'call local_shell:\n  {"command": ["ls"]}'),
    ({"type": "web_search_call", "action": {"query": "Oslo"}}, 'call web_search:\n  {"query": "Oslo"}'),
    ({"type": "function_call_output", "call_id": "c", "output": '{"ok":true}'}, 'output of c:\n  {"ok": true}'),
    ({"type": "function_call_output", "output": [{"type": "input_text", "text": "a"}]}, "output of ?: |\n  a"),
    ({"type": "reasoning", "summary": [], "encrypted_content": "g" * 1500}, 'reasoning: ""  # encrypted, 1.5 kB'),
    ({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm"}]}, "reasoning: |\n  Hm"),
    ({"type": "compaction", "encrypted_content": "g" * 60}, 'compaction:\n  {"encrypted_content": "gggggggggggggggg… (60 characters)"}'),
    ({"type": "item_reference", "id": "msg_1"}, 'item_reference:\n  {"id": "msg_1"}'),
    ({"type": "additional_tools", "tools": [{"type": "web_search"}]}, "additional tools: |\n  web_search"),
    ("text", "item: |\n  text"),
    (None, "item: |\n  null"),
    ({}, "item:\n  {}"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "text"), ITEMS)
def test_an_item_is_shown_by_what_it_is(item: Any, text: str) -> None:
    assert item_text(item) == text


def test_outputs_stand_beside_their_calls() -> None:
    calls = [{"type": "function_call", "call_id": f"c{n}", "name": f"f{n}", "arguments": "{}"} for n in (1, 2)]
    outputs = [{"type": "function_call_output", "call_id": f"c{n}", "output": f"out {n}"} for n in (1, 2, 3)]
    assert items_text([*calls, *outputs]) == [
        "call f1:  # c1\n  {}\noutput: |\n  out 1",
        "call f2:  # c2\n  {}\noutput: |\n  out 2",
        "output of c3: |\n  out 3",
    ]


def test_of_a_long_conversation_the_first_and_the_last_items_are_shown() -> None:
    items = [{"role": "user", "content": f"message {n}."} for n in range(1000)]
    text = shown({"model": "m", "input": items})
    before = conversation(text)
    assert "· 1,000 items ·" in text
    assert "message 19.\n\n# … 830 items left out …\n\nuser: |\n  message 850." in before
    assert "message 999." in before and "message 20." not in before


def test_the_last_items_of_a_conversation_are_shown_at_most_length() -> None:
    items = [{"role": "user", "content": "word " * 20_000} for _ in range(100)]
    lengths = [len(one) for one in items_text(items)]
    assert lengths == sorted(lengths) and lengths[-1] > 15_000 and lengths[0] < 1000


def test_messages_of_chat_completions_become_items() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "done"},
        {"role": "assistant", "content": None, "refusal": "No."},
    ]
    assert items_text(chat_items(messages)) == [
        "system: |\n  Be kind.",
        "call f:  # c\n  {}\noutput: |\n  done",
        "assistant: |\n  [refused] No.",
    ]
    assert "system: |\n  Be kind." in shown({"model": "m", "messages": messages})


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "function", "name": "f", "parameters": {"properties": properties, "required": ["a"]}}


TOOLS = [
    (schema(a={"type": "string"}, b={"type": "integer", "default": 3}), "f(a: string, b?: integer = 3)"),
    (schema(a={"enum": ["x", "y"]}), 'f(a: "x" | "y")'),
    (schema(a={"type": "array", "items": {"type": "number"}}), "f(a: number[])"),
    (schema(a={"type": ["string", "null"]}), "f(a: string | null)"),
    (schema(a={"anyOf": [{"type": "string"}, {"$ref": "#/$defs/Unit"}]}), "f(a: string | Unit)"),
    (schema(a=True), "f(a: any)"),
    ({"type": "function", "name": "f", "parameters": None}, "f()"),
    ({"type": "function", "function": {"name": "f", "description": "Does it.\nAt length."}}, "f()\n    Does it."),
    ({"type": "web_search", "search_context_size": "low"}, "web_search (search_context_size: low)"),
    ({"type": "custom", "name": "patch", "format": {"type": "grammar"}}, 'patch, custom (format: {"type": "grammar"})'),
    ({"type": "namespace", "name": "db", "tools": [{"type": "function", "name": "q"}]}, "db.q()"),
]


@pytest.mark.parametrize(("tool", "text"), TOOLS)
def test_a_tool_is_a_line_with_its_parameters(tool: Any, text: str) -> None:
    assert tools_text([tool]) == text


def test_raw_json_has_neither_base64_nor_encrypted_content_in_full() -> None:
    body = {
        "model": "m",
        "input": [
            {"role": "user", "content": [{"type": "input_image", "image_url": PICTURE}]},
            {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAB" + "y" * 1000},
        ],
    }
    raw = shown(body).partition("raw JSON:\n")[2]
    assert '"image_url": "data:image/png;base64,eH… (image/png, 45 kB)"' in raw
    assert '"encrypted_content": "gAAAAByyyyyyyyyy… (1,006 characters)"' in raw


NOT_REQUESTS = [b"", b"{", b"[]", b"\xff\xfe", b'{"input":[{"a":}]}', b'{"model":"m","input":["\\ud800"]}', b"[" * 5000]


@pytest.mark.parametrize("data", NOT_REQUESTS)
def test_what_is_no_request_is_shown_as_it_is(data: bytes) -> None:
    text = request_text(data, STATE)
    assert text.startswith("# not the JSON of a request: ") and "changed on the way up" in text


@pytest.mark.parametrize("value", ["text", 3, None, {}, [], [None], [[]], {"a": 1}])
def test_a_conversation_of_an_unknown_form_is_shown_somehow(value: Any) -> None:
    for key in ("input", "messages", "instructions", "tools", "reasoning", "model"):
        assert "raw JSON" in shown({key: value})


@pytest.mark.parametrize("value", [None, "x", 3, {}, [None], [["a"]], ["a", "b"], [[None, None, None]]])
def test_a_state_of_an_unknown_form_does_no_harm(value: Any) -> None:
    for key in ("changes", "header_changes", "notes", "model"):
        assert "raw JSON" in shown({"model": "m", "input": []}, {key: value})


NUMBERS = [
    (0, "0 B"),
    (999, "999 B"),
    (1000, "1.0 kB"),
    (9949, "9.9 kB"),
    (402_123, "402 kB"),
    (999_500, "1.0 MB"),
    (5e6, "5.0 MB"),
]


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_sizes_have_two_or_three_digits(number: int, text: str) -> None:
    assert size(int(number)) == text


def test_counts_know_one_from_many() -> None:
    assert [count(n, "item") for n in (0, 1, 2041)] == ["0 items", "1 item", "2,041 items"]


BLOCKS = [
    ("a\nb", "t: |\n  a\n  b"),
    ("a\r\nb\rc", "t: |\n  a\n  b\n  c"),
    ("a\n\nb\n", "t: |\n  a\n\n  b"),
    ("  a", "t: |2\n    a"),
    ("", 't: ""'),
    (" \n", 't: ""'),
]


@pytest.mark.parametrize(("text", "shown"), BLOCKS)
def test_a_text_becomes_a_block_of_yaml(text: str, shown: str) -> None:
    assert block("t", text) == shown
    if text.strip():
        assert YAML(typ="safe", pure=True).load(shown)["t"] == text.replace("\r\n", "\n").replace("\r", "\n").rstrip(
            "\n"
        )


@pytest.mark.parametrize("limit", [100, 1000])
@pytest.mark.parametrize("at", range(0, 2000, 53))
def test_no_part_of_a_token_is_left_where_a_text_is_cut(limit: int, at: int) -> None:
    text = ("w " * 1000)[:at] + " " + SECRET + " " + ("v " * 1000)[at:]
    short = bounded([clip(text, limit)])
    assert not [n for n in range(9, len(SECRET) - 12) if SECRET[n : n + 12] in short]


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
    state = {"changes": [["a", f"was {SECRET}", SECRET]], "header_changes": [["b", SECRET, SECRET]], "notes": [SECRET]}
    assert "abcdefghijkl" not in shown(body, state)
    assert "abcdefghijkl" not in request_text(b"{" + SECRET.encode(), state)


def test_long_arguments_of_a_call_are_shown_further_than_raw_json() -> None:
    call = {"type": "function_call", "name": "write", "arguments": json.dumps({"text": "word " * 2000})}
    assert "word " * 2000 in item_text(call)
    raw = shown({"input": [call]}).partition("raw JSON:")[2]
    assert "characters left out" in raw and len(raw) < 4000


def test_binary_is_told_by_its_form() -> None:
    assert binary("data:image/png;base64,AAAA") == ("image/png", 3)
    assert binary("data:audio/wav;codecs=1;base64,AAAA") == ("audio/wav", 3)
    assert binary("A" * 800) == ("base64", 600)
    assert binary("word " * 200) is None and binary("AAAA") is None


def test_a_value_in_one_line_has_no_line_ends() -> None:
    assert line("a\n  b\tc") == "a b c" and line({"a": "b\nc"}) == '{"a": "b\\nc"}'
    assert len(line("word " * 100)) < 150


def test_large_values_are_cut_short_at_every_level() -> None:
    nested: Any = "end"
    for _ in range(200):
        nested = [nested]
    assert "end" not in pretty(nested) and "…" in pretty(nested)
    assert "more …" in pretty(list(range(100_000))) and len(pretty(list(range(100_000)))) < 50_000
    assert "more" in pretty({str(n): n for n in range(100_000)})
    assert len(pretty(["word " * 1000] * 1000, 10_000)) < 300_000
    assert json.loads(pretty([1 << 70, -(1 << 70), 10**400, 1 << 63])) == [2.0**70, -(2.0**70), "…", 2.0**63]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
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


@settings(max_examples=300, deadline=None)
@given(BODIES)
def test_no_json_raises(body: Any) -> None:
    assert len(request_text(msgspec.json.encode(clean(body)))) <= LARGEST


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(CAPTURES)), st.data())
def test_no_cut_and_no_garbage_raises(name: str, data: st.DataObject) -> None:
    body = json.dumps(CAPTURES[name]["body"]).encode()
    place = data.draw(st.integers(0, len(body)))
    put = data.draw(st.sampled_from([b"", b"\xff", b'"', b"}", b"[[[[", b"null", b"1e999", b"\\ud800"]))
    assert 0 < len(request_text(body[:place] + put + body[place + data.draw(st.integers(0, 50)) :])) <= LARGEST


def clean(value: Any) -> Any:
    """Without integers that JSON is not written with here."""
    match value:
        case int() if abs(value) >= 1 << 63:
            return 0
        case list():
            return [clean(one) for one in value]
        case dict():
            return {key: clean(one) for key, one in value.items()}
    return value


@settings(deadline=None)
@given(JSON)
def test_what_is_short_stays_as_it_is(value: Any) -> None:
    value = clean(value)
    assert Shortener()(value) == value or "…" in str(Shortener()(value)) or "hidden" in str(Shortener()(value))
