import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.answer import sse
from codex_proxy.answer.repair import StreamRepairer
from codex_proxy.chat.answer import Chunks, Whole
from codex_proxy.chat.messages import Messages
from codex_proxy.chat.request import Chat
from codex_proxy.errors import ProxyError
from standin.answers.events import events, frame
from standin.answers.usage import Usage

from ..properties import examples

RESPONSE = {"id": "resp_1", "created_at": 7.0, "model": "gpt-6-sol", "status": "in_progress", "service_tier": "auto"}
TEXT = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
HEAD = {"id": "chatcmpl-1", "created": 7, "model": "gpt-6-sol"}
USAGE = {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0}, "completion_tokens": 2,
         "completion_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 5}  # fmt: skip


def sent(*items: dict[str, Any]) -> list[bytes]:
    return StreamRepairer().feed(b"".join(map(frame, events({**RESPONSE}, items, Usage(3, 1, 2, 1), 1))))


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


def test_chunks_as_openai_has_them() -> None:
    got = b"".join(Chunks(Chat(), "m").feed(sent(TEXT))).decode().split("\n\n")

    assert got[-2:] == ["data: [DONE]", ""]
    assert [json.loads(line.removeprefix("data: ")) for line in got[:-2]] == [
        chunk({"role": "assistant", "content": None, "refusal": None}),
        chunk({"content": "hi"}),
        chunk({}, "stop", service_tier="default"),
    ]


def test_usage_comes_in_a_chunk_of_its_own() -> None:
    got = b"".join(Chunks(Chat(usage=True), "m").feed(sent(TEXT))).decode().split("\n\n")[:-2]
    *chunks, last = [json.loads(line.removeprefix("data: ")) for line in got]

    assert [each["usage"] for each in chunks] == [None, None, None]
    assert (last["choices"], last["usage"]) == ([], USAGE)


def test_one_object_as_openai_has_it() -> None:
    whole = Whole(Chat(), "m")
    whole.feed(sent(TEXT))
    message: dict[str, Any] = {"role": "assistant", "content": "hi", "refusal": None, "annotations": []}

    assert json.loads(whole.made()) == {
        **HEAD, "object": "chat.completion", "service_tier": "default", "usage": USAGE,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "content"),
    [
        ({**TEXT, "content": []}, ""),
        ({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}, ""),
        ({**TEXT, "content": [{"type": "refusal", "refusal": "no"}]}, None),
        ({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}, None),
    ],
    ids=["nothing", "reasoning alone", "a refusal", "a call"],
)
def test_only_calls_and_refusals_stand_for_a_text(item: dict[str, Any], content: str | None) -> None:
    whole = Whole(Chat(), "m")
    whole.feed(sent(item))
    assert json.loads(whole.made())["choices"][0]["message"]["content"] == content


def test_an_error_ends_it_and_nothing_comes_after() -> None:
    chunks = Chunks(Chat(usage=True), "m")
    first, *more = chunks.feed([*StreamRepairer().broken("It broke."), *sent(TEXT)])

    assert more == []
    assert json.loads(first.removeprefix(b"data: "))["error"] == {
        "message": "It broke.", "type": "server_error", "param": None, "code": "stream_broken",
    }  # fmt: skip
    whole = Whole(Chat(), "m")
    whole.feed(StreamRepairer().broken("It broke."))
    with pytest.raises(ProxyError, match="It broke"):
        whole.made()


def test_comments_keep_a_connection_alive_here_too() -> None:
    got = Chunks(Chat(), "m").feed([b": hello\n\n", b"\n", b"data: [DONE]\n\n", sse.build("keepalive", b"{}")])
    assert got == [b": hello\n\n"]


def test_without_a_beginning_it_has_a_name_all_the_same() -> None:
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "hi"}
    (role, text) = Chunks(Chat(), "m").feed([sse.build("", json.dumps(delta).encode())])
    head = json.loads(role.removeprefix(b"data: "))

    assert head["id"].startswith("chatcmpl-") and head["model"] == "m" and head["created"] > 7
    assert json.loads(text.removeprefix(b"data: "))["id"] == head["id"]


WORDS = st.text(min_size=1, max_size=8)
CALL = st.one_of(
    st.tuples(WORDS, WORDS).map(lambda each: {"type": "function", "function": {"name": each[0], "arguments": each[1]}}),
    st.tuples(WORDS, WORDS).map(lambda each: {"type": "custom", "custom": {"name": each[0], "input": each[1]}}),
)


@given(st.one_of(st.none(), WORDS), st.lists(CALL, max_size=4), st.booleans())
@examples(150)
def test_a_message_sent_up_comes_back_as_it_was(
    content: str | None, calls: list[dict[str, Any]], functions: bool
) -> None:
    calls = [{"id": f"call_{n}", **one} for n, one in enumerate(calls)]
    message = {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}
    up = Messages()
    up.add(msgspec.Raw(json.dumps(message).encode()), 0)
    items = json.loads(msgspec.json.encode(up.items))
    whole = Whole(Chat(), "m")
    whole.feed(sent(*({"id": f"id_{n}", **item} for n, item in enumerate(items))))

    back = json.loads(whole.made())["choices"][0]
    assert back["message"] == {
        **message,
        "content": content or (None if calls else ""),
        "refusal": None,
        "annotations": [],
    }
    assert back["finish_reason"] == ("tool_calls" if calls else "stop")
