"""Table of the failures that can be switched on: name, effect, and a sentence of help.

A failure meets a request that is otherwise correct; a request that the checks refuse uses none up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..answers.script import Script
from ..wire.replies import Refused, Wire
from . import refusals as r
from . import stream_faults as s

type Kind = Literal["responses", "upgrade", "compact", "models", "token"]
type Refuse = Callable[[r.Situation], Refused]
type Spoil = Callable[[Script, str], None]


@dataclass(frozen=True)
class Failure:
    """`spend`: a refresh token is used up although the answer does not get through."""

    help: str
    kind: Kind = "responses"
    refuse: Refuse | None = None
    spoil: Spoil | None = None
    wire: Wire | None = None
    used_only: bool = False
    spend: bool = False
    argument: str = ""
    numeric: bool = False


def stream(help: str, spoil: Spoil, argument: str = "", numeric: bool = False) -> Failure:
    return Failure(help, spoil=spoil, argument=argument, numeric=numeric)


def refused(help: str, refuse: Refuse, kind: Kind = "responses", argument: str = "") -> Failure:
    return Failure(help, kind, refuse=refuse, argument=argument)


FAILURES: dict[str, Failure] = {
    # The answer is a stream, and something about it is unusual.
    "no-content-type": stream("a good stream without a content-type header", s.no_content_type),
    "content-encoding-gzip": stream("the stream gzipped, although it was not requested", s.encoded("gzip")),
    "content-encoding-br": stream("the same with brotli", s.encoded("br")),
    "content-encoding-zstd": stream("the same with zstd", s.encoded("zstd")),
    "done-marker": stream("`data: [DONE]` after the last event", s.done_marker),
    "terminal-done": stream("the last event is response.done in place of response.completed", s.terminal_done),
    "incomplete": stream("the last event is response.incomplete, for REASON", s.incomplete, "max_output_tokens"),
    "full-output": stream("response.completed has its output filled", s.full_output),
    "crlf": stream("lines end with CR LF", s.crlf),
    "comments": stream("comments and unknown events between the events", s.comments),
    "no-event-lines": stream("only data lines, no event lines", s.no_event_lines),
    "split": stream("the stream in writes of N bytes, inside lines and characters", s.split, "1", numeric=True),
    "huge-frame": Failure("a frame of more than BYTES bytes", argument="100000", numeric=True),
    "slow": stream("SECONDS of silence before each event", s.slow, "1", numeric=True),
    "slow-start": stream("SECONDS of silence before the status line", s.slow_start, "1", numeric=True),
    "silence": stream("SECONDS of silence in the middle of the stream", s.silence, "70", numeric=True),
    "close-idle": stream("the kept-alive connection is closed right after the answer", s.close_idle),
    # The stream begins well and tells of a failure.
    "failed": stream("response.failed with CODE at the start of the stream", s.failed, "server_error"),
    "failed-late": stream("response.failed with CODE after some of the text", s.failed_late, "server_error"),
    "error-event-flat": stream("an error event with code and message at its top", s.error_flat),
    "error-event-nested": stream("an error event with an error object in it", s.error_nested),
    "overload-in-stream": stream("server_is_overloaded inside a 200 stream", s.overload),
    # The stream begins well and breaks.
    "cut-clean": stream("the body ends properly, but before the last event", s.cut_clean),
    "cut-close": stream("the connection is closed before the last event, without a last chunk", s.cut_close),
    "reset": stream("the connection is reset after some events", s.reset),
    "reset-mid-line": stream("the connection is reset in the middle of a line", s.reset_mid_line),
    # Refusals.
    "usage-limit": refused("429 usage_limit_reached; SECONDS until the reset[:primary|secondary]", r.usage_limit, argument="3600"),
    "rate-limit": refused("429 rate_limit_exceeded with `try again in` SECONDS", r.rate_limit, argument="1.898"),
    "usage-not-included": refused("429 usage_not_included", r.usage_not_included),
    "capacity": refused("429, the model is at capacity", r.capacity),
    "quota-404": refused("usage_limit_reached as a 404, as in late 2025", r.quota_404),
    "deactivated": refused("402 deactivated_workspace", r.deactivated),
    "cloudflare": refused("403, Cloudflare's challenge page", r.cloudflare),
    "cloudflare-blocked": refused("403, Cloudflare's `you have been blocked`", r.cloudflare_blocked),
    "cloudflare-503": refused("503, Cloudflare's challenge page", r.cloudflare_503),
    "html-502": refused("502 with a page", r.html_502),
    "json-500": refused("500 with an error object", r.json_500),
    "empty-503": refused("503 with nothing", r.empty_503),
    "overload-503": refused("503 server_is_overloaded", r.overload_503),
    "unauthorized": refused("401 token_expired, though the token is fresh", r.unauthorized),
    "unauthorized-region": refused("401, the workspace is not authorized in this region", r.unauthorized_region),
    "model-refused": refused("400, the model is not supported for the account", r.model_refused, argument="gpt-6-sol"),
    "not-found": refused("404, as for a path that is not there", r.no_compact),
    "invalid-encrypted": refused("400 invalid_encrypted_content", r.invalid_encrypted),
    "context-length": refused("400 context_length_exceeded", r.context_length),
    "cyber-policy": refused("400 cyber_policy", r.cyber_policy),
    # No answer.
    "close-before-answer": Failure("the request is read and the connection closed without a byte", wire="close"),
    "reset-before-answer": Failure("the request is read and the connection reset", wire="reset"),
    "stale": Failure("the next request on a used connection meets a close without a byte", wire="close", used_only=True),
    "garbage": Failure("bytes that are not HTTP", wire="garbage"),
    # The upgrade to a WebSocket
    "no-websocket": refused("426, which sends the Codex CLI to HTTP", r.no_websocket, "upgrade"),
    "upgrade-unauthorized": refused("401 token_expired, though the token is fresh", r.unauthorized, "upgrade"),
    "upgrade-cloudflare": refused("403, Cloudflare's challenge page", r.cloudflare, "upgrade"),
    "upgrade-usage-limit": refused("429 usage_limit_reached; SECONDS until the reset", r.usage_limit, "upgrade", "3600"),
    "upgrade-500": refused("500 with an error object", r.json_500, "upgrade"),
    "upgrade-reset": Failure("a reset in place of an answer", "upgrade", wire="reset"),
    # POST /responses/compact
    "no-compact": refused("404, as third parties were seen to get", r.no_compact, "compact"),
    # GET /models
    "models-empty": refused("an empty list", r.models_empty, "models"),
    "models-500": refused("500 with an error object", r.json_500, "models"),
    # POST /oauth/token
    "refresh-reused": refused("401 refresh_token_reused", r.refresh_reused, "token"),
    "refresh-expired": refused("401 refresh_token_expired", r.refresh_expired, "token"),
    "refresh-invalidated": refused("401 refresh_token_invalidated", r.refresh_invalidated, "token"),
    "invalid-grant": refused("400 invalid_grant", r.invalid_grant, "token"),
    "refresh-500": refused("500 temporary-failure", r.refresh_500, "token"),
    "refresh-cloudflare": refused("403, Cloudflare's challenge page", r.cloudflare, "token"),
    "refresh-garbage": refused("200 that is not JSON", r.refresh_garbage, "token"),
    "unsupported-country": refused("403 unsupported_country_region_territory", r.unsupported_country, "token"),
    "refresh-no-refresh-token": Failure("a good answer without a refresh token; the old one stays good", "token"),
    "refresh-no-id-token": Failure("a good answer without an id token", "token"),
    "refresh-slow": Failure("a good answer after SECONDS", "token", argument="1", numeric=True),
    "refresh-reset": Failure("a reset; the refresh token stays good", "token", wire="reset"),
    "refresh-lost": Failure("a reset; the refresh token is spent nevertheless", "token", wire="reset", spend=True),
}  # fmt: skip


@dataclass(frozen=True)
class Active:
    """A failure with its argument; `text` is how it was asked for."""

    text: str
    name: str
    failure: Failure
    argument: str


def parse(text: str) -> Active:
    """`name` or `name:argument`; ValueError says what is wrong with it."""
    name, colon, argument = text.partition(":")
    failure = FAILURES.get(name)
    if failure is None:
        raise ValueError(f"no failure {name!r}; there are: {', '.join(FAILURES)}")
    if colon and not failure.argument:
        raise ValueError(f"failure {name!r} takes no argument")
    argument = argument if colon else failure.argument
    if failure.numeric:
        try:
            float(argument)
        except ValueError as e:
            raise ValueError(f"failure {name!r} takes a number, not {argument!r}") from e
    return Active(text, name, failure, argument)


def table() -> str:
    """The failures with their help, for people."""
    width = max(map(len, FAILURES)) + 2
    lines = []
    for name, failure in FAILURES.items():
        default = f" (:{failure.argument} unless given)" if failure.argument else ""
        lines.append(f"{name:{width}}{failure.kind:11}{failure.help}{default}")
    return "\n".join(lines)
