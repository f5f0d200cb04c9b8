"""Apply the user's defaults for fields the client leaves unset: effort, summary, verbosity, instructions.

They never override the client, and never set what the model lacks, as far as the catalogue is known.
"""

from dataclasses import dataclass
from typing import Any

from ..changes import Change, put
from ..models.catalogue import Model
from ..raw_json import ABSENT, Object, encoded, text, value

# The values that the backend's models accept (docs/backend.md, 3.2, 10); other words would be refused.
EFFORTS = ("low", "medium", "high", "xhigh", "max", "ultra")
SUMMARIES = ("auto", "concise", "detailed")
VERBOSITIES = ("low", "medium", "high")


@dataclass(frozen=True)
class UserDefaults:
    """Empty strings set nothing. `of_model`: the instructions are the catalogue's."""

    effort: str = ""
    summary: str = ""
    verbosity: str = ""
    instructions: str = ""
    of_model: bool = False

    @property
    def asks_the_catalogue(self) -> bool:
        return bool(self.effort or self.summary or self.verbosity or self.of_model)


NOTHING = UserDefaults()


def apply(body: Object, defaults: UserDefaults, model: Model | None, lite: bool) -> list[Change]:
    """Add to a decoded body the fields that it lacks. A Lite request has its instructions in the input (docs/backend.md, 3.6)."""
    if defaults == NOTHING:
        return []
    effort = defaults.effort if model is None or model.takes_effort(defaults.effort) else ""
    summary = defaults.summary if model is None or model.takes_summary else ""
    verbosity = defaults.verbosity if model is None or model.takes_verbosity else ""
    changes = inside(body, "reasoning", "effort", effort, "codex_effort")
    changes += inside(body, "reasoning", "summary", summary, "codex_summary")
    changes += inside(body, "text", "verbosity", verbosity, "codex_verbosity")
    instructions = defaults.instructions or (model.instructions if defaults.of_model and model else "")
    if instructions and not lite and value(body.get("instructions", ABSENT)) in (None, ""):
        body["instructions"] = encoded(instructions)
        whose = (
            f"those of {text(body.get('model', ABSENT))}" if defaults.of_model else f"{len(instructions)} characters"
        )
        changes.append(put("instructions", f"set to {whose}", "codex_instructions: the client has none"))
    return changes


def inside(body: Object, name: str, key: str, wanted: str, option: str) -> list[Change]:
    """Put `wanted` into the object `name` of a body, if it is not set there."""
    held: Any = value(body.get(name, ABSENT)) if wanted else None
    if not wanted or not isinstance(held, dict | None) or (held and held.get(key) is not None):
        return []
    body[name] = encoded({**(held or {}), key: wanted})
    return [put(f"{name}.{key}", f"set to {wanted}", f"{option}: the client says nothing of it")]
