"""Every error code that a client can meet, as a table that `ProxyError`, docs/errors.md and the tests use.

To add an error: a row here, `ProxyError("its_code", "What happened. What to do.")` where it happens, and a test of that. Then run
`python scripts/tables.py`.
"""

from typing import NamedTuple


class Code(NamedTuple):
    """`statuses` are the HTTP statuses it comes with; `own_status`: it may also come with any that the backend gave."""

    statuses: tuple[int, ...]
    meaning: str
    remedy: str
    own_status: bool = False


class Group(NamedTuple):
    title: str
    about: str
    codes: dict[str, Code]


AGAIN = "Try again."
LOG_IN = "Log in again: run the command in the message."
NETWORK = "Check the network, then try again."

LOGIN = Group("The login", "No usable access token for your subscription. The message names the one command that helps.", {
    "login_missing": Code((401,), "There is no login where the message says.", "Run the command in the message."),
    "login_unreadable": Code((401,), "The file or keyring that the message names can't be read, or does not hold a login.", "Run the command in the message."),
    "login_expired": Code((401,), "The access token has expired or was refused, and there is no refresh token to renew it.", LOG_IN),
    "login_refused": Code((401,), "The backend or the OAuth server does not accept the login, not even with a fresh token.", LOG_IN),
    "refresh_token_reused": Code((401,), "The refresh token was used before, by another program on the same file or by one that was stopped while it renewed the login.", LOG_IN),
    "refresh_token_expired": Code((401,), "The refresh token has expired.", LOG_IN),
    "refresh_token_invalidated": Code((401,), "The login was revoked elsewhere, by a log-out or a new password.", LOG_IN),
    "invalid_grant": Code((401,), "The OAuth server does not accept the refresh token any more.", LOG_IN),
    "login_not_writable": Code((401,), "A renewed token could not be saved, so none was asked for.", "Make writable what the message names."),
    "login_other_issuer": Code((401,), "According to its file the login comes from another OAuth server than `codex_issuer`; its refresh token is sent to neither.", "Set `codex_issuer` to that server, or log in again."),
    "login_busy": Code((503,), "Another program holds the lock of the login file, or the file can't be written at the moment.", AGAIN),
    "issuer_unreachable": Code((502,), "The OAuth server can't be reached, so the token can't be renewed; the login is kept.", NETWORK),
    "issuer_unavailable": Code((503,), "The OAuth server gave no token, or did not answer in time; the login is kept.", "Try again in a minute."),
    "issuer_refuses_country": Code((503,), "The OAuth server does not serve this country or region; the login is kept.", "Use a network in a country that OpenAI serves."),
})  # fmt: skip

SUBSCRIPTION = Group("The subscription", "The backend accepts the login but refuses the request.", {
    "usage_limit_reached": Code((429,), "A usage window of the plan is used up; the message says which, and when it resets.", "Wait until then."),
    "usage_not_included": Code((429, 403), "The ChatGPT plan does not include Codex; 403 where the backend says so within an answer.", "Use a login of a Plus or higher plan."),
    "rate_limit_exceeded": Code((429,), "Too many requests or tokens in a short time.", "Wait as long as `Retry-After` or the message says."),
    "deactivated_workspace": Code((402,), "The workspace of the login is deactivated: its subscription has ended.", "Log in again and choose an active workspace.", own_status=True),
    "wrong_region": Code((401,), "The workspace of the login is not authorized in this region; a new login does not help.", "Use a network in a region where it is."),
    "model_not_found": Code((404,), "The model is not in the subscription. The Codex CLI gets the backend's own status.", "Use one of the names in the message, or set `codex_model_map`.", own_status=True),
    "no_models": Code((502,), "The backend lists no models, as it does for an old client version.", "Set `codex_client_version` to that of the current Codex CLI."),
    "compact_unavailable": Code((404,), "The backend has no `responses/compact`, and a turn that asks for the same is not answered either.", "Let the client shorten the conversation."),
})  # fmt: skip

