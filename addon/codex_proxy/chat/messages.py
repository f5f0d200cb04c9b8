"""Translate the messages of a chat completion to input items (docs/backend.md, 4); texts and images stay undecoded."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from .. import bounds, stored_files
from ..changes import Change, taken_off
from ..errors import ProxyError
from ..raw_json import ABSENT, LIST, OBJECT, Object, first, text, value
from . import parts as chat_parts
from .parts import there

Raws = list[msgspec.Raw]

# What a text becomes.
TEXT = {"user": "input_text", "developer": "input_text", "assistant": "output_text", "tool": "input_text"}

# In the Responses form already, as some clients mix them.
RESPONSES_PARTS = ("input_text", "input_image", "input_file", "output_text")

# By role the keys that are translated.
KEYS = {
    "user": ("content",),
    "developer": ("content",),
    "assistant": ("content", "refusal", "tool_calls", "function_call"),
    "tool": ("content", "tool_call_id"),
    "function": ("content", "name"),
}
ROLES = {"system": "developer", **{role: role for role in KEYS}}

# Why other keys of a message do not go up.
WHY = {
    "reasoning_content": "the model takes its reasoning back only encrypted; that of calls is put back from what passed here",
    "name": "a message of the Responses API has none",
}

# How much reasoning is restored in one request, in bytes.
PUT_BACK = 8 << 20


def no_reasoning(_: str) -> Raws:
    return []


@dataclass
class Messages:
    """Takes messages in their order; `items` are those of the Responses request.

    `reasoning_before` gives the encrypted reasoning that led to a call, by the call's id: the model goes on better with it.
    """

    reasoning_before: Callable[[str], Raws] = no_reasoning
    items: list[Any] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    _where: str = ""
    _ids: dict[str, str] = field(default_factory=dict)
    """The id of a call as the client has it → as it goes up, the last time; some clients use one again and again."""
    _waiting: dict[str, list[str]] = field(default_factory=dict)
    """The same, of calls without an output yet, in their order."""
    _used: set[str] = field(default_factory=set)
    _custom: set[str] = field(default_factory=set)
    _put_back: int = 0
    """Bytes of reasoning put back: some clients use one id for many calls, and each would have the reasoning of the last."""

    def add(self, raw: msgspec.Raw, place: int) -> None:
        """One message. Raises ProxyError 400 for what has no counterpart."""
        self._where = f"messages[{place}]"
        message = self._object(raw, self._where)
        role = ROLES.get(text(message.get("role", ABSENT)))
        if role is None:
            known = ", ".join(ROLES)
            raise self._wrong(f"has the role {shown(message.get('role', ABSENT))}; known are {known}", "role")
        if value(message.get("audio", ABSENT)):
            raise self._wrong("refers to spoken output, which this backend does not have", "audio")
        for key, plain in message.items():
            if key not in ("role", *KEYS[role]) and value(plain) not in (None, "", [], {}):
                why = WHY.get(key, "a key of the client's own")
                self.changes.append(taken_off(f"{key} of {role} message", why))
        if role == "assistant":
            self._assistant(message)
        elif role in ("tool", "function"):
            self._output(message, role)
        else:
            # Earlier calls get no answer any more.
            self._waiting.clear()
            self._said(role, self._parts(message, role))

    def _said(self, role: str, parts: list[Any]) -> None:
        self.items.append({"type": "message", "role": role, "content": parts})

    def _assistant(self, message: Object) -> None:
        parts = self._parts(message, "assistant")
        if text(message.get("refusal", ABSENT)):
            parts.append({"type": "refusal", "refusal": message["refusal"]})
        calls = [self._call(one) for one in self._list(message.get("tool_calls", ABSENT), "tool_calls")]
        if first(message.get("function_call", ABSENT)) == b"{":
            calls.append(self._function_call(message["function_call"]))
        # Reasoning before a call belongs before the message.
        for place, (client_id, call) in enumerate(calls):
            reasoning = self.reasoning_before(client_id) if self._put_back < PUT_BACK else []
            self._put_back += sum(memoryview(raw).nbytes for raw in reasoning)
            self.items += reasoning
            if place == 0 and parts:
                self._said("assistant", parts)
            self.items.append(call)
        if parts and not calls:
            self._said("assistant", parts)

    def _call(self, raw: msgspec.Raw) -> tuple[str, dict[str, Any]]:
        """A call and its id as the client has it."""
        call = self._object(raw, "tool_calls")
        client_id = text(call.get("id", ABSENT))
        call_id = self._new_id(client_id)
        if first(call.get("custom", ABSENT)) == b"{":
            inner = self._object(call["custom"], "tool_calls")
            self._custom.add(call_id)
            told = {"name": inner.get("name", ABSENT), "input": inner.get("input", ABSENT)}
            return client_id, {"type": "custom_tool_call", "call_id": call_id, **there(told)}
        if first(call.get("function", ABSENT)) != b"{":
            raise self._wrong("has a tool call that is neither a function's nor a custom tool's", "tool_calls")
        return client_id, self._function(call["function"], call_id)

    def _function_call(self, raw: msgspec.Raw) -> tuple[str, dict[str, Any]]:
        """The older form, whose calls have no ids: the function's name stands for one."""
        name = text(self._object(raw, "function_call").get("name", ABSENT))
        return "", self._function(raw, self._new_id(f"call_{name}"))

    def _function(self, raw: msgspec.Raw, call_id: str) -> dict[str, Any]:
        inner = self._object(raw, "tool_calls")
        told = {"name": inner.get("name", ABSENT), "arguments": inner.get("arguments", msgspec.Raw(b'""'))}
        return {"type": "function_call", "call_id": call_id, **there(told)}

    def _output(self, message: Object, role: str) -> None:
        named = message.get("tool_call_id", ABSENT)
        client_id = text(named) if role == "tool" else "call_" + text(message.get("name", ABSENT))
        waiting = self._waiting.get(client_id)
        call_id = waiting.pop(0) if waiting else self._ids.get(client_id, client_id)
        kind = "custom_tool_call_output" if call_id in self._custom else "function_call_output"
        content = message.get("content", ABSENT)
        output: Any = self._parts(message, "tool") if first(content) == b"[" else content
        if first(content) in (b"", b"n"):
            output = ""
        self.items.append({"type": kind, "call_id": call_id, "output": output})

    def _new_id(self, client_id: str) -> str:
        call_id = name = client_id or "call"
        number = len(self._used)
        while call_id in self._used:
            call_id = f"{name}_{number}"
            number += 1
        self._used.add(call_id)
        self._ids[client_id] = call_id
        self._waiting.setdefault(client_id, []).append(call_id)
        return call_id

    def _parts(self, message: Object, role: str) -> list[Any]:
        content = message.get("content", ABSENT)
        if first(content) == b'"':
            # An empty text beside calls does not count.
            return (
                [] if role == "assistant" and content == msgspec.Raw(b'""') else [{"type": TEXT[role], "text": content}]
            )
        if first(content) in (b"", b"n"):
            return []
        return [self._part(raw, role) for raw in self._list(content, "content")]

    def _part(self, raw: msgspec.Raw, role: str) -> Any:
        if first(raw) == b'"':
            return {"type": TEXT[role], "text": raw}
        part = self._object(raw, "content")
        kind = text(part.get("type", ABSENT))
        if kind in RESPONSES_PARTS:
            stored_files.without(part, self._where + ".content")
            return raw
        self._left_over(part, kind)
        if kind == "text":
            return {"type": TEXT[role], **there({"text": part.get("text", ABSENT)})}
        if kind == "refusal" and role == "assistant":
            return {"type": kind, **there({"refusal": part.get(kind, ABSENT)})}
        if flat := chat_parts.flat(part):
            return stored_files.without(flat, self._where + ".content")
        if kind in ("image_url", "file"):
            raise self._wrong("has the wrong form: an object is expected", "content")
        if kind == "input_audio":
            raise self._wrong(
                "contains audio (input_audio), which this backend does not accept: send its text", "content"
            )
        raise self._wrong(
            f"has a part of the type {shown(part.get('type', ABSENT))}, which can't be translated", "content"
        )

    def _left_over(self, part: Object, kind: str) -> None:
        for key, plain in part.items():
            if key not in chat_parts.TAKEN.get(kind, ("type", kind)) and first(plain) != b"n":
                self.changes.append(taken_off(f"{key} of content", "a part of the Responses API has no such key"))

    def _object(self, raw: msgspec.Raw, param: str) -> Object:
        if first(raw) != b"{":
            raise self._wrong("has the wrong form: an object is expected", param)
        found = OBJECT.decode(raw)
        if len(found) > bounds.FIELDS:
            bounds.check_count(f"keys in {self._where}", found, bounds.FIELDS)
        return found

    def _list(self, raw: msgspec.Raw, param: str) -> Raws:
        """The elements of a list, of which a message has a few."""
        if first(raw) in (b"", b"n"):
            return []
        if first(raw) != b"[":
            raise self._wrong("has the wrong form: a list is expected", param)
        found = LIST.decode(raw)
        bounds.check_count(f"elements in {self._where}.{param}", found, bounds.PARTS)
        return found

    def _wrong(self, what: str, param: str) -> ProxyError:
        where = self._where if param == self._where else f"{self._where}.{param}"
        return ProxyError("invalid_messages", f"{where} {what}.", extra={"param": where})


def shown(raw: msgspec.Raw) -> str:
    return bytes(memoryview(raw)[:60]).decode("utf-8", "replace") if first(raw) else "(none)"
