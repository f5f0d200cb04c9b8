"""Names that no subscription has (any more), and which of the account's models answers for them (docs/backend.md, 10).

Programs have them built in, for a chat's title for instance. The families stand in the dated list; a name that might be new is in none.
"""

import re
from fnmatch import fnmatchcase

from .catalogue import Catalogue, Model
from .dated_list import RETIRED, SMALL

# How OpenAI names its models: of other names none is its newest.
OPENAIS = re.compile(r"gpt-|codex-|o\d")

NUMBER = re.compile(r"gpt-(\d+)(?:\.(\d+))?")


def family(name: str) -> str:
    """`small` or `default`, which is the model that answers for such a name; empty for a name of no family."""
    return next((size for pattern, size in RETIRED if fnmatchcase(name, pattern)), "")


def is_whole(name: str) -> bool:
    """Does it stand in the list as it is, so that a word at its end is no effort?"""
    return any(name == pattern for pattern, _ in RETIRED)


def stand_in(name: str, catalogue: Catalogue) -> Model | None:
    """The account's model for a name of a family; None where there is none for it, or the account has that name."""
    size = family(name)
    listed = catalogue.listed() if size and name not in catalogue else []
    small = [model for model in listed if size == "small" and not set(SMALL).isdisjoint(model.slug.split("-"))]
    return next(iter(small or listed), None)


def may_be_new(name: str, catalogue: Catalogue) -> bool:
    """Might it be a model that is younger than the catalogue, by its form and its number?"""
    if not OPENAIS.match(name) or family(name):
        return False
    number = _number(name)
    return number is None or all(number >= (_number(slug) or number) for slug in catalogue.models)


def _number(name: str) -> tuple[int, int] | None:
    found = NUMBER.match(name)
    return (int(found[1]), int(found[2] or 0)) if found else None
