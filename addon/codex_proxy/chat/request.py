"""Translate a chat completion to a Responses request, field by field.

The backend has only the Responses API (docs/backend.md, 1.1); the rules for its requests run after this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from .. import bounds
from ..changes import Change, put, taken_off
from ..errors import ProxyError
from ..raw_json import ABSENT, LIST, Object, encoded, first, text, value
from . import messages as chat_messages
from . import tools as chat_tools

# Fields with a place of their own in the Responses API; what stands nowhere here goes on under its own name.
MOVED = {
    "messages": "`input` and `instructions`",
    "tools": "`tools` in their flat form",
    "tool_choice": "`tool_choice` in its flat form",
    "functions": "`tools`",
    "function_call": "`tool_choice`",
    "web_search_options": "the tool web_search",
    "response_format": "`text.format`",
    "verbosity": "`text.verbosity`",
    "reasoning_effort": "`reasoning.effort`",
    "stream_options": "the usage at the end of the stream, which the proxy adds",
    "stop": "the end of the answer, which the proxy finds itself",
}

# Removed: they do not change what is requested, or only shade it.
WITHOUT = {
    "modalities": "answers are text only",
    "audio": "answers are text only",
    "n": "there is only one answer",
    "seed": "the backend does not have it; OpenAI guarantees nothing by it",
    "prediction": "it only saves time, and the backend does not have it",
    "logprobs": "the backend does not provide it, and the answer is the same without it",
    "logit_bias": "the backend does not have it; it only shades an answer",
}

# Refused, because without them the answer would be another than the one asked for: by which values, and what to do instead.
MEANINGFUL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n": (lambda n: n not in (None, 1), "there is one answer for each request: send several requests"),
    "modalities": (
        lambda kinds: isinstance(kinds, list) and "audio" in kinds,
        "answers are text only: leave audio out",
    ),
}

TRANSLATED = Change(
    "messages",
    "translated into a Responses request",
    "the backend has no chat completions",
    "chat completion translated",
)


@dataclass(frozen=True)
class Chat:
    """What the answer has to be like: with its usage at the end of a stream; ended by a text of the client's; in the older
    form, with `function_call` instead of `tool_calls`; nothing but JSON, which the client is going to parse."""

    usage: bool = False
    stop: tuple[str, ...] = ()
    functions: bool = False
    json: bool = False


def translate(body: Object, reasoning_before: Callable[[str], list[msgspec.Raw]]) -> tuple[Object, Chat, list[Change]]:
    """The Responses request for a decoded chat body, how it is to be answered, and what was done. Raises ProxyError 400."""
    _refuse(body)
    fixed = {name: raw for name, raw in body.items() if name not in MOVED}
    changes = [TRANSLATED]
    for name in WITHOUT:
        if value(fixed.pop(name, ABSENT)) is not None:
            changes.append(taken_off(name, WITHOUT[name]))
    _conversation(body, fixed, reasoning_before, changes)
    tools = chat_tools.tools(body, changes)
    if tools is not None:
        fixed["tools"] = encoded(tools)
    chosen = chat_tools.choice(body)
    if chosen is not None:
        fixed["tool_choice"] = encoded(chosen)
    functions = _is_there(body, "functions") and not _is_there(body, "tools")
    if functions:
        # In the older form there is room for one call.
        fixed["parallel_tool_calls"] = msgspec.Raw(b"false")
    form = _format(body)
    _inside(fixed, "text", {"format": form, "verbosity": value(body.get("verbosity", ABSENT))})
    _inside(fixed, "reasoning", {"effort": value(body.get("reasoning_effort", ABSENT))})
    if value(fixed.pop("store", ABSENT)) is True:
        changes.append(taken_off("store", "the backend stores nothing"))
    # Chat clients expect nothing to be stored, and refer to nothing.
    fixed["store"] = msgspec.Raw(b"false")
    stop = _stop(body)
    if stop:
        changes.append(put("stop", "honoured by the proxy", "the backend does not have it: the proxy ends the answer"))
    options = value(body.get("stream_options", ABSENT))
    usage = isinstance(options, dict) and options.get("include_usage") is True
    json = isinstance(form, dict) and form.get("type") in ("json_object", "json_schema")
    return fixed, Chat(usage, stop, functions, json), changes


def _refuse(body: Object) -> None:
    for name, (is_meant, instead) in MEANINGFUL.items():
        if name in body and is_meant(value(body[name])):
            told = bytes(memoryview(body[name])[:60]).decode("utf-8", "replace")
            raise ProxyError("not_supported", f"`{name}` can't be {told} here: {instead}.", extra={"param": name})


def _conversation(
    body: Object, fixed: Object, reasoning_before: Callable[[str], list[msgspec.Raw]], changes: list[Change]
) -> None:
    """`messages` → `input`, and what a system message at the beginning says → `instructions`."""
    try:
        messages = LIST.decode(body.get("messages", b"null"))
    except msgspec.ValidationError:
        messages = []
    if not messages:
        where = "; with `input`, POST it to /responses" if "input" in body else ""
        raise ProxyError(
            "invalid_messages", f"`messages` has to be a list with at least one message{where}.",
            extra={"param": "messages"},
        )  # fmt: skip
    bounds.check_count("messages", messages, bounds.ITEMS)
    taken = chat_messages.Messages(reasoning_before)
    for place, raw in enumerate(messages):
        taken.add(raw, place)
        # One message may become many items.
        bounds.check_count("items in `messages`", taken.items, bounds.ITEMS)
        bounds.check_count("keys in `messages` that are not known", taken.changes, bounds.CHANGES)
    items = taken.items
    lead = 0 if _is_there(fixed, "instructions") or _wants_json(body) else _leading(items)
    if lead:
        fixed["instructions"] = _joined([part["text"] for item in items[:lead] for part in item["content"]])
    fixed["input"] = encoded(items[lead:])
    changes += taken.changes


def _wants_json(body: Object) -> bool:
    """The word "json", which this format asks for, is looked for in the input alone."""
    form = value(body.get("response_format", ABSENT))
    return isinstance(form, dict) and form.get("type") == "json_object"


def _leading(items: list[Any]) -> int:
    """How many items at the beginning are plain instructions; some other item has to be left."""
    number = 0
    for item in items[:-1]:
        if not isinstance(item, dict) or item.get("role") != "developer":
            break
        if not all(
            isinstance(part, dict) and part["type"] == "input_text" and "text" in part for part in item["content"]
        ):
            break
        number += 1
    return number


def _joined(texts: list[msgspec.Raw]) -> msgspec.Raw:
    return texts[0] if len(texts) == 1 else encoded("\n\n".join(text(raw) for raw in texts))


def _format(body: Object) -> Any:
    form = value(body.get("response_format", ABSENT))
    if not isinstance(form, dict) or form.get("type") != "json_schema" or not isinstance(form.get("json_schema"), dict):
        return form
    return {"type": "json_schema", **{key: each for key, each in form["json_schema"].items() if each is not None}}


def _inside(fixed: Object, name: str, values: dict[str, Any]) -> None:
    """Put values into an object of the body's, where there are any; those the client has there stay."""
    said = {key: each for key, each in values.items() if each is not None}
    there = value(fixed.get(name, ABSENT))
    if said:
        fixed[name] = encoded({**said, **there} if isinstance(there, dict) else said)


def _stop(body: Object) -> tuple[str, ...]:
    said = value(body.get("stop", ABSENT))
    texts = [said] if isinstance(said, str) else said or []
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        raise ProxyError("not_supported", "`stop` has to be a string or a list of strings.", extra={"param": "stop"})
    bounds.check_count("texts in `stop`", texts, bounds.STOPS)
    bounds.check_count("characters in a text of `stop`", max(map(len, texts), default=0), bounds.LONGEST_STOP)
    return tuple(one for one in texts if one)


def _is_there(body: Object, name: str) -> bool:
    return first(body.get(name, ABSENT)) not in (b"", b"n")
