"""The rules for what belongs together in `input`: calls with their outputs, reasoning with what it led to (docs/backend.md, 4.1).

A turn that was interrupted leaves a call without an output, or reasoning without a call. The backend refuses both.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ..call_pairs import CALLS, OUTPUTS, USUAL, WHOLE
from ..changes import Change, put, taken_off
from ..raw_json import encoded, first
from .item_shape import Assessment, Shape, look

# Items that are not the model's own, beside messages and outputs: reasoning leads to none of them.
NOT_THE_MODELS = ("additional_tools", "configuration_update", "compaction_trigger")

# How a call that holds its own output says that it has come to its end.
ENDED = ("completed", "failed")


class Link(NamedTuple):
    """What ties a call to its output."""

    output: str
    name: str


def put_right(items: list[Assessment], changes: list[Change], *, chained: bool = False) -> list[Assessment]:
    """Each call followed by an output, no output and no reasoning alone, and the second of either taken off.

    `chained`: outputs without a call belong to those of an earlier response.
    """
    return _led_on(_paired(items, changes, chained), changes)


def left_open(before: Sequence[msgspec.Raw], items: list[Assessment], changes: list[Change]) -> list[Assessment]:
    """The items that follow upon those of a response, with outputs in front for its calls that none of them answers."""
    answered = {_answered(shape) for _, shape in items if shape}
    found: list[Assessment] = []
    for raw in reversed(before):
        shape = look(raw)
        if shape is None or not _is_the_models(shape):
            break  # what came before was answered as it went up
        if (link := _of_call(shape)) and link not in answered:
            changes.append(_told(shape))
            found.append(_cut_off(shape))
    return [*reversed(found), *items]


def _paired(items: list[Assessment], changes: list[Change], chained: bool) -> list[Assessment]:
    calls: dict[Link, int] = {}
    outputs: dict[Link, int] = {}
    links: list[Link | None] = []
    for place, (_, shape) in enumerate(items):
        link = (_of_call(shape) or _answered(shape)) if shape else None
        links.append(link)
        if shape and link:
            (calls if shape.kind in CALLS else outputs).setdefault(link, place)
    kept: list[Assessment] = []
    for place, ((raw, shape), link) in enumerate(zip(items, links, strict=True)):
        if shape and link and shape.kind in CALLS:
            if calls[link] != place:
                changes.append(taken_off(f"second {shape.kind}", "the same call_id occurs twice"))
                continue
            kept.append((raw, shape))
            if link not in outputs:
                kept.append(_cut_off(shape))
                changes.append(_told(shape))
            elif outputs[link] < place:
                kept.append(items[outputs[link]])
                why = 'the backend answers 400 "No tool call found"'
                changes.append(put(f"output of {shape.kind}", "moved behind it", why))
        elif shape and link:
            if link not in calls and not chained:
                why = 'it has no call; the backend answers 400 "No tool call found"'
                changes.append(taken_off(shape.kind, why))
            elif link in calls and outputs[link] != place:
                changes.append(taken_off(f"second {shape.kind}", "the same call_id occurs twice"))
            elif link not in calls or calls[link] < place:
                kept.append((raw, shape))
        else:
            kept.append(_ended(shape, changes) or (raw, shape))
    return kept


def _of_call(shape: Shape) -> Link | None:
    """That of a call; None for what is none, or has no name."""
    if (pair := CALLS.get(shape.kind)) and (name := shape.text(pair.key)):
        return Link(pair.outputs[0], name)
    return None


def _answered(shape: Shape) -> Link | None:
    """That of the call that an output answers."""
    for key in OUTPUTS.get(shape.kind, ()):
        if name := shape.text(key):
            return Link(USUAL[shape.kind], name)
    return None


def _cut_off(call: Shape) -> Assessment:
    """The output of a call that has none."""
    pair = CALLS[call.kind]
    raw = encoded({"type": pair.outputs[0], pair.output_key: call.text(pair.key), **pair.aborted})
    return raw, look(raw)


def _told(call: Shape) -> Change:
    why = 'it was cut off; without an output the backend answers 400 "No tool output found"'
    return put(call.kind, 'given the output "aborted"', why)


def _ended(shape: Shape | None, changes: list[Change]) -> Assessment | None:
    """A call that holds its own output, and was cut off before it had one, with an end; None for anything else."""
    if shape is None or shape.kind not in WHOLE or shape.text("status") in ENDED:
        return None
    if any(first(shape.raw(key)) not in (b"", b"n") for key in ("output", "error")):
        return None
    changes.append(put(shape.kind, 'given the error "aborted"', "it was cut off, and has no output"))
    raw = encoded({**shape.values, **WHOLE[shape.kind]})
    return raw, look(raw)


def _led_on(items: list[Assessment], changes: list[Change]) -> list[Assessment]:
    """Without reasoning whose next item is not one of the model's."""
    kept: list[Assessment] = []
    leads_on = False
    for raw, shape in reversed(items):
        if shape and shape.kind == "reasoning":
            if not leads_on:
                why = 'the item it led to is missing; the backend answers 400 "provided without its required following item"'
                changes.append(taken_off("reasoning item", why))
                continue
        else:
            leads_on = _is_the_models(shape)
        kept.append((raw, shape))
    return kept[::-1]


def _is_the_models(shape: Shape | None) -> bool:
    if shape is None:
        return True  # of a form that no rule knows: the backend decides
    if shape.kind == "message":
        return shape.role == "assistant"
    return shape.kind not in OUTPUTS and shape.kind not in NOT_THE_MODELS
