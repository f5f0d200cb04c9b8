"""Choose where the login comes from (a file, the system keyring or the environment), and describe it."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ..defaults import state_folder
from ..output.redact import redact
from . import identity, login_keyring
from .forms import text
from .identity import Identity
from .login_file import LoginFile
from .login_keyring import LoginKeyring
from .remedy import Remedy, is_service

# The names a login without a file comes under, as README.md promises them.
VARIABLES = ("OPENAI_OAUTH_ACCESS_TOKEN", "OPENAI_OAUTH_REFRESH_TOKEN", "CODEX_ACCESS_TOKEN")


def locate(option: str, env: Mapping[str, str], home: Path) -> LoginFile:
    """Where the login is: `codex_auth_file`, else the environment, else where the Codex CLI has it (docs/backend.md, 9)."""
    spare, service = state_folder(env, home), is_service(env)
    if option:
        return LoginFile(expanded(option), spare=spare, mend=Remedy(expanded(option), is_service=service))
    access, refresh, account = (
        next(filter(None, (text(env.get(name)) for name in names)), None)
        for names in (
            ("OPENAI_OAUTH_ACCESS_TOKEN", "CODEX_ACCESS_TOKEN"),
            ("OPENAI_OAUTH_REFRESH_TOKEN",),
            ("OPENAI_CHATGPT_ACCOUNT_ID", "CODEX_ACCOUNT_ID"),
        )
    )
    if access or refresh:
        # An access token that is not there counts as one that has ended.
        tokens: dict[str, Any] = {"access_token": access or "", "refresh_token": refresh or "", "account_id": account}
        if not access:
            tokens |= {"access_token": "none-yet", "expires_at": 0}
        # The refresh token works once: what comes after it is found by a hash of it.
        digest = hashlib.sha256((refresh or access or "").encode("utf-8", "surrogateescape")).hexdigest()[:32]
        mend = Remedy(variables=variables(env), is_service=service)
        return LoginFile(spare / f"{digest}.json", {"tokens": tokens}, "the environment", mend=mend)
    named = expanded(env["CODEX_HOME"]) if env.get("CODEX_HOME") else None
    return login_keyring.at((named or home / ".codex") / "auth.json", spare, Remedy(home=named, is_service=service))


def expanded(path: str) -> Path:
    """With the home folder for `~`; unchanged if there is no such user, as in a shell."""
    return Path(os.path.expanduser(path))


def without(said: str, whose: Identity) -> str:
    """`said` without tokens, and with this login's e-mail and account shortened: safe to show."""
    for full, shown in ((whose.email, identity.shown_email), (whose.account_id, identity.shown_account)):
        if full:
            said = said.replace(full, shown(full))
    return identity.printable(redact(said))


def variables(env: Mapping[str, str]) -> list[str]:
    return [name for name in VARIABLES if text(env.get(name))]


def is_from_environment(file: LoginFile) -> bool:
    return kind(file) == "environment"


def kind(file: LoginFile) -> Literal["file", "keyring", "environment"]:
    """Where the login was at the last look, if it may be in the keyring or in a file."""
    if file.seed is not None:
        return "environment"
    return "keyring" if isinstance(file, LoginKeyring) and file.name != str(file.path) else "file"


def place(file: LoginFile, env: Mapping[str, str], home: Path) -> str:
    """`~/.codex/auth.json`, `the system's keyring`, or `the environment (CODEX_ACCESS_TOKEN)` with the file its renewed tokens are in."""
    if kind(file) == "keyring":
        return file.name
    path = shown_path(file.path, home)
    if not is_from_environment(file):
        return path
    named = f"the environment ({', '.join(variables(env))})"
    return f"{named}, renewed in {path}" if file.path.exists() else named


def shown_path(path: Path, home: Path) -> str:
    """With `~` for the home folder: it contains the user's name."""
    path = path.absolute()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
