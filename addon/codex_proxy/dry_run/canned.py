"""The canned answer of a dry run, in the form real answers have.

The last event differs from the events before it in ways that mean nothing (white space, a semicolon, the encrypted content): what
a client sends back in its next request tells which of the two it reads. The ids are the same, as clients compare them
(openai-python 3.52, `_responses.py`: "identity changed").
"""

import json
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from ..answer import sse
from . import schemas

Item = dict[str, Any]

# Where a part of an answer was: in the events, in the last event, in an answer without events.
STREAMED, LAST, WHOLE = "streamed", "last", "whole"

TEXTS = {
    STREAMED: "This is a dry run; nothing was sent to the backend.",
    LAST: "This is a dry run: nothing was sent to the backend.",
    WHOLE: "This is a dry run, nothing was sent to the backend.",
}

CALL_ID = "call_dry_"
ENCRYPTED = "gAAAAAdryrun"

OUTPUTS = ("function_call_output", "custom_tool_call_output")

# A client executes the calls it gets: tools that read come first, those that may do anything last, and those whose
# names tell of loss never. By the beginnings of the words in a name.
READING = (
    "get",
    "list",
    "read",
    "search",
    "find",
    "count",
    "show",
    "weather",
    "time",
    "info",
    "status",
    "fetch",
    "look",
)
ANYTHING = ("exec", "shell", "bash", "command", "run", "code", "python", "terminal", "write", "edit", "patch", "create",
            "update", "set", "save", "move", "rename", "call", "agent", "task", "spawn", "config", "install")  # fmt: skip
NEVER = ("delete", "remove", "rm", "drop", "kill", "send", "post", "mail", "email", "reply", "message", "pay", "buy", "sell",
         "order", "transfer", "purge", "reset", "wipe", "erase", "clear", "shutdown", "reboot", "publish", "deploy", "push",
         "merge", "cancel", "close", "revoke", "trash", "archive")  # fmt: skip
WORD = re.compile(r"[A-Z]*[a-z]+|[A-Z]+")

USAGE = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2,
}


def stream(body: Item) -> bytes:
    """The events of an answer to a request's decoded body; the last one's output is filled."""
    unique, tool = secrets.token_hex(8), tool_to_call(body)
    begun = response_object(body, unique)
    events: list[Item] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(items(body, tool, STREAMED, unique)):
        events += _item_events(item, index)
    events.append({"type": "response.completed", "response": _done(begun, items(body, tool, LAST, unique))})
    frames = [
        sse.build(event["type"], msgspec.json.encode({"type": event["type"], "sequence_number": number, **event}))
        for number, event in enumerate(events)
    ]
    return b"".join(frames)


def as_document(body: Item) -> bytes:
    """The same answer as one JSON object, for clients that did not ask for a stream."""
    unique = secrets.token_hex(8)
    return msgspec.json.encode(_done(response_object(body, unique), items(body, tool_to_call(body), WHOLE, unique)))


def response_object(body: Item, unique: str) -> Item:
    """The response as it begins: the settings of the request echoed (docs/backend.md, 5)."""
    reasoning, text = body.get("reasoning"), body.get("text")
    return {
        "id": f"resp_dry_{unique}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": None,
        "metadata": {},
        "model": body.get("model") if isinstance(body.get("model"), str) else "",
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **(reasoning if isinstance(reasoning, dict) else {})},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, **(text if isinstance(text, dict) else {})},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") if isinstance(body.get("tools"), list) else [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
    }


def _done(begun: Item, output: list[Item]) -> Item:
    return {**begun, "status": "completed", "output": output, "usage": USAGE}


def items(body: Item, tool: Item | None, mark: str, unique: str) -> list[Item]:
    """What the answer consists of: a call where there is a tool to call, else a message."""
    head = {"id": f"rs_dry_{unique}", "type": "reasoning", "summary": []}
    reasoning = {**head, "encrypted_content": f"{ENCRYPTED}_{mark}_{unique}"}
    if tool is None:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": message_text(body, mark)}
        head = {"id": f"msg_dry_{unique}", "type": "message", "status": "completed", "role": "assistant"}
        return [reasoning, {**head, "content": [part]}]
    call = {"status": "completed", "call_id": CALL_ID + unique, "name": tool["name"]}
    if "namespace" in tool:
        call["namespace"] = tool["namespace"]
    if tool["type"] == "custom":
        return [reasoning, {"id": f"ctc_dry_{unique}", "type": "custom_tool_call", **call, "input": schemas.TEXT}]
    arguments = _marked(schemas.example(tool.get("parameters") or {"type": "object"}), mark)
    return [reasoning, {"id": f"fc_dry_{unique}", "type": "function_call", **call, "arguments": arguments}]