BACKEND = Group("The backend and the way to it", "The backend sent no answer, an unreadable one or an incomplete one.", {
    "backend_unreachable": Code((502,), "The backend can't be reached, or gave no answer.", NETWORK),
    "backend_unknown_host": Code((502,), "The backend's name can't be resolved.", NETWORK),
    "backend_certificate": Code((502,), "The backend's certificate is not trusted, or not valid at this machine's time.", "Behind a company proxy, name its CA in `SSL_CERT_FILE`; check the clock."),
    "backend_tls": Code((502,), "The TLS handshake with the backend failed.", NETWORK),
    "backend_timeout": Code((504,), "The backend did not answer, or stopped in its answer.", "Try again; the limits are `codex_connect_timeout` and `codex_idle_timeout`."),
    "backend_closed": Code((502,), "The backend closed the connection before its answer was complete.", AGAIN),
    "backend_garbled": Code((502,), "What the backend sent is not HTTP, not a WebSocket, or too large.", AGAIN),
    "backend_error": Code((502,), "The backend answered with a redirect, a web page or nothing.", "Try again. In a hotel or company network, sign in there first.", own_status=True),
    "cloudflare_challenge": Code((403, 503), "Cloudflare stopped the request in front of the backend, as it does for addresses of data centres and VPNs.", "Try another network, or wait a few minutes."),
    "outgoing_proxy_failed": Code((502,), "The outgoing proxy can't be reached, or did not let the request through.", "Check `HTTPS_PROXY`."),
    "stream_broken": Code((502,), "The backend broke off in the middle of an answer. In a stream it is an `error` event, without a status.", AGAIN),
    "response_failed": Code((502,), "The backend reported a failure within an answer, without a code.", AGAIN),
    "response_incomplete": Code((502,), "The backend ended an answer early, for a reason that chat completions cannot express.", "Do as the reason in the message suggests."),
    "websocket_connection_limit_reached": Code((400,), "An `error` event on a WebSocket: its 60 minutes are over (the backend says so), or its token has expired.", "Connect again."),
    "token_replaced": Code((503,), "At the upgrade to a WebSocket the backend refused the token, which has been renewed.", "Connect again."),
})  # fmt: skip

REQUEST = Group("The request", "The request can't be sent.", {
    "unknown_path": Code((404,), "The proxy does not serve this path.", "Use a path in the message, or at `http://127.0.0.1:9090/`."),
    "wrong_method": Code((405,), "The path is not served with this method.", "Use a method in the message."),
    "not_in_dry_run": Code((501,), "A dry run has no answer for this path.", "Turn off `codex_dry_run`."),
    "use_http": Code((426,), "A dry run and capture mode take no WebSocket.", "POST the request."),
    "bad_upgrade": Code((400, 426), "The WebSocket upgrade does not follow RFC 6455; 426 for another version.", "Fix the client."),
    "malformed_request": Code((400,), "The request's head or body is not HTTP.", "Fix the client."),
    "path_too_long": Code((414,), "The path is longer than 16 KB.", "Shorten it."),
    "head_too_large": Code((431,), "The head has more than 256 header lines or 128 KB.", "Send fewer headers."),
    "head_timeout": Code((408,), "The head did not arrive within `codex_head_timeout`.", AGAIN),
    "http_version": Code((505,), "The request is not HTTP/1.1.", "Use HTTP/1.1."),
    "empty_body": Code((400,), "The request has no body.", "Send a JSON object with `model` and `input`."),
    "invalid_json": Code((400,), "The body is not JSON.", "Fix the client."),
    "not_an_object": Code((400,), "The body is JSON, but not an object.", "Fix the client."),
    "duplicate_key": Code((400,), "A key occurs twice in one object of the body, so its meaning is ambiguous.", "Send each key once."),
    "bad_encoding": Code((400,), "The body can't be decoded by its `Content-Encoding`.", "Fix the client."),
    "unsupported_encoding": Code((415, 502), "The body has a `Content-Encoding` that can't be read here; with 502 the backend's answer has one.", "Use one of those in the message."),
    "body_too_large": Code((413,), "The body is larger than `codex_body_limit`.", "Send less, or set `codex_body_limit`."),
    "too_much": Code((400, 429), "More items, values or parts than any client needs, or (429) frames of a WebSocket. All bounds are in [requests.md](requests.md#bounds).", "Stay within the bound in the message."),
    "missing_required_parameter": Code((400,), "The request names no `model`; `param` says so, as OpenAI's own error does.", "Name one of `GET /models`, or set `codex_model_default`."),
    "not_supported": Code((400,), "A field that the backend does not support, and without which the answer would differ.", "Do as the message says."),
    "invalid_messages": Code((400,), "The `messages` of a chat completion can't be translated.", "Fix what the message names."),
    "previous_response_not_found": Code((400,), "The request refers to a response that the proxy does not remember, or no longer remembers.", "Set in the client what the message says, or raise `codex_memory`."),
    "item_not_found": Code((400,), "The request refers to an item that the proxy does not remember, or no longer remembers.", "Set in the client what the message says, or raise `codex_memory`."),
})  # fmt: skip

