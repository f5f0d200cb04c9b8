"""`codex_model_map`: names a client asks for → the model that answers, with an effort."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .changes import Change, put
from .raw import ABSENT, Object, encoded, value

Entries = Sequence[str]


class Mapping(NamedTuple):
    pattern: str
    model: str
    effort: str


class ModelMap(NamedTuple):
    """First match wins; a name nothing matches stays as it is."""

    rules: tuple[Mapping, ...] = ()

    def apply(self, body: Object) -> list[Change]:
        """Put the mapped model into a decoded body, and its effort where the client asks for none."""
        name = value(body.get("model", ABSENT))
        found = next((rule for rule in self.rules if isinstance(name, str) and fnmatchcase(name, rule.pattern)), None)
        if found is None:
            return []
        changes = []
        if found.model != name:
            body["model"] = encoded(found.model)
            changes.append(put("model", f"{name} → {found.model}", f"codex_model_map: {found.pattern}"))
        reasoning: Any = value(body.get("reasoning", ABSENT)) or {}
        if found.effort and isinstance(reasoning, dict) and not reasoning.get("effort"):
            body["reasoning"] = encoded({**reasoning, "effort": found.effort})
            changes.append(put("reasoning.effort", f"set to {found.effort}", f"codex_model_map: {found.pattern}"))
        return changes


UNMAPPED = ModelMap()


def parse(entries: Sequence[str]) -> ModelMap:
    """`PATTERN=MODEL` or `PATTERN=MODEL:EFFORT`, each. Raises ValueError that names the entry."""
    rules = []
    for entry in entries:
        pattern, equals, target = entry.partition("=")
        model, _, effort = target.partition(":")
        if not (equals and pattern.strip() and model.strip()):
            raise ValueError(f"{entry!r} is not PATTERN=MODEL or PATTERN=MODEL:EFFORT, as in gpt-4*=gpt-6-luna:low")
        rules.append(Mapping(pattern.strip(), model.strip(), effort.strip()))
    return ModelMap(tuple(rules))
