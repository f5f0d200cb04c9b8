"""Check our assumptions about the backend with real requests: the usual request, and one for each thing expected to be refused.

What is tried, and the expected refusal, come from the rules of the body (`body_rules`): a new rule is probed automatically.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from .. import json_text
from ..answer import repair, sse
from ..backend import usage_windows
from ..backend.refusals import parse
from ..errors import ProxyError
from ..models import dated_list
from ..net.http_client import Answer
from ..request import body_rules
from . import usage_api

Verdict = Literal["as before", "changed", "unknown"]

QUESTION = "Reply with the one word OK."

# A value for each field that, by the rules, is refused or accepted in one form only.
SAMPLES: dict[str, list[Any]] = {
    "max_output_tokens": [64], "max_tokens": [64], "max_completion_tokens": [64], "temperature": [1], "top_p": [1],
    "top_logprobs": [1], "frequency_penalty": [0], "presence_penalty": [0], "metadata": [{"probe": "1"}], "user": ["probe"],
    "safety_identifier": ["probe"], "truncation": ["disabled"], "background": [False], "prompt_cache_retention": ["in_memory"],
    "prompt_cache_options": [{}], "context_management": [[]], "max_tool_calls": [1], "moderation": [{}],
    "previous_response_id": ["resp_probe"], "conversation": ["conv_probe"], "prompt": [{"id": "pmpt_probe"}],
    "service_tier": ["auto", "flex"], "stream_options": [{"include_usage": True}], "include": [["message.output_text.logprobs"]],
    "reasoning": [{"effort": "minimal"}, {"effort": "ultra"}, {"summary": "none"}],
}  # fmt: skip

# Fields that are required, or refused with this value: left out (ABSENT), or with another value.
ABSENT = object()
FORMS: list[tuple[str, str, Any]] = [
    ("store true", "store", True),
    ("no store", "store", ABSENT),
    ("stream false", "stream", False),
    ("no stream", "stream", ABSENT),
    ("no instructions", "instructions", ABSENT),
    ("input as text", "input", QUESTION),
    ("a system message", "input", [{"type": "message", "role": "system", "content": [{"type": "input_text", "text": QUESTION}]}]),
]  # fmt: skip

# The refusal that a rule names in its reason.
KNOWN = re.compile(r'answers 400 "(.+?)"')

LONGEST = 200


class Finding(NamedTuple):
    verdict: Verdict
    what: str
    text: str


class Trial(NamedTuple):
    """A body that should be refused; `expected` is the beginning of the refusal, empty if its wording is not known."""

    name: str
    body: bytes
    expected: str


def usual(model: str) -> bytes:
    """The shortest request, as the proxy would send it."""
    asked = msgspec.json.encode({"model": model, "input": QUESTION})
    return body_rules.patch(asked, body_rules.PatchOptions()).body or asked


def trials(model: str) -> Iterator[Trial]:
    """Each thing that the proxy removes or corrects, alone, in an otherwise valid request."""
    right = json.loads(usual(model))
    fields = dict.fromkeys([*body_rules.REFUSED_FIELDS, *body_rules.MEANINGFUL, *body_rules.RULES])
    for field in fields:
        for sample in SAMPLES.get(field, ["probe"]):
            shown = f"{field} {json.dumps(sample)}" if field in body_rules.RULES else field
            yield _trial(shown, right | {field: sample})
    for name, field, value in FORMS:
        changed = {key: each for key, each in right.items() if key != field}
        yield _trial(name, changed if value is ABSENT else changed | {field: value})


def _trial(name: str, body: dict[str, Any]) -> Trial:
    data = msgspec.json.encode(body)
    try:
        changes = body_rules.patch(data, body_rules.PatchOptions()).changes
    except ProxyError:
        # Refused by the proxy itself, because the field matters; the backend's wording is not known.
        return Trial(name, data, "")
    found = next((match for change in changes if (match := KNOWN.search(change.why))), None)
    return Trial(name, data, found[1] if found else "")


def judge(trial: Trial, answer: Answer) -> Finding:
    """Is it still refused?"""
    said = message_of(answer)
    if answer.status == 200:
        failed = failure(answer.body)
        return Finding("changed", trial.name, f"accepted now{f', then failed: {failed}' if failed else ''}")
    if answer.status not in (400, 404, 422):
        return Finding("unknown", trial.name, f"status {answer.status}: {said}")
    if said.startswith(trial.expected):
        return Finding("as before", trial.name, f"still refused: {said}")
    return Finding("changed", trial.name, f"refused with another text: {said} (known: {trial.expected})")


def message_of(answer: Answer) -> str:
    """A refusal's message in one line."""
    message = str(parse(answer.body).get("message") or "") or f"nothing that could be read ({len(answer.body)} bytes)"
    return " ".join(message.split())[:LONGEST]


def failure(body: bytes) -> str:
    """The failure that a stream tells of, or that it has no end; empty for a good one, and for one JSON object."""
    if body.lstrip()[:1] == b"{":
        return ""
    ended = repair.of_complete_stream(body)
    return str(ended.error.get("message") or ended.error.get("code") or ended.ended) if ended.error is not None else ""


