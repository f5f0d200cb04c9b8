"""Assess a captured request: what would happen to each part of it, and whether it can succeed.

Uses the tables and rules of the patch itself; where they do not decide, docs/backend.md does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from .. import raw_json
from ..backend import header_rules
from ..changes import Change
from ..chat import parts as chat_parts
from ..chat import request as chat_request
from ..dry_run import canned
from ..errors import ProxyError
from ..front import routes
from ..front.routes import NO_ROUTE, Route
from ..models import dated_list, name_map
from ..request import body_rules, tool_rules
from . import folder as capture_folder
from .folder import Document, ProxySettings

# Accepted as far as known (docs/backend.md, 3.4 and 4); what is in none of the tables is not known.
TOOL_TYPES = frozenset("function custom web_search image_generation namespace tool_search local_shell".split())
ITEM_TYPES = frozenset(
    "message reasoning function_call function_call_output custom_tool_call custom_tool_call_output local_shell_call"
    " local_shell_call_output web_search_call image_generation_call additional_tools tool_search_call tool_search_output"
    " compaction compaction_summary context_compaction compaction_trigger agent_message configuration_update".split()
)
ROLES = frozenset("user assistant developer".split())
PART_TYPES = frozenset("input_text input_image input_file output_text refusal".split())

# Headers that the proxy writes itself.
OURS = dict.fromkeys(("originator", "user-agent", "accept", "accept-encoding", "openai-beta"), "(the proxy's)")
FRAMING = ("host", "connection", "keep-alive", "content-length", "transfer-encoding", "expect")

ACCEPTED, CHANGED, TAKEN_OFF, PUT_IN, REFUSED, UNKNOWN = (
    "accepted", "changed", "taken off", "put in", "refused", "not known",
)  # fmt: skip

# Statuses that tell of the moment or the login, not of what the client sends.
NOT_THE_CLIENT = frozenset({401, 402, 403, 408, 429})


class Known:
    """A memory that knows everything a request refers to; what was unknown shows in the answer it got."""

    def item(self, _: str) -> msgspec.Raw:
        return msgspec.Raw(b'{"type": "message", "role": "assistant", "content": "known"}')

    def conversation(self, _: str) -> list[msgspec.Raw]:
        return []

    def reasoning_before(self, _: str) -> list[msgspec.Raw]:
        return []


class Fate(NamedTuple):
    """What happens to a part of a request, and why."""

    what: str
    how: str = ""
    why: str = ""


@dataclass
class Assessment:
    """The assessment of one captured request."""

    document: Document
    method: str
    path: str
    body: Mapping[str, Any]
    route: Route = NO_ROUTE
    failure: str = ""
    """Why it can't succeed; empty if it can, by all that is known."""
    fates: dict[str, list[Fate]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    unlisted: str = ""
    """The model, where the dated list of them does not have it: only the backend knows."""

    @property
    def is_turn(self) -> bool:
        return self.route.is_turn

    @property
    def is_chat(self) -> bool:
        return self.route.name == "chat"

    @property
    def is_changed(self) -> bool:
        return any(fate.what not in (ACCEPTED, UNKNOWN) for fates in self.fates.values() for fate in fates)


def look(document: Document) -> Assessment:
    """Assess one captured request."""
    method, _, rest = document["request_line"].partition(" ")
    body = document.get("body")
    one = Assessment(document, method, rest.rpartition(" ")[0] or rest, body if isinstance(body, dict) else {})
    try:
        one.route = routes.find(one.method, one.path)
    except ProxyError as e:
        one.failure = e.message
    else:
        if one.is_turn:
            _look_at_body(one)
    one.failure = answered(document) or one.failure
    return one


def answered(document: Document) -> str:
    """A refusal that the client really got, if it tells of what it sent."""
    answer = document.get("answer") or {}
    status = answer.get("status")
    by = answer.get("by", "proxy")
    if not isinstance(status, int) or status < 400 or (status >= 500 and status != 501):
        return ""
    if status in NOT_THE_CLIENT and (by, status) != ("proxy", 403):
        return ""
    return f"the {by} answered {status}: {answer.get('message') or answer.get('code') or ''}"


def _look_at_body(one: Assessment) -> None:
    settings = one.document.get("proxy") or ProxySettings(version="", dry_run=False, patch="full", model_map=[])
    headers = {name.lower(): value for name, value in reversed(one.document.get("headers") or [])}
    lite = header_rules.is_lite(headers) and header_rules.is_codex(headers)
    models = name_map.parse(
        settings.get("model_map") or [], settings.get("model_default", ""), settings.get("model_aliases", True)
    )
    options = body_rules.PatchOptions(
        True, lite, models, dated_list.CATALOGUE, past=Known(), translate=one.route.translate
    )
    if "body" not in one.document and "text" not in one.document and "note" in (one.document.get("sent") or {}):
        one.failure = one.document["sent"]["note"]
        return
    data = (
        capture_folder.encoded(one.document["body"])
        if "body" in one.document
        else one.document.get("text", "").encode()
    )
    try:
        patched = body_rules.patch(data, options)
    except ProxyError as e:
        one.failure = e.message
        if not one.body:
            return
        meaningful = {*body_rules.MEANINGFUL, *(chat_request.MEANINGFUL if one.is_chat else ())}
        left = {name: value for name, value in one.body.items() if name not in meaningful}
        left["model"] = left.get("model") or next(iter(dated_list.CATALOGUE.models))
        try:
            patched = body_rules.patch(capture_folder.encoded(left), options)
        except ProxyError:
            return
    one.fates = fates(one.body, patched.changes)
    if one.is_chat:
        _look_at_chat(one)
    _look_at_model(one, patched.sent_model)
    _look_for_unknown(one)


def _look_at_chat(one: Assessment) -> None:
    """What the translation makes of the fields of a chat completion."""
    for name, value in one.body.items():
        if name in chat_request.MOVED:
            one.fates[name] = [Fate(CHANGED, f"becomes {chat_request.MOVED[name]}", chat_request.TRANSLATED.why)]
        elif name in chat_request.MEANINGFUL and chat_request.MEANINGFUL[name][0](value):
            one.fates[name] = [Fate(REFUSED, "", chat_request.MEANINGFUL[name][1])]


def _look_at_model(one: Assessment, sent: str) -> None:
    answer = one.document.get("answer") or {}
    taken = answer.get("status") == 200 and answer.get("by") == "backend"
    if sent in dated_list.CATALOGUE or taken or one.failure or not sent:
        return
    one.unlisted = sent
    one.unknown.append(f"model {sent}: {dated_list.NOT_LISTED}")
    changes = [fate for fate in one.fates.get("model", []) if fate.what != ACCEPTED]
    one.fates["model"] = [*changes, Fate(UNKNOWN, "", dated_list.NOT_LISTED)]


def _look_for_unknown(one: Assessment) -> None:
    """What none of the rules changes, and docs/backend.md does not know."""
    for tool in objects(one.body.get("tools")):
        kind = str(tool.get("type"))
        if kind not in TOOL_TYPES and kind not in tool_rules.RENAMED and kind not in tool_rules.REFUSED:
            one.unknown.append(f"tool type {kind}")
    for item in objects(one.body.get("input")):
        kind, role = kind_of(item), item.get("role")
        if kind not in ITEM_TYPES and kind != "item_reference":
            one.unknown.append(f"item type {kind or '(none)'}")
        if kind == "message" and role not in ROLES and role != "system":
            one.failure = one.failure or f"the role {role} is not one the backend takes"
        for part in objects(item.get("content")) if kind == "message" else ():
            if part.get("type") not in PART_TYPES and part.get("type") not in ("text", *chat_parts.TAKEN):
                one.unknown.append(f"content part {part.get('type')}")


def kind_of(item: Mapping[str, Any]) -> str:
    return str(item.get("type") or ("message" if item.get("role") else ""))


def objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def fates(body: Mapping[str, Any], changes: Iterable[Change]) -> dict[str, list[Fate]]:
    """Field by field of the top level what happens to it, by the changes that the patch reports."""
    found: dict[str, list[Fate]] = {name: [] for name in body}
    for change in changes:
        name = top_level(change.field, body)
        how = re.sub(r" \(x\d+\)$", "", change.what)
        if name != change.field:
            how = f"{change.field} {how}"
        if name not in body:
            what = PUT_IN
        elif name == change.field and change.what == TAKEN_OFF:
            what, how = TAKEN_OFF, ""
        else:
            what = CHANGED
        found.setdefault(name, []).append(Fate(what, how, change.why))
    for name, instead in body_rules.MEANINGFUL.items():
        if body.get(name) not in (None, False, ""):
            found[name] = [Fate(REFUSED, "", f"{body_rules.NOT_STORED}; {instead}")]
    return {name: each or [Fate(ACCEPTED)] for name, each in found.items()}


def top_level(name: str, body: Mapping[str, Any]) -> str:
    """The field of the top level that a change's field stands for; most are about the input's items."""
    if name in body or name in body_rules.TAKEN or name in body_rules.RULES:
        return name
    if name.startswith(("tools ", "tools[")):
        return "tools"
    return name.partition(".")[0] if re.fullmatch(r"\w+\.\w+", name) else "input"


def reads_last(looked: Sequence[Assessment]) -> tuple[str, str]:
    """Does it read the last event? What its later requests send back of canned answers tells."""
    seen = {mark for one in looked for item in objects(one.body.get("input")) if (mark := canned.source(item))}
    if canned.LAST in seen and canned.STREAMED in seen:
        return "yes", "and the events before it: it sends parts of both back"
    if canned.LAST in seen:
        return "yes", "it sends back what only they had"
    if canned.STREAMED in seen:
        return "no", "it sends back what the events before it held"
    turns = [one for one in looked if one.is_turn]
    if turns and all(one.is_chat for one in turns):
        return "no", "chat completions have no such event"
    if not any(one.body.get("stream") is True for one in turns):
        return "not known", "it asks for no stream"
    return "not known", "no later request sent a canned answer back"


def header_fates(document: Document) -> Iterator[tuple[str, str, str]]:
    """Header by header, by the same table as on the way up."""
    client: dict[str, str] = {}
    for name, value in document.get("headers") or []:
        client.setdefault(name.lower(), value)
    changed = {
        one.field: (one.what, one.why)
        for one in header_rules.changed(client.items(), header_rules.upward(client, OURS))
    }
    for name in client:
        if name in FRAMING:
            yield name, "rewritten", "belongs to the connection"
        elif name not in changed:
            yield name, "kept", ""
        else:
            what, why = changed[name]
            yield name, TAKEN_OFF if what == TAKEN_OFF else "the proxy's own in its place", why


def tool_name(tool: Mapping[str, Any]) -> tuple[str, str]:
    inner = tool.get("function")
    name = tool.get("name") or (inner.get("name") if isinstance(inner, dict) else "") or tool.get("server_label") or ""
    return str(name), str(tool.get("type"))


def tool_fate(tool: Mapping[str, Any]) -> str:
    """By the rules of the patch, asked about this tool alone."""
    kind = str(tool.get("type"))
    changes = tool_rules.apply({"tools": raw_json.encoded([tool])})
    if any(change.what == TAKEN_OFF and change.field == f"tools {kind}" for change in changes):
        return f"{TAKEN_OFF}: {changes[0].why}"
    if changes:
        return f"{CHANGED}: " + ", ".join(f"{c.field} {c.what}" if c.field != "tools" else c.what for c in changes)
    return ACCEPTED if kind in TOOL_TYPES else UNKNOWN
