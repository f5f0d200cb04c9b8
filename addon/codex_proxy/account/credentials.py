"""The kinds of credential in the CLI's file, told by its keys (docs/backend.md, 9), and what a person should know of each."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "chatgpt", "personal access token", "api key", "agent identity", "bedrock key", "elsewhere", "unknown", "none"
]


class Known(NamedTuple):
    """`name` is how a sentence goes on that begins with "it holds"; `about` is a sentence, if there is more to say."""

    name: str
    about: str = ""


KINDS: dict[Kind, Known] = {
    "chatgpt": Known("a ChatGPT login"),
    "personal access token": Known(
        "a personal access token", "A personal access token is never renewed, and ended in ChatGPT's settings."
    ),
    "api key": Known("an API key", "An API key has no ChatGPT subscription behind it; the proxy has no use for it."),
    "agent identity": Known("an agent identity", "Only the Codex CLI itself can use an agent identity."),
    "bedrock key": Known(
        "keys for Amazon Bedrock", "They have no ChatGPT subscription behind them; the proxy has no use for them."
    ),
    "elsewhere": Known(
        "no login but a note that another program has it", "The program that starts the Codex CLI hands it that login."
    ),
    "unknown": Known("a login of a kind that is not known here", "It may be one of a newer Codex CLI."),
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

# What `auth_mode` says where nothing else does; of the other modes no more is there than the word.
WITHOUT_KEY: dict[str, Kind] = {"headers": "elsewhere", "chatgptAuthTokens": "elsewhere"}
EMPTY = ("chatgpt", "apikey", "agentIdentity", "personalAccessToken", "bedrockApiKey", "bedrockAccessKeys")


def tokens(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Where the tokens are: under `tokens`, or at the top, as other tools write them; None if there is no access token."""
    nested = document.get("tokens")
    for held in (nested if isinstance(nested, dict) else {}, document):
        if text(held.get("access_token")):
            return held
    return None


def kind(document: Any) -> Kind:
    """Of any document, however odd."""
    if not isinstance(document, dict):
        return "none"
    if held := tokens(document):
        return "personal access token" if (text(held["access_token"]) or "").startswith("at-") else "chatgpt"
    for name, found in KEYS.items():
        # One of these in another form than a text is of no use, and no login.
        if text(document.get(name)) if found in ("personal access token", "api key") else document.get(name):
            return found
    mode = text(document.get("auth_mode"))
    return "none" if mode is None or mode in EMPTY else WITHOUT_KEY.get(mode, "unknown")


def text(value: Any) -> str | None:
    """Without the newline that comes with `$(cat FILE)` elsewhere than in a shell: a header can't have it."""
    return (value.strip() or None) if isinstance(value, str) else None
