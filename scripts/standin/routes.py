"""The paths of the stand-in: the checks in order, then the answer to a correct request."""

import json
import secrets
from collections.abc import Callable

from . import control, device, sockets, turn
from .answers.items import compaction
from .failures.refusals import Situation
from .failures.table import Active
from .rules import headers
from .rules.body import Case, check_compact, check_responses, parsed
from .rules.headers import ACCOUNT, LITE
from .state import State
from .wire.connection import Request
from .wire.replies import Headers, Refused, Reply, detail, ok
from .world import usage_windows
from .world.catalogue import listing
from .world.tokens import Login

type Handler = Callable[[State, Request], Reply]

CODEX = "/backend-api/codex"
WHAM = "/backend-api/wham"
NO_VERSION = "[{'type': 'missing', 'loc': ('query', 'client_version'), 'msg': 'Field required', 'input': None}]"
COOKIES: Headers = [
    ("set-cookie", f"{name}=standin; Path=/; Max-Age={age}; HttpOnly; Secure")
    for name, age in (("__cf_bm", 1800), ("__cflb", 3600), ("__oailb", 3600))
]


def route(state: State, request: Request) -> Reply:
    """The reply to any request; Refused when it is not a good one."""
    if request.path.startswith("/_standin/"):
        return control.handle(state, request)
    methods = ROUTES.get(request.path)
    if methods is None:
        raise _no_such_path(request)
    handler = methods.get(request.method)
    if handler is None:
        raise detail("Method Not Allowed", 405, [("allow", ", ".join(methods))])
    return handler(state, request)


def _no_such_path(request: Request) -> Refused:
    """What is there for other accounts is forbidden, the rest is not found (docs/backend.md, 1.1)."""
    hidden = (f"{CODEX}/responses/", f"{CODEX}/conversations")
    return detail("Forbidden", 403) if request.path.startswith(hidden) else detail("Not Found", 404)


def _login(state: State, request: Request) -> Login:
    """The checks that every path of the backend has."""
    headers.check_once(request)
    headers.check_leaks(request)
    if state.refuse_bare_agents:
        headers.check_agent(request)
    if request.method == "POST":
        headers.check_content_type(request)
    login = state.tokens.bearer(request.header("authorization"))
    if request.header(ACCOUNT) is None and not state.require_account:
        state.note(request, "no chatgpt-account-id header")
    return login


def _case(state: State, request: Request, login: Login) -> Case:
    headers.check_account(request, login, state.require_account)
    request.decoded = headers.decoded(request)
    body = parsed(request.decoded)
    request.json = body
    lite = request.header(LITE) == "true"
    version = request.header("version")
    switches = (state.instructions_required, state.status_refused)
    session = request.header("session-id") or request.header("session_id")
    return Case(body, login, state.vault, version, lite, *switches, session=session, models=state.models)


def responses(state: State, request: Request) -> Reply:
    login = _login(state, request)
    case = _case(state, request, login)
    check_responses(case)
    good = _good_headers(state, request, case.body["model"], login)
    script, active, _ = turn.script(state, case, used=request.used, headers=good)
    if active and active.failure.wire:
        return Reply(0, refusal=active.text, wire=active.failure.wire)
    reply = script.reply()
    reply.refusal = active.text if active else None
    return reply


def _good_headers(state: State, request: Request, model: str, login: Login) -> Headers:
    """The headers of a good answer (docs/backend.md, 6)."""
    _, etag = listing(login.plan, request.header("version"), state.models)
    turn_state: Headers = []
    if request.header("x-codex-turn-state") is None:
        turn_state = [("x-codex-turn-state", f"ts_{secrets.token_urlsafe(180)}")]
    return [
        ("cache-control", "no-cache"),
        *([("openai-model", model)] if model else []),
        ("x-reasoning-included", "true"),
        ("x-models-etag", etag),
        *turn_state,
        *usage_windows.usual(login.plan, state.now()),
        *request_ids(),
        *COOKIES,
    ]


def request_ids() -> Headers:
    number = secrets.token_hex(8)
    return [("x-request-id", f"req_{number}"), ("x-oai-request-id", f"req_{number}"), *headers.cloudflare()]


def compact(state: State, request: Request) -> Reply:
    """One JSON answer: the user's messages, and the rest encrypted (docs/backend.md, 1.1)."""
    login = _login(state, request)
    case = _case(state, request, login)
    check_compact(case)
    active = state.take("compact", request.used)
    if active and active.failure.refuse:
        raise active.failure.refuse(Situation(active.argument, login.plan, state.now()))
    kept = [item for item in case.body["input"] if item.get("role") == "user"]
    return ok({"output": [*kept, compaction(state.vault, login.account_id)]}, request_ids())


