"""The rules for the items of `input`: what the backend refuses in them is patched (docs/backend.md, 4)."""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from .. import bounds, call_pairs, stored_files
from ..changes import Change, put, taken_off
from ..memory import references
from ..raw_json import ABSENT, LIST, LIST_OR_NULL, OBJECT, Object, encoded, first, text
from . import pair_rules, part_rules
from .item_shape import Assessment, Shape, look

encode = msgspec.json.encode

# What an item's id has to begin with, and how long ids may be (docs/backend.md, 4; CLIP codex_input_ids.go, CLIP#4401).
ID_PREFIX = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
LONGEST_ID = 64

# Keys that SDKs add when they send an answer's items back, and the backend may refuse (docs/backend.md, 4, 13).
LEFT_OVER = {
    "message": ("status",),
    "reasoning": ("status",),
    "function_call": ("status", "parsed_arguments"),
    "function_call_output": ("status",),
    "custom_tool_call": ("status",),
    "custom_tool_call_output": ("status",),
}


# Marks for the prompt cache that other providers, and other models, have (docs/backend.md, 3.2, 4.2).
FOREIGN = ("cache_control", "prompt_cache_breakpoint")

# What a message in the form of a chat may have in place of content.
OTHER_CONTENT = ("tool_calls", "function_call", "refusal")

# Keys of items that the API knows, with a value or without (docs/backend.md, 4).
KNOWN_KEYS = frozenset(
    "type role id call_id name namespace arguments output input content summary encrypted_content status phase"
    " parsed_arguments internal_chat_message_metadata_passthrough".split()
)


def apply(
    body: Object, past: references.PastResponses | None = None, *, chained: bool = False
) -> tuple[list[Change], list[Assessment]]:
    """Patch the input of a decoded body; items without changes stay byte for byte. Returns the resulting items.
    Raises ProxyError 400 for a reference to an item that `past` does not know, and for more than the bounds allow.

    `chained`: it holds only what is new since a response, to whose calls its outputs belong.
    """
    try:
        items = LIST_OR_NULL.decode(body.get("input", b"null"))
    except msgspec.MsgspecError:
        return [], []  # not a list: the backend refuses it
    bounds.check_count("items in `input`", items or (), bounds.ITEMS)
    changes: list[Change] = []
    looked = _dereferenced([(raw, look(raw)) for raw in items or []], past, changes)
    kept = [(raw, shape) for raw, shape in looked if not _dropped(shape, changes)]
    kept = pair_rules.put_right(_with_something(kept, changes), changes, chained=chained)
    if chained and past:
        before = past.conversation(text(body.get("previous_response_id", ABSENT)))
        kept = pair_rules.left_open(before or (), kept, changes)
    fixed = []
    for raw, shape in kept:
        fixed.append((_fixed(raw, shape, changes), shape))
        if len(changes) > bounds.CHANGES:
            bounds.check_count("corrections in `input`", changes, bounds.CHANGES)
    if changes:
        body["input"] = encoded([raw for raw, _ in fixed])
    return changes, fixed


def without_encrypted_reasoning(data: bytes) -> bytes | None:
    """The body without reasoning items that carry encrypted content; None if there are none."""
    body = OBJECT.decode(data)
    items = LIST.decode(body.get("input", b"[]"))
    kept = [raw for raw in items if not ((shape := look(raw)) and shape.kind == "reasoning" and shape.is_encrypted)]
    if len(kept) == len(items):
        return None
    body["input"] = encoded(kept)
    return encode(body)


def _dereferenced(
    items: list[Assessment], past: references.PastResponses | None, changes: list[Change]
) -> list[Assessment]:
    """The items with references replaced by the items they name."""
    if not any(shape and shape.kind == "item_reference" for _, shape in items):
        return items
    there: set[str] = set()
    kept = []
    for raw, shape in items:
        if shape and shape.kind == "item_reference":
            if shape.id in there:
                changes.append(taken_off("second item_reference", "the input already has this item"))
                continue
            raw = references.item(shape.id or "", past)
            changes.append(put("item_reference", "replaced by its item", references.WHY))
            shape = look(raw)
        if shape and shape.id:
            there.add(shape.id)
        kept.append((raw, shape))
    return kept


def _dropped(shape: Shape | None, changes: list[Change]) -> bool:
    """Reasoning items without encrypted content: they point at server state that the backend does not keep."""
    if shape is None:
        return False
    if shape.kind == "reasoning" and not shape.is_encrypted:
        changes.append(taken_off("reasoning item", "it has no encrypted content, so it holds nothing for the model"))
        return True
    return False


def _with_something(items: list[Assessment], changes: list[Change]) -> list[Assessment]:
    """Without messages that have nothing in them; where there is nothing else, a user's stays."""
    kept = [each for each in items if not _is_empty(each[1])]
    if not kept:
        kept = [each for each in items if each[1] and _is_text_of_a_user(each[1])][-1:]
    changes += [taken_off("empty message", "the backend may refuse a message without content")] * (
        len(items) - len(kept)
    )
    return kept


def _is_empty(shape: Shape | None) -> bool:
    if shape is None or shape.kind != "message" or not part_rules.is_empty(shape.raw("content")):
        return False
    return all(first(shape.raw(key)) in (b"", b"n") for key in OTHER_CONTENT)


def _is_text_of_a_user(shape: Shape) -> bool:
    return shape.role != "assistant" and first(shape.raw("content")) in (b'"', b"[")


