"""Redact secrets, recognized by their form or their value; used by the guard, the log and the errors."""

import re
from typing import Any

from ..printable import printable
from .known_secrets import KnownSecrets

# Request headers that carry a caller's or our own credentials, or tell whose account it is.
REQUEST_HEADERS = frozenset(
    {"authorization", "api-key", "chatgpt-account-id", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"}
)

# Where a token may begin: not inside a word, or a text of many beginnings would cost its square; but the letter of a JSON
# escape or the digits of a percent escape may stand before it.
BEGIN = r"(?:(?<![\w-])|(?<=\\[nrt])|(?<=%[\da-f]{2}))"

# Tokens by their form: JWTs, platform keys, personal access tokens, refresh tokens, bearer values (docs/backend.md, 8).
TOKENS = re.compile(
    BEGIN + r"(?:eyJ[\w-]{8,}(?:\.[\w-]*){1,4}|(?:sk|sess|rt|at)[-_][\w.-]{12,})"
    r"|(?<=bearer )(?=\S*\d)\S{8,}|(?<=basic )(?=\S*[\d=+/])\S{8,}",
    re.I,
)

# What mitmweb, files, exports and the log show in its place.
HIDDEN = "[hidden by the proxy]"

# Those of this process: one login, one set of cookies, one client key.
KNOWN = KnownSecrets()

# What a log line, a comment or a field of the status page may take, in characters; and how much more is looked at, so that
# no secret is cut in two before it is hidden.
LONGEST, MARGIN = 1 << 14, 1 << 12

# As deep as the values of an error are shown.
DEEPEST = 32


# The longest beginning of a token that does not look like one, up to a cut.
AT_THE_CUT = re.compile(r"\S{1,64}\Z")

# What may be shown of a query: names, and the values that tell nothing, as long as they are one word.
SHOWN_IN_QUERY = frozenset({"client_version", "api-version", "stream"})
ONE_WORD = re.compile(r"[\w.-]{0,40}")


def query(path: str) -> str:
    """A path without tokens, whose query has lost the values a key may be among."""
    route, mark, rest = path.partition("?")
    pairs = [pair.partition("=") for pair in rest.split("&")] if rest else []
    shown = [
        redact(name) + equals + (value if is_shown(name, value) else HIDDEN if equals else "")
        for name, equals, value in pairs
    ]
    return redact(route) + mark + "&".join(shown)


def is_shown(name: str, value: str) -> bool:
    return name in SHOWN_IN_QUERY and ONE_WORD.fullmatch(value) is not None and redact(value) == value


def redact(text: str) -> str:
    """`text` with everything replaced that looks like a token, or is one of the secrets in use."""
    return by_form(by_value(text))


def by_value(text: str) -> str:
    """`text` with the secrets in use replaced."""
    return KNOWN.hide(text, HIDDEN)


def by_form(text: str) -> str:
    """`text` with everything replaced that looks like a token; for what is long and has nothing of ours in it."""
    return TOKENS.sub(HIDDEN, text)


def short(text: str, length: int) -> str:
    """The first `length` characters of `text` without tokens: cut first, for looking through a long text takes seconds.

    What stands at the cut goes as well: half a token may not look like one.
    """
    if len(text) <= length:
        return redact(text)
    return AT_THE_CUT.sub("", redact(text[:length])) + "…"


def one_line(text: str, longest: int = LONGEST) -> str:
    """One line without secrets, nothing in it that a terminal follows: for the log, a flow's comment, the status page."""
    shown = printable(redact(text[: longest + MARGIN]))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def values(value: Any, depth: int = 0) -> Any:
    """A decoded JSON value with the secrets in its texts replaced; what is nested too deep for an error is left out."""
    match value:
        case str():
            return redact(value)
        case list() | dict() if depth > DEEPEST:
            return None
        case list():
            return [values(one, depth + 1) for one in value]
        case dict():
            return {redact(key): values(one, depth + 1) for key, one in value.items()}
    return value
