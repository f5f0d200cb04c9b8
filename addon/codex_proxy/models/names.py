"""Resolve the model's name of a request: the map, a provider prefix, an effort suffix (docs/backend.md, 10)."""

import re
from typing import Any, NamedTuple

import msgspec

from ..changes import Change, put
from ..raw_json import ABSENT, Object, encoded, text, value
from .catalogue import Catalogue
from .name_map import Mapping, ModelMap

# `openai/gpt-6-sol`, `letta/openai/gpt-6-sol`: the backend's names contain no slash.
PREFIX = re.compile(r"^(?:[\w.-]+/)+(?=[^/])")

# `gpt-6-sol-high`, `gpt-6-sol:high`, `gpt-6-sol(high)`; the third as in CLIP (docs/backend.md, 10).
EFFORT = re.compile(r"(?P<model>.+?)(?:[-:](?P<plain>[a-z]+)|\((?P<inside>[a-z]+)\))")

# Words that are looked up as an effort while no catalogue is known (docs/backend.md, 10); which a model has, the catalogue tells.
WORDS = frozenset("none minimal low medium high xhigh max ultra".split())


class Meaning(NamedTuple):
    """`wins`: does the effort stand in the client's own name, so that it holds against `reasoning.effort` as well?"""

    model: str
    effort: str
    why: str
    wins: bool = False


def apply(body: Object, models: ModelMap, catalogue: Catalogue) -> list[Change]:
    """Put the model that is meant into a decoded body, and the effort that goes with it."""
    raw = body.get("model", ABSENT)
    name = text(raw)
    if not name and value(raw) not in (None, ""):
        return []  # no name: the backend refuses it
    meant = meaning(name, models, catalogue)
    changes = []
    if meant.model != name:
        body["model"] = encoded(meant.model)
        changes.append(put("model", f"{name} → {meant.model}" if name else f"set to {meant.model}", meant.why))
    reasoning: Any = value(body.get("reasoning", ABSENT)) or {}
    if not meant.effort or not isinstance(reasoning, dict):
        return changes
    said = reasoning.get("effort")
    if said != meant.effort and (meant.wins or not said):
        body["reasoning"] = encoded({**reasoning, "effort": meant.effort})
        what = f"{said} → {meant.effort}" if said else f"set to {meant.effort}"
        changes.append(put("reasoning.effort", what, meant.why))
    return changes


def meaning(name: str, models: ModelMap, catalogue: Catalogue) -> Meaning:
    """The model that `name` means. Without a catalogue only the map and the prefix count."""
    if name in catalogue and not models.rules:
        return Meaning(name, "", "")
    rule = rule_for(name, models)
    asked = rule.model if rule else name
    bare = asked if asked in catalogue else PREFIX.sub("", asked)
    model, effort = split(bare, catalogue)
    if rule:
        return Meaning(model, rule.effort or effort, f"codex_model_map: {rule.pattern}")
    if models.default and catalogue and model not in catalogue:
        why = (
            f"codex_model_default: the account has no {name}"
            if name
            else "codex_model_default: the request names no model"
        )
        return Meaning(models.default.model, models.default.effort, why)
    why = "the effort is part of the model's name" if effort else "the prefix is not part of the model's name here"
    return Meaning(model, effort, why, wins=True)


def rule_for(name: str, models: ModelMap) -> Mapping | None:
    """The first match of the name, with or without its prefix. A missing name matches only the default."""
    return models.find(name, PREFIX.sub("", name)) if name else None


def split(name: str, catalogue: Catalogue) -> tuple[str, str]:
    """Model and effort, where the catalogue has that model with that effort and no model of the whole name."""
    if name in catalogue or not (found := EFFORT.fullmatch(name)):
        return name, ""
    effort = found["plain"] or found["inside"]
    model = catalogue.model(found["model"])
    return (model.slug, effort) if model and effort in model.efforts else (name, "")


def needs_catalogue(body: Object, models: ModelMap) -> bool:
    """Whether the model of a decoded body can be resolved only with the catalogue."""
    try:
        name = text(body.get("model", ABSENT))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    rule = rule_for(name, models)
    found = EFFORT.fullmatch(rule.model if rule else name)
    has_effort = bool(found and (found["plain"] or found["inside"]) in WORDS)
    return has_effort or (rule is None and models.default is not None)
