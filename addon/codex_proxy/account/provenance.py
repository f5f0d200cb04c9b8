"""The issuer and client that a login was made with; the CLI renews it there as that client (docs/backend.md, 9).

A refresh token goes to the issuer that the user has set or that is built in, never to one that only the file names.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import LoginError
from . import credentials, forms
from .issuer import CLIENT_ID

NAME = "oauth_provenance"

# What the file says of each login besides its tokens, and does not hold for the next one.
OF_ONE_LOGIN = (NAME, "login_owner_id")

# Longer than any client id or address, in characters.
LONGEST = 200

PORTS = {"https": 443, "http": 80}


class Provenance(NamedTuple):
    """`issuer` is None if the file does not name it."""

    issuer: str | None = None
    client_id: str = CLIENT_ID


UNSAID = Provenance()


def of(document: Any) -> Provenance:
    """Accepts any document; values that are not strings are ignored."""
    document = document if isinstance(document, Mapping) else {}
    nested = document.get("tokens")
    for held in (credentials.tokens(document), nested, document):
        said = held.get(NAME) if isinstance(held, Mapping) else None
        if isinstance(said, Mapping):
            return Provenance(_text(said.get("issuer")), _text(said.get("client_id")) or CLIENT_ID)
    return UNSAID


def trouble(provenance: Provenance, issuer: str, remedy: str = "") -> LoginError | None:
    """Why the refresh token is not for `issuer`, the one that is set; None if it is."""
    made_at = provenance.issuer
    if made_at is None or ((found := _normal(made_at)) and found == _normal(issuer)):
        return None
    return LoginError(
        "login_other_issuer",
        f"According to its file the login comes from {made_at}, but the configured issuer is {issuer}: its refresh token is sent to neither."
        f" If that address is right, set codex_issuer (scripts: --issuer) to it; if not, log in again. {remedy}".rstrip(),
    )


def _normal(address: str) -> tuple[str, str | None, int | None, str] | None:
    """Two spellings of one address are equal; None for what is not the address of a server."""
    try:
        url = urlsplit(address)
        port = url.port or PORTS.get(url.scheme)
    except ValueError:
        return None
    if url.scheme not in PORTS or url.query or url.fragment or url.username or url.password:
        return None
    return url.scheme, url.hostname, port, url.path.rstrip("/")


def _text(value: Any) -> str | None:
    found = forms.text(value)
    return found if found and len(found) <= LONGEST and found.isascii() and found.isprintable() else None
