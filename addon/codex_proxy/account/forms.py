"""The forms in which programs keep their login: under which key the tokens are, and what each is called (docs/backend.md, 9)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .issuer import CLIENT_ID

SAME = {name: name for name in ("id_token", "access_token", "refresh_token", "account_id", "expires_at")}


class Form(NamedTuple):
    """`key` is where the tokens are, empty for the top of the document; `names` says what ours are called there. Of a `program` other than
    the Codex CLI the file has logins for other services as well; `login` is its own command for a new one."""

    key: str
    names: Mapping[str, str]
    program: str = ""
    login: str = ""

    def held(self, document: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the document has at that place; None if it has no object there."""
        found = document.get(self.key) if self.key else document
        return found if isinstance(found, Mapping) else None

    def tokens(self, document: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The same by our names; None if there is no access token."""
        held = self.held(document)
        if held is None or not text(held.get(self.names["access_token"])):
            return None
        return {**held, **{ours: held[theirs] for ours, theirs in self.names.items() if theirs in held}}


OFFICIAL = Form("tokens", SAME)
FLAT = Form("", SAME)
OPENCODE = {"access_token": "access", "refresh_token": "refresh", "account_id": "accountId", "expires_at": "expires"}

# In the order in which they are looked for.
FORMS = (
    OFFICIAL,
    Form("codex", SAME, "klaude", "klaude auth login codex"),
    Form("openai", OPENCODE, "OpenCode", "opencode auth login"),
    FLAT,
)

# Of a login made by "Sign in with ChatGPT" (docs/backend.md, 1.5).
SIGN_IN_SCOPE, SIGN_IN_CLIENT = "chatgpt.tokens.use.direct", "oaiapp_"


def of(document: Mapping[str, Any]) -> Form | None:
    """The form of the login in a document; None if there is none."""
    return next((form for form in FORMS if form.tokens(document)), None)


def is_by_sign_in(tokens: Mapping[str, Any]) -> bool:
    """Were the tokens granted to an app by "Sign in with ChatGPT"? By what their file says beside them."""
    client = text(tokens.get("client_id")) or text(tokens.get("clientId")) or CLIENT_ID
    scopes = (tokens.get("scope"), tokens.get("scopes"))
    return client.startswith(SIGN_IN_CLIENT) or any(
        isinstance(each, str | list) and SIGN_IN_SCOPE in each for each in scopes
    )


def text(value: Any) -> str | None:
    """Without the newline that comes with `$(cat FILE)` elsewhere than in a shell: a header can't have it."""
    return (value.strip() or None) if isinstance(value, str) else None
