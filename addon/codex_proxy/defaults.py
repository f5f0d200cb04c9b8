"""Default addresses, names and paths, for the proxy and the scripts."""

from collections.abc import Mapping
from pathlib import Path

UPSTREAM = "https://chatgpt.com/backend-api/codex"
ISSUER = "https://auth.openai.com"
ORIGINATOR = "nanobot-proxy"

# For the list of models, from which the backend leaves out what is newer than this (docs/backend.md, 1.3). Above every version of
# the official client, so that it never ages; it is said with the list alone, where no form of a request depends on it.
CLIENT_VERSION = "999.0.0"


def state_folder(env: Mapping[str, str], home: Path) -> Path:
    """Where the proxy keeps what it has to know at its next start (XDG base directories)."""
    return Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "codex-proxy"