CALLER = Group("Who may call", "The caller is refused; see the README on security.", {
    "not_this_machine": Code((403,), "The caller is on another machine, and there is no client key.", "Set `codex_client_key`."),
    "host_refused": Code((403,), "The `Host` is not a name of this machine, so a web page may be behind it.", "Use `localhost` or `127.0.0.1`, or set `codex_client_key`."),
    "origin_refused": Code((403,), "The request comes from a web page.", "For a page of your own, name its origin in `codex_allow_origins`."),
    "wrong_client_key": Code((401,), "The client key is missing or wrong.", "Send it as the API key."),
})  # fmt: skip

PROXY = Group("The proxy itself", "The proxy, its process or another addon failed, or is stopping.", {
    "proxy_failed": Code((500,), "The proxy failed. Whether anything was sent is in the message.", "Look at its log, and report it."),
    "not_claimed": Code((500,), "Another addon failed before the proxy saw the request, so nothing was sent.", "Look at mitmproxy's log, which names the addon."),
    "not_sent": Code((500,), "Another addon failed or redirected the request, so nothing was sent.", "Look at mitmproxy's log, which names the addon."),
    "proxy_out_of_files": Code((503,), "The proxy has reached its limit of open files; connections count as files.", "Close some clients, or raise `ulimit -n`."),
    "stopping": Code((503,), "The proxy is being stopped.", AGAIN),
    "client_gone": Code((499,), "The client closed the connection. Only the log and the page show it.", "Nothing."),
})  # fmt: skip

PASSED_ON = Group("The backend's own codes", "These and others come from the backend or the OAuth server and are passed on, with the status and the message they came with.", {
    "token_expired": Code((401,), "The backend does not accept the login, not even with a fresh token.", LOG_IN),
    "token_invalidated": Code((401,), "The backend does not accept the login, not even with a fresh token.", LOG_IN),
    "token_revoked": Code((401,), "The backend does not accept the login, not even with a fresh token.", LOG_IN),
    "unsupported_country_region_territory": Code((403,), "The backend does not serve this country or region.", "Use a network in a country that OpenAI serves."),
    "insufficient_quota": Code((429,), "The plan or its credits are used up.", "Look at the usage page of ChatGPT."),
    "context_length_exceeded": Code((400,), "The conversation is longer than the model accepts.", "Shorten it."),
    "invalid_prompt": Code((400,), "The backend does not accept this prompt.", "Change it."),
    "cyber_policy": Code((400,), "The request is against a policy of OpenAI's.", "Change it."),
    "bio_policy": Code((400,), "The request is against a policy of OpenAI's.", "Change it."),
    "misalignment_policy_violation": Code((400,), "The request is against a policy of OpenAI's.", "Change it."),
    "invalid_encrypted_content": Code((400,), "The conversation holds encrypted reasoning of another account; over HTTP the proxy retries without it.", "Begin a new conversation."),
    "server_is_overloaded": Code((503,), "The backend is overloaded.", "Try again in a minute."),
    "slow_down": Code((503,), "The backend is overloaded.", "Try again in a minute."),
    "server_error": Code((500,), "The backend failed.", AGAIN, own_status=True),
})  # fmt: skip

SCRIPTS = Group("The scripts", "Printed on the terminal, with the exit status; never sent to a client.", {
    "login_unfinished": Code((401,), "`scripts/login` did not finish.", "Do as the message says."),
    "logout_unfinished": Code((401,), "`scripts/logout` did not finish; the login still exists.", "Do as the message says."),
})  # fmt: skip

GROUPS = (LOGIN, SUBSCRIPTION, BACKEND, REQUEST, CALLER, PROXY, PASSED_ON, SCRIPTS)

CODES = {code: row for group in GROUPS for code, row in group.codes.items()}


def status_of(code: str | None, given: int | None = None) -> int:
    """The HTTP status of an error; `given` is needed where the row has several. Raises ValueError for what is in no row."""
    row = CODES.get(code or "")
    if row is None:
        raise ValueError(f"the error code {code!r} is not in error_codes.py")
    if given is None and (len(row.statuses) == 1 or row.own_status):
        return row.statuses[0]
    if given is None or not (given in row.statuses or row.own_status):
        raise ValueError(f"{code} comes with one of {row.statuses}, not with {given}")
    return given
