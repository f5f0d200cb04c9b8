"""The rules for the body of `POST /responses`, in the order the backend has them (docs/backend.md, 3.1)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..wire.replies import api_error, detail, invalid_value, missing, unknown, wrong_type
from ..world.catalogue import MODELS, Model, Models, known_model
from ..world.tokens import Login
from ..world.vault import Vault
from . import items, tools

type Body = dict[str, Any]

# All that the CLI sends over HTTP (docs/backend.md, 3.2).
ALLOWED = (
    "model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "store", "stream",
    "stream_options", "include", "service_tier", "prompt_cache_key", "text", "client_metadata",
)  # fmt: skip
# `POST /responses/compact` (docs/backend.md, 1.1).
ALLOWED_COMPACT = (
    "model", "input", "instructions", "tools", "parallel_tool_calls", "reasoning", "service_tier", "prompt_cache_key",
    "text",
)  # fmt: skip

ENCRYPTED = "reasoning.encrypted_content"
CUT_OFF = {"reasoning_summary_delivery": "sequential_cutoff"}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
SUMMARIES = ("auto", "concise", "detailed")
CONTEXTS = ("auto", "current_turn", "all_turns")
VERBOSITIES = ("low", "medium", "high")
FORMATS = ("text", "json_object", "json_schema")


@dataclass
class Case:
    """One body with what else decides about it."""

    body: Body
    login: Login
    vault: Vault
    version: str | None = None
    lite: bool = False
    instructions_required: bool = True
    status_refused: bool = True
    allowed: tuple[str, ...] = ALLOWED
    session: str | None = None
    models: Models = MODELS


def parsed(data: bytes) -> Body:
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except ValueError as e:
        raise detail("The body is not valid JSON") from e
    if not isinstance(value, dict):
        raise detail("The body is not a JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def instructions_present(case: Case) -> None:
    """An empty string is enough. A Lite request has none (docs/backend.md, 3.6)."""
    instructions = case.body.get("instructions")
    if instructions is None:
        if case.instructions_required and not case.lite:
            raise detail("Instructions are required")
    elif not isinstance(instructions, str):
        raise wrong_type("instructions", "a string", instructions)


def store_false(case: Case) -> None:
    if case.body.get("store") is not False:
        raise detail("Store must be set to false")


def stream_true(case: Case) -> None:
    if case.body.get("stream") is not True:
        raise detail("Stream must be set to true")


def input_list(case: Case) -> None:
    if not isinstance(case.body.get("input"), list):
        raise detail("Input must be a list")


def no_system_messages(case: Case) -> None:
    if any(isinstance(item, dict) and item.get("role") == "system" for item in case.body["input"]):
        raise detail("System messages are not allowed")


def known_keys(case: Case) -> None:
    for key in case.body:
        if key not in case.allowed:
            raise detail(f"Unsupported parameter: {key}")


def stream_options(case: Case) -> None:
    if "stream_options" in case.body and case.body["stream_options"] != CUT_OFF:
        raise detail("Unsupported parameter: stream_options")


def service_tier(case: Case) -> None:
    tier = case.body.get("service_tier")
    if tier not in (None, "priority"):
        raise detail(f"Unsupported service_tier: {tier}")


def tool_list(case: Case) -> None:
    deferred = any(tool.get("type") == "tool_search" for tool in tools.of_request(case.body))
    tools.check(case.body.get("tools"), "tools", deferred)
    tools.check_choice(case.body.get("tool_choice"), case.body)


def include(case: Case) -> None:
    """Only the one value that is known to be accepted (docs/backend.md, 3.5)."""
    values = case.body.get("include")
    if values is None:
        return
    if not isinstance(values, list):
        raise wrong_type("include", "an array of strings", values)
    for index, value in enumerate(values):
        if value != ENCRYPTED:
            raise invalid_value(value, [ENCRYPTED], f"include[{index}]")


def model(case: Case) -> None:
    slug = case.body.get("model")
    if slug is None:
        raise missing("model")
    if not isinstance(slug, str):
        raise wrong_type("model", "a string", slug)
    known_model(slug, case.login.plan, case.version, case.models)


def other_types(case: Case) -> None:
    for key, kind, expected in (
        ("parallel_tool_calls", bool, "a boolean"),
        ("prompt_cache_key", str, "a string"),
        ("reasoning", dict, "an object"),
        ("text", dict, "an object"),
        ("client_metadata", dict, "an object"),
    ):
        value = case.body.get(key)
        if value is not None and not isinstance(value, kind):
            raise wrong_type(key, expected, value)
    for key, value in (case.body.get("client_metadata") or {}).items():
        if not isinstance(value, str):
            raise wrong_type(f"client_metadata.{key}", "a string", value)


def reasoning(case: Case) -> None:
    """Efforts as the API behind words it; `ultra` is a name for clients only (docs/backend.md, 3.2)."""
    settings = case.body.get("reasoning") or {}
    chosen = known_model(case.body["model"], case.login.plan, case.version, case.models)
    check_effort(settings.get("effort"), chosen)
    for key, allowed in (("summary", SUMMARIES), ("context", CONTEXTS)):
        if settings.get(key) is not None and settings[key] not in allowed:
            raise invalid_value(settings[key], allowed, f"reasoning.{key}")


def check_effort(effort: object, chosen: Model) -> None:
    if effort is None:
        return
    sent = ("none", *(each for each in chosen.efforts if each != "ultra"))
    known = (*EFFORTS, "max") if "max" in sent else EFFORTS
    if effort not in (*EFFORTS, "max"):
        raise invalid_value(effort, known, "reasoning.effort")
    if effort not in sent:
        text = f"Unsupported value: '{effort}' is not supported with the '{chosen.slug}' model."
        raise api_error(text, param="reasoning.effort", code="unsupported_value")


def text(case: Case) -> None:
    settings = case.body.get("text") or {}
    if settings.get("verbosity") is not None and settings["verbosity"] not in VERBOSITIES:
        raise invalid_value(settings["verbosity"], VERBOSITIES, "text.verbosity")
    for key in settings:
        if key not in ("verbosity", "format"):
            raise unknown(f"text.{key}")
    form = settings.get("format")
    if form is None:
        return
    if not isinstance(form, dict):
        raise wrong_type("text.format", "an object", form)
    if form.get("type") not in FORMATS:
        raise invalid_value(form.get("type"), FORMATS, "text.format.type")
    for key in ("name", "schema") if form["type"] == "json_schema" else ():
        if form.get(key) is None:
            raise missing(f"text.format.{key}")
    if form["type"] == "json_schema":
        if not isinstance(form["schema"], dict):
            raise wrong_type("text.format.schema", "an object", form["schema"])
        what = f"response_format '{form['name']}'"
        tools.check_schema(form["schema"], what, "text.format.schema", "invalid_json_schema")


def input_items(case: Case) -> None:
    items.check(case.body["input"], case.login.account_id, case.vault, case.status_refused)


COMMON: tuple[Callable[[Case], None], ...] = (
    input_list,
    no_system_messages,
    known_keys,
    stream_options,
    service_tier,
    tool_list,
    include,
    model,
    other_types,
    reasoning,
    text,
    input_items,
)
RULES = (instructions_present, store_false, stream_true, *COMMON)


def check_responses(case: Case) -> None:
    """Nothing, or Refused by the first rule that is broken."""
    for rule in RULES:
        rule(case)


def check_compact(case: Case) -> None:
    case.allowed = ALLOWED_COMPACT
    for rule in COMMON:
        rule(case)
