"""The account's models, as the backend's `GET /models` lists them (docs/backend.md, 1.3)."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

NO_MODELS = (
    "The backend lists no models for this client_version. It leaves models out for old versions: ask with a newer one,"
    " or set codex_client_version."
)


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of one; what the backend does not tell is empty, None or, of what it can do, true. Sizes in tokens."""

    slug: str
    name: str = ""
    about: str = ""
    priority: float = 0.0
    efforts: tuple[str, ...] = ()
    default_effort: str = ""
    takes_summary: bool = True
    takes_verbosity: bool = True
    context: int | None = None
    max_context: int | None = None
    max_output: int | None = None
    modalities: tuple[str, ...] = ()
    instructions: str = field(default="", repr=False)
    hidden: bool = False
    plans: tuple[str, ...] = ()
    successor: str = ""

    def takes_effort(self, effort: str) -> bool:
        return not self.efforts or effort in self.efforts


@dataclass(frozen=True)
class Catalogue:
    """By slug, the backend's first choice first; empty while nothing is known. `plan` is the login's, empty if not known."""

    models: Mapping[str, Model] = field(default_factory=dict)
    etag: str = ""
    plan: str = ""

    def __bool__(self) -> bool:
        return bool(self.models)

    def __contains__(self, slug: object) -> bool:
        return slug in self.models

    def model(self, slug: str) -> Model | None:
        return self.models.get(slug)

    def is_locked(self, model: Model) -> bool:
        """Is it for other plans than the login's?"""
        return bool(self.plan and model.plans and self.plan not in model.plans)

    def listed(self) -> list[Model]:
        """Those the user may choose from: not hidden, and in the plan."""
        return [model for model in self.models.values() if not model.hidden and not self.is_locked(model)]

    def nearest(self, name: str, most: int = 5) -> list[str]:
        """Other names of `listed`, the most like `name` first."""

        def likeness(slug: str) -> float:
            return difflib.SequenceMatcher(None, name[:100].lower(), slug.lower()).ratio()

        others = [model.slug for model in self.listed() if model.slug != name]
        return sorted(others, key=likeness, reverse=True)[:most]


UNKNOWN = Catalogue()


def parse(body: bytes, etag: str = "", plan: str = "") -> Catalogue:
    """The backend's list; entries that are not models are skipped. Raises ValueError if it is not a list of models."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ValueError(f"the backend's list of models can't be read: {e}") from e
    entries = document.get("models") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the backend's list of models has no `models`")
    models = [_model(entry) for entry in entries if isinstance(entry, dict) and _text(entry.get("slug"))]
    return Catalogue({model.slug: model for model in sorted(models, key=lambda model: model.priority)}, etag, plan)


def _model(entry: Mapping[str, Any]) -> Model:
    priority, upgrade = entry.get("priority"), entry.get("upgrade")
    levels = entry.get("supported_reasoning_levels")
    efforts = [level.get("effort") if isinstance(level, dict) else level for level in _list(levels)]
    summaries = (entry.get("supports_reasoning_summaries"), entry.get("supports_reasoning_summary_parameter"))
    return Model(
        slug=entry["slug"],
        name=_text(entry.get("display_name")),
        about=_text(entry.get("description")),
        priority=float(priority) if isinstance(priority, int | float) else float("inf"),
        efforts=_texts(efforts),
        default_effort=_text(entry.get("default_reasoning_level")),
        takes_summary=False not in summaries,
        takes_verbosity=entry.get("support_verbosity") is not False,
        context=_size(entry.get("context_window")),
        max_context=_size(entry.get("max_context_window")),
        max_output=_size(entry.get("max_output_tokens")),
        modalities=_texts(entry.get("input_modalities")),
        instructions=_text(entry.get("base_instructions")),
        hidden=entry.get("visibility", "list") != "list",
        plans=_texts(entry.get("available_in_plans")),
        successor=_text(upgrade.get("model")) if isinstance(upgrade, dict) else "",
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in _list(value) if isinstance(each, str) and each)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