def models(state: State, request: Request) -> Reply:
    """The whole list each time, whatever `If-None-Match` says (docs/backend.md, 1.3)."""
    login = _login(state, request)
    if request.header(ACCOUNT) is not None:
        headers.check_account(request, login, required=False)
    version = request.argument("client_version")
    if version is None:
        error = {"error": {"message": NO_VERSION, "type": "invalid_request_error"}}
        raise Refused(Reply(400, [("content-type", "application/json")], json.dumps(error).encode(), NO_VERSION))
    active = state.take("models", request.used)
    if active and active.failure.refuse:
        raise active.failure.refuse(Situation(active.argument, login.plan, state.now()))
    # An empty list is what some accounts get without the account header.
    unlisted = request.header(ACCOUNT) is None and state.require_account
    body, etag = listing(login.plan, "0" if unlisted else version, state.models)
    return Reply(200, [("content-type", "application/json"), ("etag", etag), *request_ids(), *COOKIES], body)


def upgrade(state: State, request: Request) -> Reply:
    """A WebSocket, where one is asked for (docs/backend.md, 11)."""
    if (request.header("upgrade") or "").lower() != "websocket":
        raise detail("Method Not Allowed", 405, [("allow", "POST")])
    login = _login(state, request)
    headers.check_account(request, login, state.require_account)
    active = state.take("upgrade", request.used)
    if active and active.failure.refuse:
        raise active.failure.refuse(Situation(active.argument, login.plan, state.now()))
    if active and active.failure.wire:
        return Reply(0, refusal=active.text, wire=active.failure.wire)
    # No turn has named a model yet; the official client names it in a header (docs/backend.md, 2).
    model = (request.header("x-codex-routing-hint") or "").removeprefix("model=")
    good = _good_headers(state, request, model, login)
    return sockets.upgraded(state, request, login, good)


def usage(state: State, request: Request) -> Reply:
    login = _login(state, request)
    return ok(usage_windows.status(login.plan, login.account_id, login.email, state.now()), request_ids())


def accounts(state: State, request: Request) -> Reply:
    """What decides the backend's origin for the CLI (docs/backend.md, 1.1)."""
    login = _login(state, request)
    free = {"workspace_backend_origin": "NO_CONSTRAINT", "account_routing_override": "NO_CONSTRAINT"}
    account = {"id": login.account_id, "plan_type": login.plan, **free}
    ids = {"default_account_id": login.account_id, "account_ordering": [login.account_id]}
    return ok({"accounts": [account], **ids}, request_ids())


def token(state: State, request: Request) -> Reply:
    """`POST /oauth/token`; a failure meets refreshes that were good otherwise."""
    if state.refuse_bare_agents:
        headers.check_agent(request)
    oauth = state.oauth
    fields, is_form = oauth.read_token_request(request)
    request.json = fields
    oauth.check_client(fields)
    if fields.get("grant_type") != "refresh_token":
        return oauth.token(fields, is_form)
    spent = oauth.refreshable(fields)
    active = state.take("token", request.used)
    if active is None:
        return oauth.token(fields, is_form)
    if active.failure.refuse:
        raise active.failure.refuse(Situation(active.argument, "", state.now()))
    if active.failure.wire:
        if active.failure.spend:
            state.tokens.states[spent] = "used"
        return Reply(0, refusal=active.text, wire=active.failure.wire)
    reply = oauth.token(fields, is_form)
    return _changed(state, reply, active, spent)


def _changed(state: State, reply: Reply, active: Active, spent: str) -> Reply:
    given = json.loads(reply.body)
    if active.name == "refresh-no-refresh-token":
        state.tokens.states.pop(given.pop("refresh_token"))
        state.tokens.states[spent] = "live"
    elif active.name == "refresh-no-id-token":
        del given["id_token"]
    else:
        reply.wait = float(active.argument)
    reply.body, reply.refusal = json.dumps(given).encode(), active.text
    return reply


ROUTES: dict[str, dict[str, Handler]] = {
    f"{CODEX}/responses": {"POST": responses, "GET": upgrade},
    f"{CODEX}/responses/compact": {"POST": compact},
    f"{CODEX}/models": {"GET": models},
    f"{WHAM}/usage": {"GET": usage},
    f"{WHAM}/accounts/check": {"GET": accounts},
    "/oauth/token": {"POST": token},
    "/oauth/revoke": {"POST": lambda state, request: state.oauth.revoke(request)},
    "/oauth/authorize": dict.fromkeys(("GET", "POST"), lambda state, request: state.oauth.authorize(request)),
    **device.ROUTES,
}
