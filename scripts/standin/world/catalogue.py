"""The models, in the form of `GET /models` (docs/backend.md, 1.3, 10).

The list is the dated file of the addon: the one place for names of models. That one has no module of the addon's in it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..wire.replies import detail, dumps

type Version = tuple[int, ...]

FILE = Path(__file__).parents[3] / "addon" / "codex_proxy" / "models" / "dated_list.json"

EVERY_PLAN = ("free", "go", "plus", "pro", "prolite", "team", "business", "enterprise", "edu")

BASE_INSTRUCTIONS = (
    "You are a careful assistant inside a program. Do what the person asks, and say what you did. " * 130
)


@dataclass(frozen=True)
class Model:
    slug: str
    default_effort: str
    efforts: tuple[str, ...]
    minimal_version: str
    context: int = 272_000
    max_context: int = 872_000
    lite: bool = True
    visible: bool = True
    upgrade: str | None = None
    plans: tuple[str, ...] = EVERY_PLAN
    shown_to_all: bool = False
    """Is it listed for plans that may not use it, as gpt-5.5 was (openai/codex#19654)?"""

    def entry(self, priority: int) -> dict[str, Any]:
        """Everything the CLI needs to decode it, and what else its catalogue has."""
        fast = {"id": "priority", "name": "Fast", "description": "Quicker answers, more usage"}
        upgrade = {"model": self.upgrade, "migration_markdown": f"Use `{self.upgrade}`."} if self.upgrade else None
        return {
            "slug": self.slug,
            "display_name": self.slug.replace("gpt", "GPT"),
            "description": f"{self.slug} of the stand-in.",
            "default_reasoning_level": self.default_effort,
            "supported_reasoning_levels": [{"effort": each, "description": each} for each in self.efforts],
            "shell_type": "unified_exec",
            "visibility": "list" if self.visible else "hide",
            "minimal_client_version": self.minimal_version,
            "supported_in_api": True,
            "priority": priority,
            "additional_speed_tiers": ["fast"],
            "service_tiers": [fast],
            "availability_nux": None,
            "upgrade": upgrade,
            "base_instructions": BASE_INSTRUCTIONS,
            "model_messages": None,
            "supports_reasoning_summaries": True,
            "default_reasoning_summary": "none",
            "support_verbosity": True,
            "default_verbosity": "low",
            "apply_patch_tool_type": "freeform",
            "web_search_tool_type": "text_and_image",
            "truncation_policy": {"mode": "tokens", "limit": 10_000},
            "supports_parallel_tool_calls": True,
            "supports_image_detail_original": True,
            "context_window": self.context,
            "max_context_window": self.max_context,
            "auto_compact_token_limit": None,
            "effective_context_window_percent": 95,
            "experimental_supported_tools": [],
            "input_modalities": ["text", "image"],
            "supports_search_tool": True,
            "use_responses_lite": self.lite,
            "prefer_websockets": True,
            "available_in_plans": list(self.plans),
        }


type Models = tuple[Model, ...]


def known(entry: Mapping[str, Any]) -> Model:
    """A model of the file."""
    return Model(
        entry["slug"],
        entry["default_reasoning_level"],
        tuple(entry["supported_reasoning_levels"]),
        entry["minimal_client_version"],
        entry["context_window"],
        entry["max_context_window"],
        entry.get("use_responses_lite", True),
        entry.get("visibility") != "hide",
        entry.get("upgrade", {}).get("model"),
        tuple(entry.get("available_in_plans", EVERY_PLAN)),
    )


MODELS: Models = tuple(known(entry) for entry in json.loads(FILE.read_bytes())["models"])


def parse_version(text: str) -> Version | None:
    """'0.169.0' and '0.169.0-alpha.1' as numbers; None for anything else."""
    numbers = text.partition("-")[0].split(".")
    return tuple(map(int, numbers)) if all(each.isdecimal() for each in numbers) else None


def is_older(version: str, minimum: str) -> bool:
    """A version that can't be read counts as the oldest."""
    return (parse_version(version) or (0,)) < (parse_version(minimum) or (0,))


def known_model(slug: str, plan: str, version: str | None, models: Models = MODELS) -> Model:
    """The model of that name for that plan and client; Refused otherwise (docs/backend.md, 3.1)."""
    model = next((each for each in models if each.slug == slug), None)
    if model is None or plan not in model.plans:
        raise detail(f"The '{slug}' model is not supported when using Codex with a ChatGPT account.")
    if version is not None and is_older(version, model.minimal_version):
        raise detail(
            f"The '{slug}' model requires a newer version of Codex. "
            "Please upgrade to the latest app or CLI and try again."
        )
    return model


@lru_cache(64)
def listing(plan: str, version: str | None, models: Models = MODELS) -> tuple[bytes, str]:
    """The body of `GET /models` for a plan and a client version, and its ETag. None: of any version."""
    entries = [
        model.entry(priority)
        for priority, model in enumerate(models, 1)
        if (plan in model.plans or model.shown_to_all)
        and not (version is not None and is_older(version, model.minimal_version))
    ]
    body = dumps({"models": entries})
    return body, f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