def catalogue(answer: Answer, client_version: str) -> tuple[list[str], list[Finding]]:
    """The models to choose from, and a finding about the list (docs/backend.md, 1.3)."""
    what = f"the catalogue for client_version {client_version}"
    models = parse_list(answer.body) if answer.status == 200 else None
    if models is None:
        return [], [Finding("unknown", what, f"status {answer.status}: {message_of(answer)}")]
    if not models:
        return [], [Finding("changed", what, "is empty: the version is too old, or the account has none")]
    shown = [str(model.get("slug")) for model in models if model.get("visibility", "list") == "list"]
    etag = answer.header("etag")
    return shown, [
        Finding("as before", what, f"{len(models)} models, {len(shown)} of them to choose from"),
        Finding("as before" if etag else "changed", "its etag", etag or "is not there any more"),
    ]


def newer(answer: Answer, above: Answer, client_version: str) -> Finding:
    """Which models the backend shows only to a version above `client_version` (docs/backend.md, 1.3)."""
    what = "models for newer versions"
    shown, all_there_are = parse_list(answer.body) or [], parse_list(above.body)
    if above.status != 200 or all_there_are is None:
        return Finding("unknown", what, f"status {above.status}: {message_of(above)}")
    known = {model.get("slug") for model in shown}
    named = told(model for model in all_there_are if model.get("slug") not in known)
    return Finding("as before", what, named or f"none that client_version {client_version} does not show")


def unlisted(answer: Answer) -> list[Finding]:
    """Which models are younger than the dated list, or were left out of it; nothing where none are."""
    models = parse_list(answer.body) if answer.status == 200 else None
    named = told(model for model in models or [] if model.get("slug") not in dated_list.CATALOGUE)
    return [Finding("as before", f"models {dated_list.NOT_LISTED}", named)] if named else []


def told(models: Iterable[dict[str, Any]]) -> str:
    """Models by name, each with the version from which on it is shown."""
    since = {str(model.get("slug")): model.get("minimal_client_version") for model in models}
    return ", ".join(
        f"{name} (from {version})" if isinstance(version, str) else name for name, version in since.items()
    )


def parse_list(body: bytes) -> list[dict[str, Any]] | None:
    try:
        models = json_text.decode(body)["models"]
    except (json_text.NotJson, KeyError, TypeError):
        return None
    return [model for model in models if isinstance(model, dict)] if isinstance(models, list) else None


def usage_document(answer: Answer, now: float) -> Finding:
    """What is left of the usage windows (docs/backend.md, 1.4)."""
    if answer.status != 200:
        return Finding(
            "changed" if answer.status == 404 else "unknown", "the usage document", f"status {answer.status}"
        )
    windows = usage_api.read(answer.body, now).windows
    return holds(bool(windows), "the usage document", ", ".join(one.name for one in windows) or "has no windows")


def turn(answer: Answer, asked: str, etag: str) -> list[Finding]:
    """What the answer to the usual request shows of our assumptions (docs/backend.md, 5 and 6)."""
    if answer.status != 200:
        verdict: Verdict = "changed" if answer.status == 400 else "unknown"
        return [Finding(verdict, "the usual request", f"status {answer.status}: {message_of(answer)}")]
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    windows = usage_windows.windows(headers)
    seen = ", ".join(f"{one.name} {one.used:g} %" for one in windows)
    mark, model = headers.get("x-models-etag", ""), headers.get("openai-model", "")
    kind = headers.get("content-type", "")
    same_mark = "the catalogue's" if mark == etag else f"{mark}, while the catalogue's is {etag or 'not known'}"
    findings = [
        Finding("as before", "store false", "accepted, status 200"),
        holds(kind.startswith("text/event-stream"), "content-type", kind or "there is none"),
        holds(bool(windows), "rate-limit headers", seen or "none any more"),
        holds(bool(mark) and etag in (mark, ""), "x-models-etag", same_mark if mark else "is not there any more"),
        holds(model == asked, "openai-model", model or "is not there any more"),
        *ending(answer.body),
    ]
    named = sorted(name for name in headers if name.startswith("x-"))
    return [*findings, Finding("as before", "other headers seen", ", ".join(named) or "none")]


def ending(body: bytes) -> list[Finding]:
    """The events, and whether the last one still has to be completed by us."""
    seen = list(events(body))
    kinds = Counter(str(event.get("type")) for event in seen)
    listed = ", ".join(f"{kind} (x{count})" if count > 1 else kind for kind, count in kinds.items())
    last = seen[-1] if seen else {}
    findings = [
        holds(last.get("type") == "response.completed", "the last event", str(last.get("type") or "there is none")),
        Finding("as before", "events", listed or "none"),
    ]
    if failed := failure(body):
        return [*findings, Finding("unknown", "the answer", f"failed: {failed}")]
    response = last.get("response")
    output = response.get("output") if isinstance(response, dict) else None
    if output:
        text = f"{len(output)} items: filled now, our repair is not needed any more"
        return [*findings, Finding("changed", "completed.output", text)]
    return [*findings, Finding("as before", "completed.output", "empty, our repair is needed")]


def events(body: bytes) -> Iterator[dict[str, Any]]:
    reader = sse.Frames()
    for frame in [*reader.feed(body), reader.flush()]:
        data = sse.parse(frame)[1]
        try:
            event = json_text.decode(data)
        except json_text.NotJson:
            continue
        if isinstance(event, dict):
            yield event


def holds(true: bool, what: str, text: str) -> Finding:
    return Finding("as before" if true else "changed", what, text)


def drifted(findings: Iterable[Finding]) -> bool:
    """Does anything differ from what we assume?"""
    return any(each.verdict == "changed" for each in findings)
