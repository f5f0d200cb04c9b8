"""The rules for a request body: what the backend refuses, as a table, and the patch (docs/backend.md, 3).

Only the top level is decoded, into raw values: everything that needs no change passes byte for byte.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from .. import lone_surrogates
from ..changes import Change, merged, put, taken_off
from ..chat.messages import no_reasoning
from ..dialect import Translate, Translation
from ..errors import ProxyError
from ..memory import references
from ..memory.line_orders import LineOrders
from ..models import names as model_name
from ..models.catalogue import UNKNOWN, Catalogue
from ..models.name_map import UNMAPPED, ModelMap
from ..raw_json import ABSENT, Object, encoded, first, text, value
from . import cache_key, choice_rules, input_rules, tool_rules, user_defaults
from .opening import decode, readable
from .user_defaults import NOTHING, UserDefaults

encode = msgspec.json.encode


@dataclass(frozen=True)
class PatchOptions:
    """How to patch the body: everything that would be refused, or only `store`; `lite` as in docs/backend.md, 3.6.

    `past` is the caller's remembered responses. A key for the prompt cache is added if the client sends none: its own `session`,
    or one made with `caller`; None for none; in `orders` are those of the lines of such conversations. `compact`: it goes to
    responses/compact. `socket`: it is a message of a WebSocket; `chained`: one that continues a response of the same connection.
    `translate`: it is of another dialect, and is translated first.
    """

    full: bool = True
    lite: bool = False
    models: ModelMap = UNMAPPED
    catalogue: Catalogue = UNKNOWN
    defaults: UserDefaults = NOTHING
    past: references.PastResponses | None = None
    caller: str | None = None
    session: str = ""
    orders: LineOrders | None = None
    compact: bool = False
    socket: bool = False
    chained: bool = False
    translate: Translate | None = None


@dataclass(frozen=True)
class PatchResult:
    """`body` is None if nothing had to be changed. `stream` and `model` as requested; `believes_stored`: whether the client
    assumes that responses are stored. `translation`: how to answer a request of another dialect."""

    body: bytes | None
    changes: list[Change]
    stream: bool
    model: str
    sent_model: str
    believes_stored: bool = False
    cache_key: str = ""
    translation: Translation | None = None


class Rule(NamedTuple):
    """What happens to a field that the client sends; `action` gives the new value, or None to remove it. `seen` says who saw
    it, by the labels of docs/backend.md, Sources."""

    action: Callable[[Any], tuple[Any, str] | None]
    why: str
    seen: str


REFUSED = 'the backend answers 400 "Unsupported parameter"'
NOT_STORED = "the backend stores nothing"


def service_tier(value: Any) -> tuple[Any, str] | None:
    if value in (None, "priority"):
        return value, ""
    return ("priority", 'set to "priority"') if value == "fast" else None


def stream_options(value: Any) -> tuple[Any, str] | None:
    delivery = value.get("reasoning_summary_delivery") if isinstance(value, dict) else None
    if delivery != "sequential_cutoff":
        return None
    kept = {"reasoning_summary_delivery": delivery}
    return kept, "" if value == kept else "reduced to reasoning_summary_delivery"


def include(value: Any) -> tuple[Any, str] | None:
    return (value, "") if value == [ENCRYPTED] else ([ENCRYPTED], f'set to ["{ENCRYPTED}"]')


def reasoning(value: Any) -> tuple[Any, str] | None:
    if not isinstance(value, dict):
        return value, ""
    fixed, said = dict(value), []
    other = {"minimal": "low", "ultra": "max"}.get(str(value.get("effort")))
    if other:
        fixed["effort"] = other
        said.append(f"effort {value['effort']} → {other}")
    if value.get("summary") == "none":
        del fixed["summary"]
        said.append("summary none taken off")
    return fixed, ", ".join(said)


ENCRYPTED = "reasoning.encrypted_content"

# Fields the backend accepts unchanged (docs/backend.md, 3.2).
TAKEN = frozenset(
    "model instructions input tools tool_choice parallel_tool_calls reasoning store stream prompt_cache_key text"
    " client_metadata".split()
)

# The fields of `POST /responses/compact` (docs/backend.md, 1.1).
TAKEN_BY_COMPACT = frozenset(
    "model input instructions tools parallel_tool_calls reasoning service_tier prompt_cache_key text".split()
)

# It also accepts these in a WebSocket message (docs/backend.md, 11), the last one only in a chained turn.
TAKEN_OF_SOCKET = TAKEN | {"type", "generate"}
TAKEN_OF_CHAINED = TAKEN_OF_SOCKET | {"previous_response_id"}

# Fields it accepts in one form only (docs/backend.md, 3.2, 3.5).
RULES = {
    "service_tier": Rule(service_tier, "this backend knows only the tier priority", "CLIP, P-ECHO"),
    "stream_options": Rule(stream_options, REFUSED, "CX, CLIP 754f3bcbc"),
    "include": Rule(include, "reasoning can be replayed only in this form, and no other value is known to be accepted", "CX"),
    "reasoning": Rule(reasoning, "names that only some clients use", "CX, P-OH"),
}  # fmt: skip

# Fields it refuses (docs/backend.md, 3.2), and who saw that, as in Rule.seen; fields in none of the tables are refused as well.
REFUSED_FIELDS = {
    "max_output_tokens": "ChatMock#103, PYD", "max_tokens": "CLIP, LL", "max_completion_tokens": "CLIP, LL",
    "temperature": "oh-my-pi#3117, PYD", "top_p": "PYD, llm-gateway#1807", "top_logprobs": "PYD",
    "frequency_penalty": "sub2api#589", "presence_penalty": "sub2api#589", "metadata": "P-ECHO, P-OH", "user": "PYD, CLIP",
    "safety_identifier": "llm-gateway#1807", "truncation": "P-AMP, PYD", "background": "P-LIFE", "previous_response_id": "P-LIFE",
    "prompt_cache_retention": "CLIP#5068", "prompt_cache_options": "CLIP 2ab25eae9", "context_management": "CLIP, HK",
    "max_tool_calls": "not known", "moderation": "not known",
}  # fmt: skip

# Fields whose loss would change the answer: refused instead of removed, unless they are empty.
MEANINGFUL = {
    "conversation": "send the whole conversation in `input` instead",
    "prompt": "send the prompt's text in `instructions` and `input` instead",
    "background": "ask without it",
}


def patch(data: bytes | Object, options: PatchOptions) -> PatchResult:
    """The patched body. Raises ProxyError 400 for anything but a JSON object, and for fields that can't be honoured."""
    with readable():
        return _patch(decode(data) if isinstance(data, bytes) else data, options)


