"""Send the lines of `instructions` in the order that the conversation began with: clients such as nanobot write a list in them in another
order each time (docs/backend.md, 13), and the backend's cache serves only what is the same from its first byte on.

Each byte that goes up is of the request itself: of earlier ones nothing but an order of its own lines is known. A request goes on
with an earlier one where its input begins with all that the earlier one had and continues with something of the model's; one that only
asks the same is another conversation, whose order may be meant. Where two conversations are alike so far and differ in their order,
the client's stays.
"""

import hashlib
from collections.abc import Sequence

from ..changes import Change, put
from ..memory.line_orders import LINES, LineOrders, order, ordered
from ..raw_json import ABSENT, Object, encoded, first, value
from .item_shape import Assessment, Shape

# Instructions up to this size are looked at line by line, in bytes of JSON.
LONGEST = 1 << 20


def lines_of(body: Object) -> list[str] | None:
    """The lines of a body's instructions; None if they are no text, or a text of too many lines."""
    raw = body.get("instructions", ABSENT)
    if first(raw) != b'"' or memoryview(raw).nbytes > LONGEST:
        return None
    text: str = value(raw)
    return text.split("\n") if text.count("\n") < LINES else None


def apply(body: Object, items: Sequence[Assessment], key: str, known: LineOrders) -> list[Change]:
    """Put the lines in order, and remember it. `items` are those of the input; `key` is what `cache_key.derived` gives, which is the same
    for each order of the same lines."""
    lines = lines_of(body)
    if lines is None or len(lines) < 2:
        return []
    asked = _asked(items, key)
    earlier = [asked[n] for n in range(len(items) - 1, 0, -1) if is_of_the_model(items[n][1])]
    own = order(lines)
    before = known.first_seen(earlier)
    known.remember(asked[-1], before or own)
    if before is None or (settled := ordered(lines, before)) == lines:
        return []
    body["instructions"] = encoded("\n".join(settled))
    why = "the client wrote the same lines in another order before; the prompt cache serves what stays the same"
    return [put("instructions", "lines in the order first seen", why)]


def is_of_the_model(item: Shape | None) -> bool:
    """Did an answer bring it? Only what the client may have got from the model leads on from an earlier request."""
    return item is not None and (
        (item.kind == "message" and item.role == "assistant") or item.kind == "reasoning" or item.kind.endswith("_call")
    )


def _asked(items: Sequence[Assessment], key: str) -> list[bytes]:
    """A digest of the conversation in front of each item, and of all of it."""
    digest = hashlib.blake2b(key.encode(), digest_size=16)
    found = [digest.digest()]
    for raw, _ in items:
        view = memoryview(raw)
        digest.update(view.nbytes.to_bytes(8))
        digest.update(view)
        found.append(digest.digest())
    return found
