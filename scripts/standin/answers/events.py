"""The events of an answer, in the order seen live (docs/backend.md, 5)."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..wire.replies import dumps
from .items import cut, new_id
from .usage import Usage

type Event = dict[str, Any]
type Item = dict[str, Any]


def response_object(body: dict[str, Any]) -> dict[str, Any]:
    """The response as it begins: the settings of the request echoed."""
    settings = body.get("reasoning") or {}
    form = {"format": {"type": "text"}, "verbosity": "medium"} | (body.get("text") or {})
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": body["model"],
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "prompt_cache_retention": None,
        "reasoning": {"effort": settings.get("effort", "medium"), "summary": settings.get("summary")},
        "safety_identifier": None,
        "service_tier": "auto",
        "store": False,
        "temperature": 1.0,
        "text": form,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": 0.98,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def events(
    response: dict[str, Any], items: Sequence[Item], usage: Usage, deltas: int | Sequence[str] | None
) -> list[Event]:
    """All of them, numbered. The last one's output is empty, as it is with the real backend."""
    found: list[Event] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
    ]
    for index, item in enumerate(items):
        found.extend(_item_events(item, index, deltas))
    done = {**response, "status": "completed", "service_tier": "default", "usage": usage.json()}
    found.append({"type": "response.completed", "response": done})
    return numbered(found)


def numbered(found: list[Event]) -> list[Event]:
    return [{"type": each["type"], "sequence_number": index, **each} for index, each in enumerate(found)]


def _item_events(item: Item, index: int, deltas: int | Sequence[str] | None) -> Iterator[Event]:
    at = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress"} if "status" in item else dict(item)
    inner: list[Event] = []
    match item["type"]:
        case "message":
            begun["content"] = []
            for place, part in enumerate(item["content"]):
                inner.extend(_part_events(part, {**at, "content_index": place}, deltas))
        case "function_call":
            begun["arguments"] = ""
            inner.extend(_argument_events(item["arguments"], at, "function_call_arguments", "arguments"))
        case "custom_tool_call":
            begun["input"] = ""
            inner.extend(_argument_events(item["input"], at, "custom_tool_call_input", "input"))
        case "web_search_call" | "image_generation_call" as kind:
            begun["status"] = "in_progress"
            begun.pop("result", None)
            inner.extend(_hosted_events(item, at, kind))
        case "reasoning":
            begun.pop("encrypted_content", None)
            begun["summary"] = []
            for place, part in enumerate(item.get("summary") or ()):
                inner.extend(_summary_events(part, {**at, "summary_index": place}))
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    yield from inner
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part_events(part: dict[str, Any], at: dict[str, Any], deltas: int | Sequence[str] | None) -> Iterator[Event]:
    if part["type"] == "refusal":
        yield {"type": "response.content_part.added", **at, "part": {"type": "refusal", "refusal": ""}}
        yield {"type": "response.refusal.delta", **at, "delta": part["refusal"]}
        yield {"type": "response.refusal.done", **at, "refusal": part["refusal"]}
    else:
        yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
        for delta in cut(part["text"], deltas):
            yield {"type": "response.output_text.delta", **at, "delta": delta, "logprobs": []}
        yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _argument_events(text: str, at: dict[str, Any], name: str, key: str) -> Iterator[Event]:
    for delta in cut(text, 3):
        yield {"type": f"response.{name}.delta", **at, "delta": delta}
    yield {"type": f"response.{name}.done", **at, key: text}


def _hosted_events(item: Item, at: dict[str, Any], kind: str) -> Iterator[Event]:
    """Of a tool that runs at the backend: no text, but an image is sent before it is finished as well."""
    yield {"type": f"response.{kind}.in_progress", **at}
    if kind == "web_search_call":
        yield {"type": "response.web_search_call.searching", **at}
    else:
        yield {"type": "response.image_generation_call.generating", **at}
        partial = {"partial_image_index": 0, "partial_image_b64": item.get("result")}
        yield {"type": "response.image_generation_call.partial_image", **at, **partial}
    yield {"type": f"response.{kind}.completed", **at}


def _summary_events(part: dict[str, Any], at: dict[str, Any]) -> Iterator[Event]:
    empty = {**part, "text": ""}
    yield {"type": "response.reasoning_summary_part.added", **at, "part": empty}
    for delta in cut(part["text"], None):
        yield {"type": "response.reasoning_summary_text.delta", **at, "delta": delta}
    yield {"type": "response.reasoning_summary_text.done", **at, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **at, "part": part}


def frame(event: Event) -> bytes:
    """`event:` line, `data:` line, empty line."""
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps(event))