def _patch(body: Object, options: PatchOptions) -> PatchResult:
    asked = value(body.get("stream", ABSENT)) is True
    model = text(body.get("model", ABSENT))
    changes = [lone_surrogates.REPLACED] if isinstance(body, lone_surrogates.Mended) else []
    translation = None
    if options.translate:
        body, translation, told = options.translate(
            body, options.past.reasoning_before if options.past else no_reasoning
        )
        changes += told
    fixed = dict(body)
    if options.full:
        refuse_meaningful(body)
        changes += text_input(fixed)
        if not options.chained:  # the backend knows the responses of the same connection
            changes += references.conversation(fixed, options.past)
        changes += model_name.apply(fixed, options.models, options.catalogue)
        chosen = options.catalogue.model(text(fixed.get("model", ABSENT)))
        changes += [] if options.compact else user_defaults.apply(fixed, options.defaults, chosen, options.lite)
        changes += compact_fields(fixed) if options.compact else []
        changes += fields(fixed, taken(options))
        changes += [] if options.compact else defaults(fixed, options.lite)
        told, items = input_rules.apply(fixed, options.past, chained=options.chained)
        changes += told
        changes += tool_rules.apply(fixed, items)
        changes += choice_rules.apply(fixed, items, chained=options.chained)
        if options.caller is not None and (options.session or not options.chained):
            changes += cache_key.apply(fixed, items, options.caller, options.session, options.orders)
    believes_stored = not options.compact and value(fixed.get("store", ABSENT)) is not False
    if believes_stored:
        fixed["store"] = msgspec.Raw(b"false")
        changes.append(put("store", "set to false", 'the backend answers 400 "Store must be set to false"'))
    sent_model = text(fixed.get("model", ABSENT))
    data = written(fixed) if changes else None
    key = text(fixed.get("prompt_cache_key", ABSENT)) if options.full else ""
    remembers = believes_stored and options.full and not translation
    return PatchResult(data, merged(changes), asked, model, sent_model, remembers, key, translation)


