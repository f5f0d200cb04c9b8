"""Typed events of an answer, of both APIs; large values stay undecoded."""

from typing import Any

import msgspec

from ..raw_json import ABSENT, first


class ToolDelta(msgspec.Struct, gc=False):
    index: int = 0
    id: str | None = None
    function: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None


class Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolDelta] | None = None
    function_call: dict[str, Any] | None = None
    annotations: list[dict[str, Any]] | None = None


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    finish_reason: str | None = None


class Event(msgspec.Struct, gc=False):
    """What is read of an event; the large values stay undecoded."""

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    summary_index: int | None = None
    content_index: int | None = None
    delta: Any = None
    item: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    choices: list[Choice] | None = None
    usage: msgspec.Raw = ABSENT
    error: Any = None
    code: Any = None
    message: Any = None
    model: Any = None


# What the delta of a chunk may bring, in the order in which it is looked for.
PARTS = ("content", "reasoning_content", "refusal", "tool_calls", "function_call", "annotations")


def chunk_part(event: Event) -> str:
    """What a chunk of a chat completion brings; empty where there is nothing to name it by."""
    for choice in event.choices or ():
        if choice.finish_reason:
            return "finish_reason"
        for part in PARTS if choice.delta else ():
            if getattr(choice.delta, part):
                return part
        return "begins"
    return "usage" if first(event.usage) == b"{" else ""


class Head(msgspec.Struct):
    """An item that begins."""

    type: str = ""
    id: Any = None
    name: Any = None
    namespace: Any = None
    call_id: Any = None


class Response(msgspec.Struct):
    """What is read of a response object."""

    model: Any = None
    status: Any = None
    usage: Any = None
    error: Any = None
    incomplete_details: Any = None
    output: msgspec.Raw = ABSENT


EVENT = msgspec.json.Decoder(Event)
UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def decoded(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        return {"type": "unreadable item"}
