"""The server's record of a request."""

from dataclasses import dataclass
from typing import Any

from .connection import Request
from .replies import Headers, Reply

SECRET_HEADERS = ("authorization", "cookie")
SECRET_FIELDS = ("refresh_token", "access_token", "id_token", "token", "code", "code_verifier", "encrypted_content")
HIDDEN = "(left out)"


@dataclass(frozen=True)
class Seen:
    """Header names are in lower case; `body` is without its content encoding; `status` 0: no answer at all."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    json: Any
    status: int
    refusal: str | None
    connection: int

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    @classmethod
    def of(cls, request: Request, reply: Reply) -> "Seen":
        body = request.body if request.decoded is None else request.decoded
        return cls(
            request.method,
            request.path,
            request.query,
            request.headers,
            body,
            request.json,
            reply.status,
            reply.refusal,
            request.connection,
        )


def safe_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, HIDDEN if name in SECRET_HEADERS else value) for name, value in headers]


def without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {key: HIDDEN if key in SECRET_FIELDS else without_secrets(each) for key, each in value.items()}
        case list():
            return [without_secrets(each) for each in value]
    return value