def written(body: Object) -> bytes:
    """A decoded body as JSON: in one copy, and with no room behind it, as msgspec's own would have."""
    pieces: list[bytes | msgspec.Raw] = []
    for name, raw in body.items():
        pieces += [b",", encode(name), b":", raw]
    return b"".join([b"{", *pieces[1:], b"}"])


def refuse_meaningful(body: Mapping[str, msgspec.Raw]) -> None:
    for name, instead in MEANINGFUL.items():
        if name in body and value(body[name]) not in (None, False, ""):
            raise ProxyError("not_supported", f"`{name}` can't be used: {NOT_STORED}; {instead}.")


def compact_fields(body: Object) -> list[Change]:
    """Remove what responses/compact does not accept, and add the one field that is always there (docs/backend.md, 1.1)."""
    changes = [taken_off(name, "responses/compact has no such field") for name in body if name not in TAKEN_BY_COMPACT]
    for change in changes:
        del body[change.field]
    if "parallel_tool_calls" not in body:
        body["parallel_tool_calls"] = msgspec.Raw(b"true")
        changes.append(put("parallel_tool_calls", "set to true", "the official client always says it there"))
    return changes


def taken(options: PatchOptions) -> frozenset[str]:
    """Fields that go up unchanged."""
    if options.chained:
        return TAKEN_OF_CHAINED
    return TAKEN_OF_SOCKET if options.socket else TAKEN


def fields(body: Object, taken: frozenset[str] = TAKEN) -> list[Change]:
    """Remove or patch, by the tables, what the client sent at the top level."""
    changes = []
    for name in list(body):
        if name in RULES:
            rule = RULES[name]
            result = rule.action(value(body[name]))
            if result is None:
                del body[name]
                changes.append(taken_off(name, rule.why))
            elif result[1]:
                body[name] = encoded(result[0])
                changes.append(put(name, result[1], rule.why))
        elif name not in taken:
            del body[name]
            known = name in REFUSED_FIELDS or name in MEANINGFUL
            changes.append(taken_off(name, REFUSED if known else f"not known to be accepted; else {REFUSED}"))
    return changes


def text_input(body: Object) -> list[Change]:
    if first(body.get("input", ABSENT)) != b'"':
        return []
    part = {"type": "input_text", "text": body["input"]}
    body["input"] = encoded([{"type": "message", "role": "user", "content": [part]}])
    return [put("input", "text made a list", 'the backend answers 400 "Input must be a list"')]


def defaults(body: Object, lite: bool) -> list[Change]:
    """Add what the backend requires. A Lite request has its instructions in the input (docs/backend.md, 3.6)."""
    changes = []
    if not lite and first(body.get("instructions", ABSENT)) in (b"", b"n"):
        body["instructions"] = msgspec.Raw(b'""')
        changes.append(put("instructions", "set to empty", 'the backend answers 400 "Instructions are required"'))
    if value(body.get("stream", ABSENT)) is not True:
        body["stream"] = msgspec.Raw(b"true")
        changes.append(put("stream", "set to true", 'the backend answers 400 "Stream must be set to true"'))
    if "include" not in body:
        body["include"] = encoded([ENCRYPTED])
        changes.append(put("include", f"with {ENCRYPTED}", "reasoning sent back later is refused without it"))
    return changes
