"""Errors that clients are told, in the shape that OpenAI's SDKs print.

ProxyError                  status, code and a message of one or two sentences
├── LoginError              401: there is no login, or it can no longer be used
└── IssuerError             502/503: the OAuth server can't be reached at the moment; the login is kept
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from .error_codes import status_of
from .printable import lines, printable, whole

# OpenAI's error types by status (docs/backend.md, 7.1; the SDKs show the type beside the message).
TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

# Nesting depth of extra fields in an error.
DEEPEST = 32


class ProxyError(Exception):
    """A request that ends here.

    `code` is a row of error_codes.py, which says the status; `status` is needed for a code with several. `of_backend`: code and
    status are words of the backend's or the OAuth server's, and need be in no table. `headers` go out with the answer; `kind`
    overrides the error's type. Raises ValueError for a code or a status that the table does not have.
    """

    def __init__(
        self,
        code: str | None,
        message: str,
        *,
        status: int | None = None,
        of_backend: bool = False,
        headers: Mapping[str, str] | None = None,
        kind: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        # They may quote a client, a server or a file, and clients print them to a terminal.
        self.message = lines(message)
        super().__init__(self.message)
        self.status = status if of_backend and status is not None else status_of(code, status)
        self.code = printable(code) if code is not None else None
        self.headers = dict(headers or {})
        self.kind = kind or TYPES.get(self.status) or ("invalid_request_error" if self.status < 500 else "server_error")
        self.extra = dict(extra or {})

    def body(self) -> bytes:
        """The answer's body: `{"error": {"message", "type", "param", "code", …}}`. Never raises, whatever is in them."""
        error = {"message": self.message, "type": self.kind, "param": None, "code": self.code, **self.extra}
        try:
            return msgspec.json.encode({"error": error})
        except (UnicodeError, ValueError, TypeError, OverflowError, RecursionError):
            return msgspec.json.encode({"error": encodable(error)})


def encodable(value: Any, depth: int = 0) -> Any:
    """A value as JSON can have it: half a character is escaped, an odd type or number is its text, what is nested deep is left out."""
    if value is None or isinstance(value, bool | float):
        return value
    if depth > DEEPEST:
        return None
    if isinstance(value, int) and abs(value) < 1 << 63:
        return value
    if isinstance(value, Mapping):
        return {whole(str(key)): encodable(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(inner, depth + 1) for inner in value]
    return whole(f"{value:.6g}" if isinstance(value, int) else str(value))


class LoginError(ProxyError):
    """There is no login that could be used; the message names the one command that helps."""

    def __init__(self, code: str, message: str, *, of_backend: bool = False) -> None:
        # The same request would fail the same way until the user has logged in (docs/backend.md, 8.4).
        super().__init__(code, message, status=401, of_backend=of_backend, headers={"x-should-retry": "false"})


class IssuerError(ProxyError):
    """The token could not be renewed at the moment; the login is unchanged."""
