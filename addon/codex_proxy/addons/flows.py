"""What all addons of the chain agree on: which flows are ours, what is known of one, how one is refused."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy import connection, ctx, http
from mitmproxy.proxy.mode_specs import ReverseMode

from .. import few_files, paths, redact, upstream
from ..answer.repair import Repair
from ..errors import ProxyError
from ..printable import printable
from . import wire

logger = logging.getLogger(__name__)

KEY = "codex"

# Where a request goes that nobody has sent on its way: a name that has no address (RFC 6761, section 6.4).
NOWHERE = ("unclaimed.invalid", 443)

CHATGPT = "chatgpt.com"

# Of a client's body this much is kept beside what went up, in bytes.
ORIGINAL_KEPT = 1 << 20

State = dict[str, Any]
# Routes (paths.py) of a turn of the model's.
TURNS = ("responses", "chat")

# Routes that lead to the backend.
UPWARD = (*TURNS, "socket", "compact", "catalogue")

Hook = Callable[[Any, http.HTTPFlow], Awaitable[None] | None]


def backend() -> upstream.Upstream:
    """The configured backend, `codex_upstream`."""
    return upstream.parse(ctx.options.codex_upstream)


def is_dry_run() -> bool:
    """Does nothing go to the backend, whatever comes? (`codex_dry_run`)"""
    return str(ctx.options.codex_dry_run).lower() == "true"


def is_our_client(client: connection.Client) -> bool:
    """Did it connect to a listener of ours?"""
    return isinstance(client.proxy_mode, ReverseMode) and is_our_mode(client.proxy_mode)


def is_our_mode(mode: ReverseMode) -> bool:
    """Is it a reverse listener whose target is ChatGPT or the configured backend? (Design, section 2)"""
    if mode.scheme not in ("http", "https"):
        return False
    host, port = mode.address[0], mode.address[1]
    return host == CHATGPT or (host, port) == (backend().host, backend().port)


def is_ours(flow: http.HTTPFlow) -> bool:
    """A flow of a client of ours that is under way; one loaded from a file is not (`live`)."""
    return bool(flow.live) and is_our_client(flow.client_conn)


def claim(flow: http.HTTPFlow) -> State:
    """Take charge of a flow. What is kept of it is saved with it: no secrets, and nothing that UTF-8 can't have."""
    flow.request.path = paths.escaped(flow.request.path)
    # mitmproxy prints it as it is; none that goes up is changed by this.
    flow.request.method = printable(flow.request.method)
    before: State = flow.metadata.get(KEY, {}) if flow.is_replay else {}
    state: State = {
        "method": flow.request.method,
        "path": redact.redact(paths.bare(flow.request.path)),
        "changes": [],
        "notes": [],
    }
    state |= {name: before[name] for name in ("original", "caller") if name in before}
    flow.metadata[KEY] = state
    return state


def keep_original_head(flow: http.HTTPFlow) -> None:
    """Keep what the client sent, as far as it is no secret, to be looked at beside what went up.

    A replayed flow comes as it went up the first time, and keeps the original it has.
    """
    if "original" in state_of(flow):
        return
    headers = []
    for name, value in ((readable(name), readable(value)) for name, value in flow.request.headers.fields):
        hidden = name.lower() in redact.REQUEST_HEADERS
        headers.append([name, redact.HIDDEN if hidden else redact.redact(value)])
    state_of(flow)["original"] = {
        "method": state_of(flow)["method"],
        "path": redact.query(flow.request.path),
        "headers": headers,
        "body": None,
        "body_size": 0,
        "body_cut": False,
    }


def readable(data: bytes) -> str:
    """A header's bytes as a text that can be saved: UTF-8, or else each byte a character, as HTTP once had it."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def keep_original_body(flow: http.HTTPFlow, body: bytes) -> None:
    """The body without its codings, up to ORIGINAL_KEPT bytes."""
    original = state_of(flow)["original"]
    if original["body"] is not None:
        return
    original["body"] = body[:ORIGINAL_KEPT].decode("utf-8", "replace")
    original["body_size"], original["body_cut"] = len(body), len(body) > ORIGINAL_KEPT


def state_of(flow: http.HTTPFlow) -> State:
    state: State = flow.metadata[KEY]
    return state


def is_claimed(flow: http.HTTPFlow) -> bool:
    return is_ours(flow) and KEY in flow.metadata


def is_turn(flow: http.HTTPFlow) -> bool:
    """Is it a turn of the model's, answered by events?"""
    return state_of(flow).get("route") in TURNS


def note(flow: http.HTTPFlow, text: str) -> None:
    """Something a person should know of this request; told in the log line and the flow's comment."""
    state_of(flow)["notes"].append(text)


def tell_ending(flow: http.HTTPFlow, ended: Repair) -> None:
    """Keep what the end of a stream told: tokens, failures inside it, what was left out."""
    state = state_of(flow)
    if ended.usage:
        state["usage"], state["tokens"] = ended.usage.line(), ended.usage.counts()
    if ended.error is not None:
        state["error"] = str(ended.error.get("code") or "failed")
    for text in ended.notes:
        note(flow, text)


def refuse(flow: http.HTTPFlow, error: ProxyError) -> None:
    """Answer the client ourselves; nothing goes to the backend."""
    error = few_files.instead(error)
    flow.response = response(error)
    if flow.request.method == "HEAD":
        # mitmproxy would send the body all the same, and the client take it for the next answer.
        flow.response.content = b""
    flow.metadata.setdefault(KEY, {}).setdefault("refused", error.code or str(error.status))
    wire.forget(flow)
    if flow.request.data.content is None:
        # The body is still to come: read, so that the answer reaches the client, but not held.
        wire.bound_body(flow, 0)


def response(error: ProxyError) -> http.Response:
    return http.Response.make(error.status, error.body(), {"content-type": "application/json", **error.headers})


def unforeseen(where: str, e: Exception, of: http.HTTPFlow | State | None = None) -> ProxyError:
    """The answer for an exception nobody thought of (or for a lack of files, which may be met anywhere); the traceback is in the log. `of` is the flow, its state or the record of a
    turn, if there is one; without it nothing was sent."""
    if few_files.is_cause(e):
        return few_files.out_of_files(few_files.limit())
    logger.error(f"{where} failed.", exc_info=e)
    what = type(e).__name__
    return ProxyError(
        500, "proxy_failed", f"The proxy itself failed ({where}: {what}); {sent(of)}. Its log has the details."
    )


def sent(of: http.HTTPFlow | State | None) -> str:
    """What is true of a request that ends here, for the middle of a sentence. From the last step on (go.py) it is mitmproxy's to
    send, and how much of it went out is not known."""
    state = of.metadata.get(KEY, {}) if isinstance(of, http.HTTPFlow) else of or {}
    return (
        "the request was already on its way to the backend" if "sent_at" in state else "nothing was sent to the backend"
    )


def step(hook: Hook) -> Callable[[Any, http.HTTPFlow], Awaitable[None]]:
    """A hook on the way up: runs for claimed flows nobody has answered yet, and whatever it raises ends the flow here."""

    @functools.wraps(hook)
    async def guarded(self: Any, flow: http.HTTPFlow) -> None:
        if not is_claimed(flow) or flow.response or flow.error:
            return
        try:
            done = hook(self, flow)
            if inspect.isawaitable(done):
                await done
        except ProxyError as e:
            refuse(flow, e)
        except Exception as e:
            refuse(flow, unforeseen(type(self).__name__, e, flow))

    return guarded
