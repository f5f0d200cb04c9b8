"""The kinds of credential in the CLI's `auth.json`, recognized by their keys (docs/backend.md, 9), with a description of each."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from . import forms
from .forms import text

Kind = Literal[
    "chatgpt",
    "personal access token",
    "api key",
    "agent identity",
    "bedrock key",
    "elsewhere",
    "sign in",
    "unknown",
    "none",
]


class Known(NamedTuple):
    """`name` completes a sentence that begins with "it holds"; `about` is a further sentence, or empty."""

    name: str
    about: str = ""


KINDS: dict[Kind, Known] = {
    "chatgpt": Known("a ChatGPT login"),
    "personal access token": Known(
        "a personal access token", "A personal access token is not renewed; revoke it in ChatGPT's settings."
    ),
    "api key": Known("an API key", "An API key does not belong to a ChatGPT subscription, so the proxy cannot use it."),
    "agent identity": Known("an agent identity", "Only the Codex CLI itself can use an agent identity."),
    "bedrock key": Known(
        "keys for Amazon Bedrock", "They do not belong to a ChatGPT subscription, so the proxy cannot use them."
    ),
    "elsewhere": Known(
        "not a login, but a note that another program holds it",
        "The program that starts the Codex CLI provides that login.",
    ),
    "sign in": Known(
        'a login of another program, made by "Sign in with ChatGPT"',
        "It is for that program and api.openai.com alone, so the proxy cannot use it; it needs a login and a file of its own.",
    ),
    "unknown": Known("an unknown kind of login", "It may come from a newer Codex CLI."),
    "none": Known("no login"),
}

# The key that each kind is under, in the order in which they are taken.
KEYS: dict[str, Kind] = {
    "personal_access_token": "personal access token",
    "OPENAI_API_KEY": "api key",
    "agent_identity": "agent identity",
    "bedrock_api_key": "bedrock key",
    "bedrock_access_keys": "bedrock key",
}

# Kinds that only `auth_mode` names; the file has nothing else of them.
WITHOUT_KEY: dict[str, Kind] = {"headers": "elsewhere", "chatgptAuthTokens": "elsewhere"}
EMPTY = ("chatgpt", "apikey", "agentIdentity", "personalAccessToken", "bedrockApiKey", "bedrockAccessKeys")


def tokens(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The tokens by our names, wherever they are (forms.py); None if there is no access token, or none for this backend."""
    form = forms.of(document)
    found = form.tokens(document) if form else None
    return None if found is None or forms.is_by_sign_in(found) else found


def kind(document: Any) -> Kind:
    """Never raises, whatever the document holds."""
    if not isinstance(document, dict):
        return "none"
    if held := tokens(document):
        return "personal access token" if (text(held["access_token"]) or "").startswith("at-") else "chatgpt"
    if forms.of(document):
        return "sign in"
    of_opencode = document.get("openai")
    if isinstance(of_opencode, dict) and text(of_opencode.get("key")):
        return "api key"
    for name, found in KEYS.items():
        # A token that is not a string is useless, and not a login.
        if text(document.get(name)) if found in ("personal access token", "api key") else document.get(name):
            return found
    mode = text(document.get("auth_mode"))
    return "none" if mode is None or mode in EMPTY else WITHOUT_KEY.get(mode, "unknown")
