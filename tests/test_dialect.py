"""A dialect of a few lines, as somebody would add one."""

from collections.abc import Iterable

import msgspec
import pytest

from codex_proxy import dialect
from codex_proxy.changes import Change, put
from codex_proxy.chat import dialect as chat
from codex_proxy.errors import ProxyError
from codex_proxy.raw_json import Object
from codex_proxy.request.body_rules import PatchOptions, patch


class Loud:
    """Gives each frame in capital letters; stops at a frame that says so, and fails where there is none."""

    may_stop = True

    def __init__(self, model: str = "") -> None:
        self.model, self.stopped = model, False
        self.frames: list[bytes] = []

    def stream(self, model: str) -> "Loud":
        return Loud(model)

    def document(self, model: str) -> "LoudDocument":
        return LoudDocument(Loud(model))

    def feed(self, frames: Iterable[bytes]) -> list[bytes]:
        found = [frame.upper() for frame in frames]
        self.stopped = self.stopped or b"STOP" in found
        self.frames += found
        return found


class LoudDocument:
    def __init__(self, loud: Loud) -> None:
        self.loud = loud

    @property
    def stopped(self) -> bool:
        return self.loud.stopped

    def feed(self, frames: Iterable[bytes]) -> None:
        self.loud.feed(frames)

    def made(self) -> bytes:
        if not self.loud.frames:
            raise ProxyError("stream_broken", "There is nothing.")
        return self.loud.model.encode() + b":" + b"".join(self.loud.frames)


def translate(body: Object, before: dialect.ReasoningBefore) -> tuple[Object, dialect.Translation, list[Change]]:
    fixed = {name: raw for name, raw in body.items() if name != "say"}
    return {**fixed, "input": body["say"]}, Loud(), [put("say", "translated", "the backend has no such field")]


TRANSLATES: list[dialect.Translate] = [translate, chat.translate]


@pytest.mark.parametrize(
    "frames, streams, answer",
    [([b"a", b"b"], True, b"AB"), ([b"a", b"b"], False, b"m:AB"), ([], True, b""), (iter([b"a"]), False, b"m:A")],
)
def test_an_answer_that_came_whole_is_a_stream_or_a_document(
    frames: Iterable[bytes], streams: bool, answer: bytes
) -> None:
    assert dialect.answered(frames, Loud(), "m", streams=streams) == answer


def test_an_answer_that_failed_is_no_document() -> None:
    with pytest.raises(ProxyError):
        dialect.answered([], Loud(), "m", streams=False)


def test_a_body_of_a_dialect_goes_through_the_rules_after_it_is_translated() -> None:
    body = msgspec.json.encode({"model": "gpt-6-sol", "say": "hi", "stream": True})
    patched = patch(body, PatchOptions(translate=translate))
    sent = msgspec.json.decode(patched.body or b"")
    assert sent["input"][0]["content"] == [{"type": "input_text", "text": "hi"}] and "say" not in sent
    assert isinstance(patched.translation, Loud) and patched.changes[0].short == "say translated"
    assert not patched.believes_stored


def test_a_body_of_none_is_not_translated() -> None:
    assert patch(b'{"model":"gpt-6-sol","input":"hi"}', PatchOptions()).translation is None
