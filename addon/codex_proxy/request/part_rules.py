"""The rules for the parts of a message: what the backend refuses in them is patched (docs/backend.md, 4)."""

import msgspec

from .. import bounds
from ..changes import Change, put, taken_off
from ..raw_json import ABSENT, LIST, OBJECT, encoded, first

# Part types by role: an assistant's texts are outputs, all others inputs (docs/backend.md, 4; P-OH).
TEXT_PART = {"assistant": "output_text", "user": "input_text", "developer": "input_text", "system": "input_text"}
OTHER_TEXT_PARTS = {"assistant": ("input_text", "text"), "user": ("output_text", "text")}


class Part(msgspec.Struct):
    """What a rule may be about in a part of a message; texts and images are not decoded."""

    type: str = ""
    parsed: msgspec.Raw = ABSENT


PARTS = msgspec.json.Decoder(list[Part])


def put_right(role: str, content: msgspec.Raw, changes: list[Change]) -> list[msgspec.Raw] | None:
    """The parts that a message's content is to have; None if nothing has to be changed."""
    if first(content) != b"[":
        return None
    wrong = OTHER_TEXT_PARTS["assistant" if role == "assistant" else "user"]
    try:
        looked = PARTS.decode(content)
        bounds.check_count("parts in a message", looked, bounds.PARTS)
    except msgspec.MsgspecError:
        return None  # parts of an unknown form: the backend decides
    if not any(part.type in wrong or first(part.parsed) for part in looked):
        return None
    parts = LIST.decode(content)
    right = TEXT_PART.get(role, "input_text")
    for index, was in enumerate(looked):
        if was.type not in wrong and not first(was.parsed):
            continue
        part = OBJECT.decode(parts[index])
        if was.type in wrong:
            changes.append(
                put(
                    f"content of {role or None}",
                    f"{was.type} → {right}",
                    "the backend accepts no other text type there",
                )
            )
            part["type"] = encoded(right)
        if first(was.parsed):
            changes.append(taken_off("parsed of content", "a key of the SDK's own"))
            del part["parsed"]
        parts[index] = encoded(part)
    return parts
