"""The table of paths that a client may call, with their methods. The backend's paths are in docs/backend.md, 1."""

import re
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlencode

from ..chat import dialect as chat
from ..dialect import Translate
from ..errors import ProxyError


class Route(NamedTuple):
    """One row: what is behind a path, and what is done with its requests."""

    name: str
    methods: tuple[str, ...]
    about: str
    backend: str | None = None
    """Path below the backend's base address; None for what is answered here."""
    body: Literal["none", "turn", "compact"] = "none"
    """What its body is: none is taken, a turn of the model's, answered by events, or a conversation to be shortened."""
    translate: Translate | None = None
    """From another dialect (dialect.py); None: it is the Responses API's own."""
    patience: int = 1
    """How many times `codex_idle_timeout` the backend may be silent."""

    @property
    def goes_up(self) -> bool:
        return self.backend is not None

    @property
    def is_turn(self) -> bool:
        return self.body == "turn"


ROUTES = {
    "/": Route("about", ("GET",), "the proxy's status: a page in a browser, JSON for programs"),
    "/healthz": Route("health", ("GET",), "200 while there is a usable login, else 503"),
    "/responses": Route("responses", ("POST",), "OpenAI's Responses API, streamed or not", "/responses", "turn"),
    "/models": Route("models", ("GET",), "the models of the subscription"),
    # The official client gives a compaction four times as long (docs/backend.md, 1.1).
    "/responses/compact": Route(
        "compact", ("POST",), "a conversation, compacted and encrypted", "/responses/compact", "compact", patience=4
    ),
    "/chat/completions": Route(
        "chat", ("POST",), "OpenAI's chat completions, translated", "/responses", "turn", chat.translate
    ),
    "/models/{id}": Route("model", ("GET",), "one of them"),
}

# A compaction, where the backend has no endpoint for it (docs/backend.md, 1.1): a turn, answered as the endpoint would.
COMPACT_BY_TURN = Route("compact", ("POST",), "a compaction, by a turn", "/responses", "turn", patience=4)

# `GET /responses`, where it asks for a WebSocket.
SOCKET = Route("socket", ("GET",), "the same over WebSocket, as the Codex CLI speaks it", "/responses")

# `GET /models` with a client_version, as the Codex CLI asks: the backend's own answer, byte for byte.
CATALOGUE = Route("catalogue", ("GET",), "the models as the backend lists them", "/models")

# Of a request whose path was not looked up yet.
NO_ROUTE = Route("", (), "")

# In front of a path: what OpenAI clients, and clients of the backend itself, put there.
PREFIX = re.compile(r"^(?:/backend-api/codex|/v1)(?=/|$)")

NOT_IN_ADDRESS = re.compile(r"[^\x21-\x7e]+")


def find(method: str, path: str) -> Route:
    """The route of a client's path and query. Raises ProxyError: 404 or 405 with `Allow`."""
    route = ROUTES.get(canonical(path))
    if route is None:
        if canonical(path).startswith("/responses/"):
            raise ProxyError(
                "unknown_path",
                f"No such path here: {method} {bare(path)}. Answers can't be fetched or deleted later, as nothing is stored behind this"
                " backend.",
            )
        served = ", ".join(f"{' '.join(r.methods)} {p}" for p, r in ROUTES.items())
        raise ProxyError(
            "unknown_path",
            f"No such path here: {method} {bare(path)}. The proxy serves {served}; each also with the prefix /v1, so a base URL of"
            " http://HOST:PORT and one of http://HOST:PORT/v1 both work (but not /v1/v1).",
        )
    if method not in route.methods:
        allowed = ", ".join(route.methods)
        raise ProxyError("wrong_method", f"{bare(path)} takes {allowed}, not {method}.", headers={"Allow": allowed})
    return CATALOGUE if route.name == "models" and client_version(path) else route


def canonical(path: str) -> str:
    """A path as it stands in ROUTES: no query, no prefix, no doubled or trailing slash."""
    plain = PREFIX.sub("", re.sub(r"/{2,}", "/", bare(path)))
    plain = plain.rstrip("/") or "/"
    return "/models/{id}" if re.fullmatch(r"/models/[^/]+(/[^/]+)?", plain) else plain


def escaped(path: str) -> str:
    """A path and query as an address has it: everything but visible ASCII is percent-encoded (RFC 3986, section 2.1)."""
    return NOT_IN_ADDRESS.sub(lambda found: quote(found[0].encode("utf-8", "surrogateescape"), safe=""), path)


def bare(path: str) -> str:
    return path.partition("?")[0]


def model(path: str) -> str:
    """The name in a path of the route `/models/{id}`."""
    return unquote(re.sub(r"/{2,}", "/", bare(path)).rstrip("/").partition("/models/")[2])


def client_version(path: str) -> str:
    """What a query asks for; empty if it does not."""
    return parse_qs(path.partition("?")[2]).get("client_version", [""])[0]


def backend_query(route: Route, path: str) -> str:
    """The query that goes up: only the catalogue has one (docs/backend.md, 1.3), and keys in queries stay here."""
    return "?" + urlencode({"client_version": client_version(path)}) if route is CATALOGUE else ""
