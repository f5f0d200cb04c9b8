"""The server's replies, and the forms of its refusals (docs/backend.md, 7.1)."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

type Headers = list[tuple[str, str]]

JSON_TYPE = ("content-type", "application/json")
HTML_TYPE = ("content-type", "text/html; charset=UTF-8")

# What is done to the connection in place of an answer.
type Wire = Literal["close", "reset", "garbage"]
# How a streamed body ends: properly, with a FIN and no last chunk, or with a RST.
type End = Literal["proper", "close", "reset"]


@dataclass
class Stream:
    """A chunked body: its pieces, each one chunk, and how they are written."""

    pieces: list[bytes]
    pauses: dict[int, float] = field(default_factory=dict)
    end: End = "proper"


@dataclass
class Reply:
    """One answer; `refusal` says in words why it is not a good one."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    refusal: str | None = None
    stream: Stream | None = None
    wire: Wire | None = None
    wait: float = 0
    close_after: bool = False
    socket: Callable[[Any], Awaitable[None]] | None = None
    """What talks on the connection after an upgrade."""


class Refused(Exception):
    """Ends the work on a request with the reply it carries."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.refusal)
        self.reply = reply


def dumps(value: object) -> bytes:
    """Compact, in UTF-8; half a surrogate pair becomes its escape."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def ok(value: object, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    return Reply(200, [JSON_TYPE, *headers], dumps(value))


def refusal(status: int, value: object, text: str, headers: Sequence[tuple[str, str]] = ()) -> Refused:
    return Refused(Reply(status, [JSON_TYPE, *headers], dumps(value), text))


def detail(text: str, status: int = 400, headers: Sequence[tuple[str, str]] = ()) -> Refused:
    """The gateway's own checks: one string."""
    return refusal(status, {"detail": text}, text, headers)


def api_error(
    message: str,
    *,
    status: int = 400,
    type: str | None = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    **more: Any,
) -> Refused:
    """The Responses API behind the gateway, and the quota layer."""
    error = {"message": message, "type": type, "param": param, "code": code, **more}
    return refusal(status, {"error": error}, message, headers)


def auth_error(message: str, code: str | None, type: str | None = None) -> Refused:
    """The auth layer: the status is repeated in the body."""
    error = {"message": message, "type": type, "code": code, "param": None}
    return refusal(401, {"error": error, "status": 401}, message)


def html(status: int, page: str, text: str, headers: Sequence[tuple[str, str]] = ()) -> Refused:
    """Cloudflare and the edge (docs/backend.md, 2.2)."""
    return Refused(Reply(status, [HTML_TYPE, *headers], page.encode(), text))


def missing(param: str) -> Refused:
    return api_error(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, value: object) -> Refused:
    text = f"Invalid type for '{param}': expected {expected}, but got {kind_of(value)} instead."
    return api_error(text, param=param, code="invalid_type")


def invalid_value(value: object, allowed: Sequence[str], param: str) -> Refused:
    text = f"Invalid value: '{value}'. Supported values are: {listed(allowed)}."
    return api_error(text, param=param, code="invalid_value")


def too_long(param: str, value: str, limit: int) -> Refused:
    text = (
        f"Invalid '{param}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {len(value)} instead."
    )
    return api_error(text, param=param, code="string_above_max_length")


def unknown(param: str) -> Refused:
    return api_error(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def listed(values: Sequence[str]) -> str:
    """'a', 'b', and 'c': the way the API lists values."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + ", and " + quoted[-1]


KINDS: tuple[tuple[Callable[[object], bool], str], ...] = (
    (lambda value: value is None, "null"),
    (lambda value: isinstance(value, bool), "a boolean"),
    (lambda value: isinstance(value, int), "an integer"),
    (lambda value: isinstance(value, float), "a decimal number"),
    (lambda value: isinstance(value, str), "a string"),
    (lambda value: isinstance(value, list), "an array"),
)


def kind_of(value: object) -> str:
    return next((name for fits, name in KINDS if fits(value)), "an object")
