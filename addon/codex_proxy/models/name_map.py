"""`codex_model_map` and `codex_model_default`: requested name → model to use, with an effort."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

Entries = Sequence[str]


class Mapping(NamedTuple):
    pattern: str
    model: str
    effort: str


class ModelMap(NamedTuple):
    """First match wins; a name nothing matches stays as it is, or becomes `default` where the account has no such model.

    `aliases`: names that no subscription has become one of the account's (old_names.py).
    """

    rules: tuple[Mapping, ...] = ()
    default: Mapping | None = None
    aliases: bool = False

    def find(self, *names: str) -> Mapping | None:
        """The first rule that matches any of the `names` one model goes by."""
        return next((rule for rule in self.rules if any(fnmatchcase(name, rule.pattern) for name in names)), None)


UNMAPPED = ModelMap()


def parse(entries: Sequence[str], default: str = "", aliases: bool = False) -> ModelMap:
    """`PATTERN=MODEL` or `PATTERN=MODEL:EFFORT`, each; the default is `MODEL` or `MODEL:EFFORT`. Raises ValueError that
    names the entry."""
    rules = []
    for entry in entries:
        pattern, equals, target = entry.partition("=")
        model, effort = _target(target)
        if not (equals and pattern.strip() and model):
            raise ValueError(
                f"codex_model_map: {entry!r} is not PATTERN=MODEL or PATTERN=MODEL:EFFORT, as in gpt-4*=gpt-6-luna:low"
            )
        rules.append(Mapping(pattern.strip(), model, effort))
    if not default:
        return ModelMap(tuple(rules), None, aliases)
    model, effort = _target(default)
    if not model or "=" in default:
        raise ValueError(f"codex_model_default: {default!r} is not MODEL or MODEL:EFFORT, as in gpt-6-luna:low")
    return ModelMap(tuple(rules), Mapping("", model, effort), aliases)


def _target(text: str) -> tuple[str, str]:
    model, _, effort = text.partition(":")
    return model.strip(), effort.strip()