def message_text(body: Item, mark: str) -> str:
    """The text of a message; structured where the client asks for that."""
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") == "json_schema":
        return _marked(schemas.example(form.get("schema")), mark)
    if isinstance(form, dict) and form.get("type") == "json_object":
        return _marked({"answer": schemas.TEXT}, mark)
    return TEXTS[mark]


def _marked(value: Any, mark: str) -> str:
    """JSON whose white space tells where it was (STREAMED, LAST or WHOLE)."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(value, dict) or mark == WHOLE:
        return plain
    return "{ " + plain[1:] if mark == STREAMED else plain[:-1] + " }"


def source(item: Item) -> str:
    """Of an item that a client sends back: STREAMED, LAST or WHOLE, by what gives it away; empty if nothing does."""
    sealed, arguments, texts = item.get("encrypted_content"), item.get("arguments"), _texts(item)
    for mark in (STREAMED, LAST, WHOLE):
        if isinstance(sealed, str) and sealed.startswith(f"{ENCRYPTED}_{mark}_"):
            return mark
        if TEXTS[mark] in texts:
            return mark
    if isinstance(arguments, str) and str(item.get("call_id", "")).startswith(CALL_ID):
        return STREAMED if arguments.startswith("{ ") else LAST if arguments.endswith(" }") else ""
    return ""


def _texts(item: Item) -> list[str]:
    """What an assistant's message says."""
    content = item.get("content") if item.get("role") == "assistant" else None
    parts = content if isinstance(content, list) else [{"text": content}]
    return [part["text"].strip() for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]


def input_items(body: Item) -> list[Item]:
    items = body.get("input")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def tools(body: Item) -> Iterator[Item]:
    """The client's own tools, those inside namespaces and of a Lite request too (docs/backend.md, 3.4, 3.6)."""
    lists = [body.get("tools"), *(i.get("tools") for i in input_items(body) if i.get("type") == "additional_tools")]
    for each in lists:
        for tool in each if isinstance(each, list) else ():
            if not isinstance(tool, dict):
                continue
            if tool.get("type") == "namespace" and isinstance(tool.get("tools"), list):
                inner = (one for one in tool["tools"] if isinstance(one, dict))
                yield from ({**one, "namespace": tool.get("name")} for one in inner if _is_callable(one))
            elif _is_callable(tool):
                yield tool


def _is_callable(tool: Item) -> bool:
    return tool.get("type") in ("function", "custom") and isinstance(tool.get("name"), str)


def tool_to_call(body: Item) -> Item | None:
    """The tool that the answer calls; None: it says something. One round of calls, unless a call is required."""
    choice, found = body.get("tool_choice"), list(tools(body))
    mode: Any = choice
    if isinstance(choice, dict):
        named = choice.get("tools") if choice.get("type") == "allowed_tools" else [choice]
        names = [one.get("name") for one in named if isinstance(one, dict)] if isinstance(named, list) else []
        found = [tool for tool in found if tool["name"] in names]
        mode = choice.get("mode", "required")
    called = {
        item.get("name") for item in input_items(body) if item.get("type") in ("function_call", "custom_tool_call")
    }
    answered = any(item.get("type") in OUTPUTS for item in input_items(body))
    if mode == "none" or (answered and mode != "required"):
        return None
    fit = [tool for tool in found if rank(tool["name"]) is not None and tool["name"] not in called]
    return min(fit, key=lambda tool: rank(tool["name"]) or 0, default=None)


def rank(name: str) -> int | None:
    """A tool's rank for being called, by its name; None: never called."""
    words = [word.lower() for word in WORD.findall(name)]
    if words and words[0].startswith(READING):
        return 0
    if any(word.startswith(NEVER) for word in words):
        return None
    return 2 if any(word.startswith(ANYTHING) for word in words) else 1


def _item_events(item: Item, index: int) -> Iterator[Item]:
    at = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress"} if "status" in item else dict(item)
    inner: list[Item] = []
    match item["type"]:
        case "message":
            begun["content"] = []
            inner = _text_events(item["content"][0], {**at, "content_index": 0})
        case "function_call":
            begun["arguments"] = ""
            inner = _value_events("function_call_arguments", "arguments", item, at)
        case "custom_tool_call":
            begun["input"] = ""
            inner = _value_events("custom_tool_call_input", "input", item, at)
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    yield from inner
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text_events(part: Item, at: Item) -> list[Item]:
    text, half = part["text"], len(part["text"]) // 2
    return [
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        {"type": "response.output_text.delta", **at, "delta": text[:half], "logprobs": []},
        {"type": "response.output_text.delta", **at, "delta": text[half:], "logprobs": []},
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
    ]


def _value_events(name: str, key: str, item: Item, at: Item) -> list[Item]:
    return [
        {"type": f"response.{name}.delta", **at, "delta": item[key]},
        {"type": f"response.{name}.done", **at, "name": item["name"], key: item[key]},
    ]
