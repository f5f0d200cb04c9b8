"""The catalogue in OpenAI's shape, with the fields that various clients read: `GET /models` and `GET /models/{id}`.

What the backend does not tell is left out, except `created`, which OpenAI's SDKs require: it is 0, not an invented time.
"""

import re
from typing import Any

from ..errors import ProxyError
from . import names as model_name
from .catalogue import Catalogue, Model
from .name_map import ModelMap

Entry = dict[str, Any]

# A name that a shell and `codex_model_map` take as it is.
PLAIN = re.compile(r"[\w.:-]{1,100}")


def listing(catalogue: Catalogue, variants: bool) -> Entry:
    """Hidden models and those of other plans left out; with `variants` each model also once for each of its efforts."""
    entries = []
    for model in catalogue.listed():
        entries.append(entry(model))
        if variants:
            entries += [entry(model, f"{model.slug}-{effort}", effort) for effort in model.efforts]
    return {"object": "list", "data": entries}


def one(name: str, catalogue: Catalogue, models: ModelMap, reason: str = "") -> Entry:
    """What a request with that name would get. Raises ProxyError 404 for what the account does not have; `reason`: why that may be."""
    meant = model_name.meaning(name, models, catalogue)
    model = catalogue.model(meant.model)
    if model is None or catalogue.is_locked(model):
        told = hint(meant.model, catalogue, name)
        raise ProxyError(
            "model_not_found", f"The model {name!r} is not among those of this subscription.{reason}{told}"
        )
    return entry(model, name, meant.effort)


def hint(name: str, catalogue: Catalogue, asked: str = "") -> str:
    """Suggestions for a model that the account does not have, which the client may have `asked` for by another name; empty if the
    catalogue is not known."""
    model = catalogue.model(name)
    plan = (
        f" It is available to other plans than this login's ({catalogue.plan})."
        if model and catalogue.is_locked(model)
        else ""
    )
    if not (near := catalogue.nearest(name)):
        return plan
    return f"{plan} Similar models of this subscription: {', '.join(near)}; GET /models lists all.{line(asked or name, near[0])}"


def line(name: str, model: str) -> str:
    """What to type for another model to answer for a name; empty for a name that would have to be quoted."""
    bare = model_name.PREFIX.sub("", name)
    if not PLAIN.fullmatch(bare):
        return ""
    return f" For one of them to answer instead, start the proxy with: --set codex_model_map={bare}={model}"


def entry(model: Model, name: str = "", effort: str = "") -> Entry:
    """`name`: what the client calls it; `effort`: the one in the name."""
    told: Entry = {
        "id": name or model.slug,
        "object": "model",
        "created": 0,
        "owned_by": "openai",
        "provider": "openai",
        "type": "model",
        "display_name": " ".join(filter(None, (model.name or model.slug, effort and f"({effort})"))),
        "description": model.about,
        "context_length": model.context,
        "max_context_length": model.max_context,
        "max_output_tokens": model.max_output,
        "supported_reasoning_efforts": [effort] if effort else list(model.efforts),
        "default_reasoning_effort": effort or model.default_effort,
        "input_modalities": list(model.modalities),
        "output_modalities": ["text"],
        "upgrade": model.successor,
    }
    if name and name != model.slug:
        told["parent"] = model.slug
    if model.hidden:
        told["visibility"] = "hide"
    return {key: value for key, value in told.items() if value not in (None, "", [])}
