from typing import Any

import msgspec
import pytest

from codex_proxy.chat.dialect import translate
from codex_proxy.chat.messages import no_reasoning
from codex_proxy.dialect import answered
from codex_proxy.errors import ProxyError
from standin.answers.events import events, frame
from standin.answers.usage import Usage

HI = {"role": "user", "content": "hi"}
MESSAGE = {"id": "msg_1", "type": "message", "content": [{"type": "output_text", "text": "Hello END there"}]}
FRAMES = [frame(event) for event in events({"model": "gpt-6-sol"}, [MESSAGE], Usage(1, 0, 1, 0), 4)]


def raw(**body: Any) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()}


@pytest.mark.parametrize(
    "more, may_stop", [({}, False), ({"stop": []}, False), ({"stop": "END"}, True), ({"stop": ["a", "END"]}, True)]
)
def test_an_answer_may_stop_where_the_client_gave_a_text_for_it(more: dict[str, Any], may_stop: bool) -> None:
    fixed, translation, changes = translate(raw(model="m", messages=[HI], **more), no_reasoning)
    assert translation.may_stop is may_stop
    assert "messages" not in fixed and changes[0].short == "chat completion translated"
    for taker in (translation.stream("m"), translation.document("m")):
        taker.feed(FRAMES)
        assert taker.stopped is may_stop


def test_a_body_that_can_not_be_translated_is_refused() -> None:
    with pytest.raises(ProxyError) as refused:
        translate(raw(model="m", messages=[HI], n=3), no_reasoning)
    assert refused.value.status == 400


@pytest.mark.parametrize("stop, text", [(None, "Hello END there"), ("END", "Hello ")])
def test_a_stream_and_a_document_hold_the_same_text(stop: str | None, text: str) -> None:
    _, translation, _ = translate(raw(model="m", messages=[HI], stop=stop), no_reasoning)
    document = msgspec.json.decode(answered(FRAMES, translation, "m", streams=False))
    stream = answered(FRAMES, translation, "m", streams=True)
    assert document["object"] == "chat.completion" and document["choices"][0]["message"]["content"] == text
    chunks = [msgspec.json.decode(line[6:]) for line in stream.split(b"\n\n") if line.startswith(b"data: {")]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == text
    assert stream.endswith(b"data: [DONE]\n\n")
