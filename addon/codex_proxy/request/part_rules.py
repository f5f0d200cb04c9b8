"""The rules for the parts of messages and of tools' outputs: what the backend refuses in them is patched (docs/backend.md, 4, 4.2)."""

import msgspec

from .. import bounds, stored_files
from ..changes import Change, put, taken_off
from ..chat import parts as chat_parts
from ..raw_json import ABSENT, LIST, OBJECT, Object, encoded, first, text

# The types of a text, of which an assistant's messages have one and all else another (docs/backend.md, 4; P-OH).
TEXTS = ("input_text", "output_text", "text")

# The keys that a part may have (docs/backend.md, 4.2).
KEYS = {
    "input_text": frozenset({"type", "text"}),
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
    "input_image": frozenset({"type", "image_url", "detail", "file_id"}),
    "input_file": frozenset({"type", "file_data", "file_id", "file_url", "filename", "detail"}),
}

# Longer lists are not looked through for a text, in bytes.
EMPTY_AT_MOST = 4096

WHY = "the backend refuses a key that a part does not have"

PARTS = msgspec.json.Decoder(list[Object])


def put_right(role: str, content: msgspec.Raw, changes: list[Change]) -> list[msgspec.Raw] | None:
    """The parts that a message's content is to have; None if nothing has to be changed. Raises ProxyError 400 for a stored file."""
    right = "output_text" if role == "assistant" else "input_text"
    return _put_right(f"content of {role or None}", right, content, changes)


def put_output_right(kind: str, output: msgspec.Raw, changes: list[Change]) -> list[msgspec.Raw] | None:
    """The same of a tool's output."""
    return _put_right(f"output of {kind}", "input_text", output, changes)


def _put_right(where: str, right: str, content: msgspec.Raw, changes: list[Change]) -> list[msgspec.Raw] | None:
    parts = decoded(content)
    if parts is None:
        return None
    bounds.check_count("parts in a message", parts, bounds.PARTS)
    fixed = [_fixed(where, right, part, changes) for part in parts]
    if all(new is was for new, was in zip(fixed, parts, strict=True)):
        return None
    raws = LIST.decode(content)
    return [raw if new is was else encoded(new) for raw, new, was in zip(raws, fixed, parts, strict=True)]


def decoded(content: msgspec.Raw) -> list[Object] | None:
    """The parts of a list; None for anything else: the backend decides."""
    if first(content) != b"[":
        return None
    try:
        return PARTS.decode(content)
    except msgspec.MsgspecError:
        return None


def are_parts(content: msgspec.Raw) -> bool:
    """Is it a list of parts, whatever their types?"""
    parts = decoded(content)
    return parts is not None and all(text(part.get("type", ABSENT)) for part in parts)


def is_empty(content: msgspec.Raw) -> bool:
    """Has a message nothing in it: no content, no text, or parts that are all empty texts?"""
    if first(content) != b"[":
        return bytes(memoryview(content)[:2]) == b'""' or first(content) in (b"", b"n")
    if memoryview(content).nbytes > EMPTY_AT_MOST:
        return False
    parts = decoded(content)
    return parts is not None and all(_is_empty(part) for part in parts)


def _is_empty(part: Object) -> bool:
    kind = text(part.get("type", ABSENT))
    key = "text" if kind in TEXTS else kind
    return key in ("text", "refusal") and bytes(memoryview(part.get(key, ABSENT))[:2]) in (b"", b"nu", b'""')


def _fixed(where: str, right: str, was: Object, changes: list[Change]) -> Object:
    part = was
    kind, place = text(part.get("type", ABSENT)), where.partition(" ")[0]
    if kind in TEXTS and kind != right:
        changes.append(put(where, f"{kind} → {right}", "the backend accepts no other text type there"))
        part = {**part, "type": encoded(right)}
    elif right == "input_text" and kind in chat_parts.TAKEN and (flat := chat_parts.flat(part)):
        changes.append(put(where, f"{kind} → {text(flat['type'])}", "its form in the Responses API"))
        changes += [taken_off(f"{key} of {place}", WHY) for key in part if key not in chat_parts.TAKEN[kind]]
        part = flat
    elif kind == "input_image" and first(part.get("image_url", ABSENT)) == b"{":
        changes.append(put(where, "image_url flattened", "the Responses API has the address itself there"))
        inner = OBJECT.decode(part["image_url"])
        told = {"image_url": inner.get("url", ABSENT), "detail": part.get("detail", inner.get("detail", ABSENT))}
        part = {**{key: raw for key, raw in part.items() if key not in told}, **chat_parts.there(told)}
    if "file_id" in part and (whole := stored_files.without(part, "input")) is not part:
        why = "no files are stored behind this backend, and the part has the file itself"
        changes.append(taken_off(f"file_id of {where}", why))
        part = whole
    known = KEYS.get(kind if part is was else text(part.get("type", ABSENT)))
    if known is None or known.issuperset(part):
        return part
    extra = [key for key in part if key not in known]
    changes += [taken_off(f"{key} of {place}", WHY) for key in extra]
    return {key: raw for key, raw in part.items() if key not in extra}
