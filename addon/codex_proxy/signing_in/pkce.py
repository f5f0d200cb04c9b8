"""One PKCE authorization request (RFC 7636; docs/backend.md, 8.1): verifier, challenge, state, and the browser's address."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlencode

from ..account.issuer import AUTHORIZE_PATH, CLIENT_ID, SCOPE


def challenge_of(verifier: str) -> str:
    """RFC 7636, method S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Pkce:
    """The verifier stays here and proves that we requested the code; the state, that the redirect belongs to our request."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def authorize_url(self, issuer: str, redirect_uri: str, originator: str, workspace: str = "") -> str:
        """The address for the user's browser; `workspace` limits the login to one account (or several, with commas)."""
        query = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            "id_token_add_organizations": "true",
            "codex_cli_simplified_flow": "true",
            "state": self.state,
            "originator": originator,
        }
        if workspace:
            query["allowed_workspace_id"] = workspace
        return f"{issuer.rstrip('/')}{AUTHORIZE_PATH}?{urlencode(query)}"
