"""A login in words: where it comes from, what it is, how long it is good."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import identity
from .identity import Identity
from .login_file import LoginFile
from .redact import redact

# The names a login without a file comes under (design, section 6).
VARIABLES = ("OPENAI_OAUTH_ACCESS_TOKEN", "OPENAI_OAUTH_REFRESH_TOKEN", "CODEX_ACCESS_TOKEN")

# What may be said of a login that is no ChatGPT login, or not one that is renewed.
ABOUT = {
    "personal access token": "A personal access token is never renewed, and ended in ChatGPT's settings.",
    "api key": "An API key has no ChatGPT subscription behind it; the proxy has no use for it.",
    "agent identity": "Only the Codex CLI itself can use an agent identity.",
}


def whose(document: Any) -> Identity:
    """As `identity.of`, for any document; a personal access token is known wherever it stands."""
    document = document if isinstance(document, dict) else {}
    found = identity.of(document)
    tokens = document.get("tokens")
    held = tokens if isinstance(tokens, dict) else document
    if found.kind == "chatgpt" and str(held.get("access_token")).startswith("at-"):
        return replace(found, kind="personal access token")
    return found


def without(text: str, whose: Identity) -> str:
    """`text` without tokens, and with this login's e-mail and account shortened: fit to be shown to anybody."""
    for full, shown in ((whose.email, identity.shown_email), (whose.account_id, identity.shown_account)):
        if full:
            text = text.replace(full, shown(full))
    return identity.printable(redact(text))


def variables(env: Mapping[str, str]) -> list[str]:
    return [name for name in VARIABLES if env.get(name)]


def is_from_environment(file: LoginFile) -> bool:
    return file.seed is not None


def place(file: LoginFile, env: Mapping[str, str], home: Path) -> str:
    """`~/.codex/auth.json`, or `the environment (CODEX_ACCESS_TOKEN)` with the file its renewed tokens are in."""
    path = shown_path(file.path, home)
    if not is_from_environment(file):
        return path
    named = f"the environment ({', '.join(variables(env))})"
    return f"{named}, renewed in {path}" if file.path.exists() else named


def shown_path(path: Path, home: Path) -> str:
    """With `~` for the home folder: it has the person's name in it."""
    path = path.absolute()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
