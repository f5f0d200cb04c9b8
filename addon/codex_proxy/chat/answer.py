"""Build the answer to a chat completion, as chunks or as one object."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ..answer import sse
from .request import Chat
from .stream import ChatStream, Delta

DONE = b"data: [DONE]\n\n"

encode = msgspec.json.encode


class Chunks:
    """Takes the frames of a Responses stream and gives those of a stream of chunks."""

    def __init__(self, chat: Chat, model: str) -> None:
        self.stream = ChatStream(chat, model)
        self._ended = False

    @property
    def stopped(self) -> bool:
        return self.stream.stopped

    def feed(self, frames: Iterable[bytes]) -> list[bytes]:
        stream, found = self.stream, []
        for frame in frames:
            if self._ended:
                break
            if frame.startswith(b":") and not sse.parse(frame)[1]:
                # A comment: it keeps a connection alive, here as well.
                found.append(frame)
                continue
            found += [self._chunk(delta) for delta in stream.feed([frame]) if delta]
            if stream.error:
                self._ended = True
                found.append(_data(stream.error.body()))
            elif stream.finish:
                self._ended = True
                found.append(self._chunk({}, stream.finish))
                if stream.chat.usage and stream.usage:
                    found.append(_data(encode({**self._head(), "choices": [], "usage": stream.usage})))
                found.append(DONE)
        return found

    def _head(self) -> dict[str, Any]:
        return head(self.stream, "chat.completion.chunk")

    def _chunk(self, delta: Delta, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        told = {"usage": None} if self.stream.chat.usage else {}
        return _data(encode({**self._head(), "choices": [choice], **told}))


def _data(document: bytes) -> bytes:
    return b"data: " + document + b"\n\n"


def head(stream: ChatStream, kind: str) -> dict[str, Any]:
    tier = {"service_tier": stream.tier} if stream.tier else {}
    return {"id": stream.id, "object": kind, "created": stream.created, "model": stream.model, **tier}


class Whole:
    """Takes the frames of a Responses stream and gives one object at its end."""

    def __init__(self, chat: Chat, model: str) -> None:
        self.stream = ChatStream(chat, model)
        self._deltas: list[Delta] = []

    @property
    def stopped(self) -> bool:
        return self.stream.stopped

    def feed(self, frames: Iterable[bytes]) -> None:
        self._deltas += self.stream.feed(frames)

    def made(self) -> bytes:
        """Raises ProxyError where the answer failed."""
        stream = self.stream
        if stream.error:
            raise stream.error
        choice = {"index": 0, "message": message(self._deltas), "logprobs": None, "finish_reason": stream.finish}
        told = {"usage": stream.usage} if stream.usage else {}
        return encode({**head(stream, "chat.completion"), "choices": [choice], **told})


def message(deltas: Iterable[Delta]) -> dict[str, Any]:
    """The message that deltas make, put together as clients do it."""
    found: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    calls: dict[int, dict[str, Any]] = {}
    pieces: dict[str, list[str]] = {}
    for delta in deltas:
        for key, more in delta.items():
            if key == "tool_calls":
                for call in more:
                    _grow(calls.setdefault(call["index"], {}), {k: v for k, v in call.items() if k != "index"})
            elif key == "function_call":
                _grow(found.setdefault(key, {}), more)
            elif key == "annotations":
                found[key] += more
            elif key != "role" and more is not None:
                pieces.setdefault(key, []).append(more)
    found |= {key: "".join(texts) for key, texts in pieces.items()}
    if calls:
        found["tool_calls"] = [calls[index] for index in sorted(calls)]
    if not calls and "function_call" not in found and found["refusal"] is None:
        # An empty answer still gets a text; only calls and refusals replace one.
        found["content"] = found["content"] or ""
    return found


def _grow(call: dict[str, Any], more: dict[str, Any]) -> None:
    for key, part in more.items():
        if isinstance(part, dict):
            _grow(call.setdefault(key, {}), part)
        elif key in ("arguments", "input"):
            call[key] = call.get(key, "") + part
        else:
            call[key] = part
