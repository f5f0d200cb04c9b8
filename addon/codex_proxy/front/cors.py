"""CORS: which web origins may call, and the headers that allow it (Fetch standard, "HTTP extensions")."""

import re
from collections.abc import Iterable, Mapping

# As a browser writes it: scheme, host and a port that is not the scheme's own, nothing behind it (RFC 6454, section 6.2).
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
OWN_PORT = {"http": ":80", "https": ":443"}

# Answer headers that a page may read, beside the few that every page may: what SDKs look at.
EXPOSED = (
    "x-request-id, retry-after, retry-after-ms, x-should-retry, openai-model, openai-processing-ms, openai-version, x-models-etag,"
    " x-codex-turn-state, x-codex-plan-type, x-codex-primary-used-percent, x-codex-primary-reset-at,"
    " x-codex-secondary-used-percent, x-codex-secondary-reset-at"
)

# Header names that a preflight asks for; anything else is not repeated.
NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")

# How long a browser may keep the answer to a preflight, in seconds.
MAX_AGE = "600"


def parse(entries: Iterable[str]) -> frozenset[str]:
    """The origins of `codex_allow_origins`. Raises ValueError that says what is wrong with one."""
    return frozenset(_origin(entry.strip()) for entry in entries)


def _origin(entry: str) -> str:
    if entry == "*":
        raise ValueError("* would let every web page you visit spend your subscription; name the origins that may call")
    if entry.lower() == "null":
        raise ValueError(
            "null is the origin of every sandboxed page and every file, so it can't be let in; serve the page from an address"
        )
    origin = entry.lower().removesuffix("/")
    scheme = origin.partition("://")[0]
    if not ORIGIN.fullmatch(origin):
        raise ValueError(
            f"{entry!r} is not an origin; write it as http://localhost:5173, chrome-extension://ID, app://NAME"
        )
    return origin.removesuffix(OWN_PORT.get(scheme, "\0"))


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """Whether this is a preflight, which never carries a key."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of the answer to a preflight, in addition to those of `answer`."""
    wanted = headers.get("access-control-request-headers", "")
    told = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": wanted if NAMES.fullmatch(wanted) else "authorization, content-type",
        "Access-Control-Max-Age": MAX_AGE,
    }
    if headers.get("access-control-request-private-network") == "true":
        # Chrome asks so where a page of the internet calls this machine (Private Network Access).
        told["Access-Control-Allow-Private-Network"] = "true"
    return told


def answer(origin: str) -> dict[str, str]:
    """What each answer to a page says. No cookies: a page has to know the key, if there is one."""
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
