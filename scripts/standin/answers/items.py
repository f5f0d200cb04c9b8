"""The output items of an answer, and how their text is split into deltas."""

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..rules.body import ENCRYPTED
from ..wire.replies import dumps
from ..world.schema import example
from ..world.vault import USUAL_SIZE, Vault
from . import asked

type Item = dict[str, Any]
type Pieces = Callable[[bytes], Iterable[bytes]]

THOUGHT = "**Thinking** it over: what is asked, and what is there to answer it with."
PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "compaction": "cmp",
    "web_search_call": "ws",
    "image_generation_call": "ig",
}


@dataclass(frozen=True)
class AnswerContent:
    """What the next answers say; the default decides by the request."""

    text: str | None = None
    items: Sequence[Item] | None = None
    reasoning: bool = True
    tool: tuple[str, dict[str, Any] | str] | None = None
    """Name, and arguments, or the text that a custom tool gets."""
    deltas: int | Sequence[str] | None = None
    pieces: Pieces | None = None


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"


def output_items(body: dict[str, Any], says: AnswerContent, vault: Vault, account: str, huge: int = 0) -> list[Item]:
    """The items of the answer. `huge`: something in them has at least this many characters."""
    if says.items is not None:
        return [_completed(item) for item in says.items]
    if body["input"] and body["input"][-1].get("type") == "compaction_trigger":
        return [compaction(vault, account)]
    items = []
    sealed = ENCRYPTED in (body.get("include") or ())
    settings = body.get("reasoning") or {}
    if says.reasoning and settings.get("effort") != "none":
        items.append(_reasoning(settings, vault, account, (huge or USUAL_SIZE) if sealed else 0))
    long_text = "" if items and sealed else "x" * huge
    items.extend(_spoken(body, says, long_text))
    return items


def compaction(vault: Vault, account: str) -> Item:
    """What a history becomes when it is compacted (docs/backend.md, 1.1)."""
    item_id = new_id("cmp")
    return {"id": item_id, "type": "compaction", "encrypted_content": vault.seal(account, item_id)}


def _spoken(body: dict[str, Any], says: AnswerContent, long_text: str) -> list[Item]:
    """Message, call or both."""
    if says.text is not None or says.tool is not None:
        message = [_message(says.text + long_text)] if says.text is not None else []
        return [*message, *([_call(*says.tool)] if says.tool else [])]
    user = asked.last_user_text(body["input"])
    form = (body.get("text") or {}).get("format") or {}
    if tool := asked.tool_to_call(body):
        return [_call(tool["name"], example(tool.get("parameters") or {"type": "object"}, user))]
    if form.get("type") == "json_schema":
        return [_message(dumps(example(form["schema"], user)).decode())]
    if form.get("type") == "json_object":
        return [_message(dumps({"answer": user}).decode())]
    output = asked.tool_output(body["input"])
    text = f"The tool says: {output}" if output is not None else f"You said: {user}"
    return [_message(f"{text} — ünverändert, 完, 🌦️.{long_text}")]


def _completed(item: Item) -> Item:
    """An item given by hand, with an id of its own if it has none."""
    return {"id": new_id(PREFIXES.get(item["type"], "item")), **item}


def _message(text: str) -> Item:
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text}
    head = {"id": new_id("msg"), "type": "message", "status": "completed", "role": "assistant"}
    return {**head, "phase": "final_answer", "content": [part]}


def _call(name: str, arguments: dict[str, Any] | str) -> Item:
    call = {"call_id": f"call_{secrets.token_hex(12)}", "name": name}
    if isinstance(arguments, str):
        head = {"id": new_id("ctc"), "type": "custom_tool_call", "status": "completed"}
        return {**head, "input": arguments, **call}
    head = {"id": new_id("fc"), "type": "function_call", "status": "completed"}
    return {**head, "arguments": dumps(arguments).decode(), **call}


def _reasoning(settings: dict[str, Any], vault: Vault, account: str, size: int) -> Item:
    """Encrypted content and a summary are there only if the request asks for them."""
    item_id = new_id("rs")
    summary = [{"type": "summary_text", "text": THOUGHT}] if settings.get("summary") else []
    item: Item = {"id": item_id, "type": "reasoning", "summary": summary}
    return {**item, "encrypted_content": vault.seal(account, item_id, size)} if size else item


def cut(text: str, deltas: int | Sequence[str] | None) -> list[str]:
    """A text as its deltas: one per word, or this many, or those given."""
    if deltas is None:
        return re.findall(r"\s*\S+|\s+$", text)
    if isinstance(deltas, int):
        size = max(1, -(-len(text) // deltas))
        return [text[start : start + size] for start in range(0, len(text), size)]
    return list(deltas)
