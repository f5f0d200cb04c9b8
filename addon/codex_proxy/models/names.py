"""Resolve the model's name of a request: the map, a provider prefix, an effort suffix (docs/backend.md, 10)."""

import re
from typing import Any, NamedTuple

import msgspec

from ..changes import Change, put
from ..errors import ProxyError
from ..raw_json import ABSENT, Object, encoded, text, value
from . import old_names
from .catalogue import Catalogue
from .dated_list import AS_OF
from .name_map import Mapping, ModelMap

# `openai/gpt-6-sol`, `letta/openai/gpt-6-sol`: the backend's names contain no slash.
PREFIX = re.compile(r"^(?:[\w.-]+/)+(?=[^/])")

# `gpt-6-sol-high`, `gpt-6-sol:high`, `gpt-6-sol(high)`; the third as in CLIP (docs/backend.md, 10).
EFFORT = re.compile(r"(?P<model>.+?)(?:[-:](?P<plain>[a-z]+)|\((?P<inside>[a-z]+)\))")

# Words that are looked up as an effort while no catalogue is known (docs/backend.md, 10); which a model has, the catalogue tells.
WORDS = frozenset("none minimal low medium high xhigh max ultra".split())


# The first sentence is OpenAI's.
MISSING = "Missing required parameter: 'model'. GET /models lists those there are; codex_model_default can stand in."


class Meaning(NamedTuple):
    """`wins`: does the effort stand in the client's own name, so that it holds against `reasoning.effort` as well? `alias`: is it
    a stand-in for a name that no subscription has?"""

    model: str
    effort: str
    why: str
    wins: bool = False
    alias: bool = False


def apply(body: Object, models: ModelMap, catalogue: Catalogue) -> list[Change]:
    """Put the model that is meant into a decoded body, and the effort that goes with it. Raises ProxyError 400 if none is."""
    raw = body.get("model", ABSENT)
    name = text(raw)
    if not name and value(raw) not in (None, ""):
        return []  # no name: the backend refuses it
    meant = meaning(name, models, catalogue)
    if not meant.model:
        raise ProxyError("missing_required_parameter", MISSING, extra={"param": "model"})
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
    if models.default and (not name or is_lacking(model, catalogue)):
        why = f"the account has no {name}" if name else "the request names no model"
        return Meaning(models.default.model, models.default.effort, f"codex_model_default: {why}")
    if models.aliases and (alias := alias_of(bare, catalogue)):
        return alias
    why = "the effort is part of the model's name" if effort else "the prefix is not part of the model's name here"
    return Meaning(model, effort, why, wins=True)


def is_lacking(name: str, catalogue: Catalogue) -> bool:
    """Does the account not have it, by a catalogue that is not merely older than the model?"""
    if not catalogue or name in catalogue:
        return False
    base = with_effort(name)[0]
    return base in catalogue or not old_names.may_be_new(base, catalogue)


def alias_of(name: str, catalogue: Catalogue) -> Meaning | None:
    """The account's model for a name that no subscription has, with the effort in the name if the model takes it."""
    base, effort = (name, "") if old_names.is_whole(name) else with_effort(name)
    if name in catalogue or not (model := old_names.stand_in(base, catalogue)):
        return None
    effort = effort if effort in model.efforts else ""
    why = f"no subscription has {base} (list of {AS_OF}); codex_model_aliases=false leaves such names as they are"
    return Meaning(model.slug, effort, why, wins=True, alias=True)


def with_effort(name: str) -> tuple[str, str]:
    """A name and the effort that seems to be in it, whatever the model."""
    found = EFFORT.fullmatch(name)
    effort = (found["plain"] or found["inside"]) if found else ""
    return (found["model"], effort) if found and effort in WORDS else (name, "")


def alias_in(body: Object, models: ModelMap, catalogue: Catalogue) -> tuple[str, str] | None:
    """The model's name in a decoded body and the one that stands in for it, if it is of no subscription."""
    if not models.aliases or not (name := _name(body)):
        return None
    meant = meaning(name, models, catalogue)
    return (name, meant.model) if meant.alias else None


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
    name = _name(body)
    if name is None:
        return False
    rule = rule_for(name, models)
    bare, effort = with_effort(rule.model if rule else PREFIX.sub("", name))
    is_alias = models.aliases and bool(old_names.family(bare))
    return bool(effort) or (rule is None and (models.default is not None or is_alias))


def _name(body: Object) -> str | None:
    """The model's name in a decoded body; None where it can't be read."""
    try:
        return text(body.get("model", ABSENT))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