def _fixed(raw: msgspec.Raw, shape: Shape | None, changes: list[Change]) -> msgspec.Raw:
    if shape is None:
        return raw
    edits = [edit for rule in RULES if (edit := rule(shape, changes))]
    edits += [{key: DELETE} for key in _unknown_nulls(shape, changes)]
    if not edits:
        return raw
    item = dict(shape.values)
    for edit in edits:
        for key, new in edit.items():
            if new is DELETE:
                item.pop(key, None)
            else:
                item[key] = encoded(new)
    return encoded(item)


def _unknown_nulls(shape: Shape, changes: list[Change]) -> list[str]:
    """Keys without a value that SDKs write for fields of their own (`"async_": null`); an unknown key is refused."""
    if shape.kind not in LEFT_OVER:
        return []
    keys = [key for key in sorted(shape.values.keys() - KNOWN_KEYS) if first(shape.values[key]) == b"n"]
    for key in keys:
        changes.append(taken_off(f"{key} of {shape.kind}", "an empty key that the backend does not know"))
    return keys


# Where the API has JSON in a string, and which of them may be lists of parts.
JSON_TEXTS = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "function_call_output": "output",
    "custom_tool_call_output": "output",
}
MAY_BE_PARTS = ("function_call_output", "custom_tool_call_output")

DELETE = object()
Edit = dict[str, Any]


def system_role(shape: Shape, changes: list[Change]) -> Edit | None:
    if shape.kind != "message" or shape.role != "system":
        return None
    changes.append(put("input", "system → developer", 'the backend answers 400 "System messages are not allowed"'))
    return {"role": "developer"}


def id_form(shape: Shape, changes: list[Change]) -> Edit | None:
    prefix = ID_PREFIX.get(shape.kind)
    if shape.id is None or (len(shape.id) <= LONGEST_ID and (prefix is None or shape.id.startswith(prefix))):
        return None
    if "id" in call_pairs.names(shape.kind):
        return None
    why = (
        f"ids have at most {LONGEST_ID} characters" if len(shape.id) > LONGEST_ID else f"it has to begin with {prefix}"
    )
    changes.append(taken_off(f"id of {shape.kind}", why))
    return {"id": DELETE}


def call_id_length(shape: Shape, changes: list[Change]) -> Edit | None:
    edit = {}
    for key in call_pairs.names(shape.kind) or ("call_id",):
        name = shape.text(key)
        if len(name) > LONGEST_ID:
            changes.append(put(key, "shortened", f"it may have at most {LONGEST_ID} characters"))
            # The same long id becomes the same short one, so that call and output still belong together.
            edit[key] = "call_" + hashlib.sha256(name.encode()).hexdigest()[:40]
    return edit or None


def left_over_keys(shape: Shape, changes: list[Change]) -> Edit | None:
    keys = [key for key in LEFT_OVER.get(shape.kind, ()) if key in shape.values]
    for key in keys:
        changes.append(taken_off(f"{key} of {shape.kind}", "a key of responses, not of requests"))
    return dict.fromkeys(keys, DELETE)


def reasoning_summary(shape: Shape, changes: list[Change]) -> Edit | None:
    if shape.kind != "reasoning" or "summary" in shape.values:
        return None
    changes.append(put("reasoning item", "given an empty summary", "the backend requires one"))
    return {"summary": []}


def as_text(shape: Shape, changes: list[Change]) -> Edit | None:
    """Arguments and outputs that are JSON values where the API has JSON in a string."""
    key = JSON_TEXTS.get(shape.kind, "")
    raw, may_be_parts = shape.raw(key), shape.kind in MAY_BE_PARTS
    if may_be_parts and not first(raw):
        changes.append(put(f"output of {shape.kind}", "set to empty", "the backend requires one"))
        return {"output": ""}
    if first(raw) in (b"", b'"') or (may_be_parts and first(raw) == b"[" and part_rules.are_parts(raw)):
        return None
    changes.append(put(f"{key} of {shape.kind}", "made a text", "the backend expects a string there"))
    return {key: bytes(raw).decode()}


def part_types(shape: Shape, changes: list[Change]) -> Edit | None:
    if shape.kind == "message":
        parts = part_rules.put_right(shape.role or "", shape.raw("content"), changes)
        return None if parts is None else {"content": parts}
    if shape.kind in MAY_BE_PARTS and part_rules.are_parts(shape.raw("output")):
        parts = part_rules.put_output_right(shape.kind, shape.raw("output"), changes)
        return None if parts is None else {"output": parts}
    return None


def screenshot(shape: Shape, changes: list[Change]) -> Edit | None:
    if shape.kind != "computer_call_output" or first(shape.raw("output")) != b"{":
        return None
    shown = OBJECT.decode(shape.raw("output"))
    whole = stored_files.without(shown, "input")
    if whole is shown:
        return None
    changes.append(taken_off("file_id of computer_call_output", "no files are stored behind this backend"))
    return {"output": whole}


def foreign_keys(shape: Shape, changes: list[Change]) -> Edit | None:
    keys = [key for key in FOREIGN if key in shape.values]
    for key in keys:
        changes.append(taken_off(f"{key} of {shape.kind}", "it is meant for another provider's prompt cache"))
    return dict.fromkeys(keys, DELETE)


RULES: tuple[Callable[[Shape, list[Change]], Edit | None], ...] = (
    system_role,
    id_form,
    call_id_length,
    left_over_keys,
    reasoning_summary,
    as_text,
    part_types,
    screenshot,
    foreign_keys,
)
