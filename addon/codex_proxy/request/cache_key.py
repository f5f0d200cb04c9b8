"""The key for the backend's prompt cache: `prompt_cache_key` and the session header (docs/backend.md, 2, 3.2).

A client that sends neither gets one derived from what stays the same from turn to turn. Two conversations that agree in all of
that share a key: that can only cost cache hits, never mix content.
"""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from ..changes import Change, put
from ..memory.line_orders import LineOrders
from ..raw_json import ABSENT, Object, encoded, value
from . import line_order
from .item_shape import Assessment

# Headers by which clients name their session: the backend's own, which go up as they are, and OpenCode's (docs/backend.md, 13).
OWN_HEADERS = ("session-id", "session_id", "conversation_id")
OTHER_HEADERS = ("x-session-id", "x-session-affinity")

# How much of both ends of an item, or of the instructions, goes into the key, in bytes: a first message may be all images.
ENDS = 16 << 10

# Keys that fit into a header unchanged.
PLAIN = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def session(headers: Mapping[str, str]) -> str:
    """The client's own name for the conversation, from its headers (lower-case names); empty if it has none."""
    return next((headers[name] for name in (*OWN_HEADERS, *OTHER_HEADERS) if headers.get(name)), "")


def apply(
    body: Object, items: Sequence[Assessment], caller: str, own: str, orders: LineOrders | None = None
) -> list[Change]:
    """Add a key to a decoded body that has none: the client's `own` name for its session, or a derived one. `items` are those
    of its input. Where the key is derived, the lines of the instructions keep the order that `orders` knows."""
    if value(body.get("prompt_cache_key", ABSENT)) not in (None, ""):
        return []
    key = header(own) if own else derived(body, items, caller)
    body["prompt_cache_key"] = encoded(key)
    why = "the conversation's name from the client's headers" if own else "made from the beginning of the conversation"
    told = [put("prompt_cache_key", "set", f"lets the backend's prompt cache serve the conversation; {why}")]
    return told if own or orders is None else told + line_order.apply(body, items, key, orders)


def derived(body: Object, items: Iterable[Assessment], caller: str) -> str:
    """A UUID from the caller, the model, the lines of the instructions and the items up to the first one of the user.

    Where the instructions change with each turn, the key does; but then the cache could not help anyway. Lines that only change places
    are sent in one order (line_order.py).
    """
    digest = hashlib.blake2b(caller.encode(), digest_size=16)
    lines = line_order.lines_of(body)
    digest.update(len(lines or ()).to_bytes(8))
    for line in sorted(lines or ()):
        digest.update(len(said := line.encode()).to_bytes(8))
        digest.update(said)
    instructions = [body.get("instructions", ABSENT)] if lines is None else []
    for piece in (body.get("model", ABSENT), *instructions, *beginning(items)):
        view = memoryview(piece)
        digest.update(view.nbytes.to_bytes(8))
        digest.update(view[:ENDS])
        digest.update(view[-ENDS:] if view.nbytes > ENDS else b"")
    return str(uuid.UUID(bytes=digest.digest(), version=5))


def beginning(items: Iterable[Assessment]) -> Iterator[msgspec.Raw]:
    """The items of an input up to and including the first one of the user."""
    for raw, shape in items:
        yield raw
        if shape and shape.role == "user":
            return


def header(key: str) -> str:
    """A key as the session header has it."""
    if PLAIN.fullmatch(key):
        return key
    return str(uuid.UUID(bytes=hashlib.blake2b(key.encode(), digest_size=16).digest(), version=5))
