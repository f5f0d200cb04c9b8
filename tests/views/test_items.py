import base64
from typing import Any

import pytest

from codex_proxy.views.items import chat_items, item_text, items_text

PICTURE = "data:image/png;base64," + base64.b64encode(b"x" * 45_000).decode()

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
    (
        {"type": "image_generation_call", "output_format": "png", "revised_prompt": "A cat", "result": "iVBORw0K" * 1000},
        "image: |\n  [png, 6.0 kB]\n  A cat",
    ),
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


def test_what_only_some_chat_messages_have() -> None:
    cited = {"type": "url_citation", "url_citation": {"title": "T", "url": "https://x"}}
    messages = [
        {"role": "assistant", "content": "Hi", "reasoning_content": "Well", "annotations": [cited]},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "done"},
    ]
    assert items_text(chat_items(messages)) == [
        "reasoning: |\n  Well",
        "assistant: |\n  Hi\n\n  [1] T https://x",
        "call f:\n  {}",
        "output of f: |\n  done",
    ]
