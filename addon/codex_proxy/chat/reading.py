"""Read from a Responses answer what a chat completion needs: items, tokens, citations."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ..answer.events import UNREADABLE
from ..raw_json import first


class Part(msgspec.Struct):
    type: str = ""
    text: str = ""
    refusal: str = ""
    annotations: list[dict[str, Any]] | None = None


class Item(msgspec.Struct):
    """What is read of an item; an image in it stays undecoded."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    phase: Any = None
    arguments: str | None = None
    input: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None


class Response(msgspec.Struct):
    id: str | None = None
    created_at: float | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None
    output: list[msgspec.Raw] | None = None


def read(raw: msgspec.Raw) -> Item | None:
    try:
        return msgspec.json.decode(raw, type=Item) if first(raw) == b"{" else None
    except UNREADABLE:
        return None


def annotations(parts: Iterable[Part], begins_at: int) -> list[dict[str, Any]]:
    """The citations of a message, by their places in the whole text; chat completions have no other kinds."""
    found, at = [], begins_at
    for part in parts:
        for one in part.annotations or []:
            if one.get("type") == "url_citation":
                places = {key: one[key] + at for key in ("start_index", "end_index") if isinstance(one.get(key), int)}
                cited = {**places, "title": one.get("title") or "", "url": one.get("url") or ""}
                found.append({"type": "url_citation", "url_citation": cited})
        at += len(part.text)
    return found


def usage(told: dict[str, Any]) -> dict[str, Any]:
    """Tokens under the names that they have in a chat completion."""
    found: dict[str, Any] = {
        "prompt_tokens": told.get("input_tokens") or 0,
        "completion_tokens": told.get("output_tokens") or 0,
    }
    found["total_tokens"] = told.get("total_tokens") or sum(found.values())
    for chat, here in (
        ("prompt_tokens_details", "input_tokens_details"),
        ("completion_tokens_details", "output_tokens_details"),
    ):
        if isinstance(told.get(here), dict):
            found[chat] = told[here]
    return found
