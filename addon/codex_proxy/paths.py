"""The paths a client may call, as a table: what each is, and the methods it takes (design, section 6)."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode

from .errors import ProxyError


class Route(NamedTuple):
    """`backend` is the path below the backend's base address; None for what is answered here."""

    name: str
    methods: tuple[str, ...]
    backend: str | None
    about: str


ROUTES = {
    "/": Route("about", ("GET",), None, "what this is, and how it goes: a page in a browser, JSON for programs"),
    "/healthz": Route("health", ("GET",), None, "200 while there is a usable login, else 503"),
    "/responses": Route("responses", ("POST",), "/responses", "OpenAI's Responses API, streaming and not"),
    "/models": Route("models", ("GET",), "/models", "the models of the subscription, in the backend's shape"),
    "/responses/compact": Route("compact", ("POST",), None, "not yet served"),
    "/chat/completions": Route("chat", ("POST",), None, "not yet served: use the Responses API"),
    "/models/{id}": Route("model", ("GET",), None, "not yet served"),
}

# Answered with 501 until they are served.
LATER = frozenset({"compact", "chat", "model"})

# In front of a path: what OpenAI clients, and clients of the backend itself, put there.
PREFIX = re.compile(r"^(?:/backend-api/codex|/v1)(?=/|$)")


def find(method: str, path: str) -> Route:
    """The route of a client's path and query. Raises ProxyError: 404 or 405 with `Allow`."""
    route = ROUTES.get(canonical(path))
    if route is None:
        served = ", ".join(f"{' '.join(r.methods)} {p}" for p, r in ROUTES.items() if r.name not in LATER)
        raise ProxyError(
            404,
            "unknown_path",
            f"No such path here: {method} {bare(path)}. Served are {served}; each also with /v1 in front, so a base URL of"
            " http://HOST:PORT and one of http://HOST:PORT/v1 both work (but not /v1/v1).",
        )
    if method not in route.methods:
        allowed = ", ".join(route.methods)
        raise ProxyError(
            405, "wrong_method", f"{bare(path)} takes {allowed}, not {method}.", headers={"Allow": allowed}
        )
    if route.name in LATER:
        raise ProxyError(
            501,
            "not_implemented",
            f"{bare(path)} is not served by this proxy yet. POST /responses is: point the client at the Responses API.",
        )
    return route


def canonical(path: str) -> str:
    """A path as it stands in ROUTES: no query, no prefix, no doubled or trailing slash."""
    plain = PREFIX.sub("", re.sub(r"/{2,}", "/", bare(path)))
    plain = plain.rstrip("/") or "/"
    return "/models/{id}" if re.fullmatch(r"/models/[^/]+(/[^/]+)?", plain) else plain


def bare(path: str) -> str:
    return path.partition("?")[0]


def backend_query(route: Route, path: str, client_version: str) -> str:
    """The query that goes up: only the catalogue has one (contract 1.3), and keys in queries stay here."""
    if route.name != "models":
        return ""
    asked = parse_qs(path.partition("?")[2]).get("client_version", [])
    return "?" + urlencode({"client_version": asked[0] if asked else client_version})
