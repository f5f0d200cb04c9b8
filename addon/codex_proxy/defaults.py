"""Default addresses, names and paths, for the proxy and the scripts."""

from collections.abc import Mapping
from pathlib import Path

UPSTREAM = "https://chatgpt.com/backend-api/codex"
ISSUER = "https://auth.openai.com"
ORIGINATOR = "nanobot-proxy"

# The version that docs/backend.md was measured on; for an older one the backend leaves models out (docs/backend.md, 1.3).
CLIENT_VERSION = "0.169.0"


def state_folder(env: Mapping[str, str], home: Path) -> Path:
    """Where the proxy keeps what it has to know at its next start (XDG base directories)."""
    return Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "codex-proxy"
