"""An answer as readable text: errors, items, tokens."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..answer.events import Response, decoded
from .items import LEAST, ROOM, annotations, chat_items, item_text
from .layout import FULL, bounded, clip, count, indented, prose, size
from .shortened import line, objects, pretty
from .transcript import MOST_ITEMS, Transcript

# Names of token counts in both APIs → their labels, and those of their details.
USAGE: tuple[tuple[tuple[str, ...], str, dict[str, str]], ...] = (
    (
        ("input_tokens", "prompt_tokens"),
        "in",
        {"cached_tokens": "cached", "cache_write_tokens": "written to the cache"},
    ),
    (("output_tokens", "completion_tokens"), "out", {"reasoning_tokens": "reasoning"}),
    (("total_tokens",), "in all", {}),
)

# Token counts that are shown even if they are 0.
ALWAYS = ("cached", "reasoning")


def object_text(data: bytes) -> str:
    """An answer that is one JSON object: a response, or a chat completion. Raises ValueError for anything else."""
    body = decoded(msgspec.Raw(data))
    output, choices = (body.get("output"), body.get("choices")) if isinstance(body, dict) else (None, None)
    if not isinstance(output, list) and not isinstance(choices, list):
        raise ValueError("no answer")
    known = ("model", "status", "usage", "error", "incomplete_details")
    told: dict[str, Any] = {name: body.get(name) for name in known}
    transcript = Transcript()
    transcript.take(Response(**told))
    items = output if isinstance(output, list) else chat_items([one.get("message") for one in objects(choices)])
    status = transcript.status or line(next((one.get("finish_reason") for one in objects(choices)), None) or "", 40)
    head = " · ".join(part for part in (transcript.model, status, count(len(items), "item"), size(len(data))) if part)
    return bounded([f"# {line(head)}", *sections(transcript, items), "raw JSON:\n" + indented(pretty(body))])


def sections(transcript: Transcript, items: Sequence[Any]) -> list[str]:
    """Errors, then the answer's items, then the tokens it took."""
    told = [prose("error", error) for error in transcript.errors]
    more = "# … more items …" if len(items) > MOST_ITEMS else ""
    return [*told, *answer_items(items[:MOST_ITEMS]), more, usage_text(transcript.usage)]


def answer_items(values: Sequence[Any]) -> list[str]:
    """The items of an answer; of the first ones the most is shown."""
    shown, room = [], ROOM
    for value in values:
        limit = max(LEAST, min(FULL, room // 2))
        text = answer_item(value, limit)
        room = max(0, room - len(text))
        shown.append(text)
    return shown


def answer_item(item: Any, limit: int) -> str:
    """A message by what it says, `text` or `refusal`; any other item as in a conversation."""
    if not isinstance(item, dict) or item.get("type") != "message":
        return item_text(item, limit)
    phase = str(item.get("phase") or "")
    blocks = []
    for part in objects(item.get("content"))[:50]:
        if part.get("type") == "refusal":
            blocks.append(prose("refusal", clip(str(part.get("refusal") or ""), limit)))
        else:
            text = str(part.get("text") or "")
            blocks.append(prose("text", clip(text, limit) + annotations(part.get("annotations")), phase))
    return "\n".join(blocks) or item_text({**item, "role": "text"}, limit)


def usage_text(usage: Mapping[str, Any]) -> str:
    """`tokens: 1,234 in (1,024 cached), 56 out (12 reasoning), 1,290 in all`."""
    parts = []
    for names, what, details in USAGE:
        name = next((name for name in names if isinstance(usage.get(name), int)), None)
        if name is None:
            continue
        inside = usage.get(f"{name}_details")
        numbers = {word: inside.get(key) for key, word in details.items()} if isinstance(inside, dict) else {}
        told = ", ".join(f"{n:,} {word}" for word, n in numbers.items() if isinstance(n, int) and (n or word in ALWAYS))
        parts.append(f"{usage[name]:,} {what}" + (f" ({told})" if told else ""))
    return "tokens: " + ", ".join(parts) if parts else ""
