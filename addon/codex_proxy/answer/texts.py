"""The texts of an answer's items: what the events are called that bring them, and where they stand in the item."""

from typing import NamedTuple


class Text(NamedTuple):
    """`kind` is the item's type, `event` the events' name without its end, `key` the text's in the item and in the event that
    ends it. Of a text in a part: `part` is the part's type, `place` the event's key for its place, `parts` the item's for the list."""

    kind: str
    event: str
    key: str
    part: str = ""
    place: str = ""
    parts: str = ""


TEXTS = (
    Text("message", "response.output_text", "text", "output_text", "content_index", "content"),
    Text("message", "response.refusal", "refusal", "refusal", "content_index", "content"),
    Text("reasoning", "response.reasoning_summary_text", "text", "summary_text", "summary_index", "summary"),
    Text("reasoning", "response.reasoning_text", "text", "reasoning_text", "content_index", "content"),
    Text("function_call", "response.function_call_arguments", "arguments"),
    Text("custom_tool_call", "response.custom_tool_call_input", "input"),
)

BY_DELTA = {f"{text.event}.delta": text for text in TEXTS}
BY_DONE = {f"{text.event}.done": text for text in TEXTS}
BY_PART = {(text.parts, text.part): text for text in TEXTS if text.part}

# List of parts → its events, without their end.
PARTS = {"content": "response.content_part", "summary": "response.reasoning_summary_part"}
PART_EVENTS = {f"{event}.{end}": (parts, end) for parts, event in PARTS.items() for end in ("added", "done")}

# Calls, whose text is in no part.
CALLS = {text.kind: text for text in TEXTS if not text.part}
