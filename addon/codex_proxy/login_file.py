"""The file a login is kept in: read it as it stands, lock it against other programs, write it whole.

What the Codex CLI does with the same file is in contract 15.4; its two lock files are taken here as well.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from filelock import AsyncFileLock, Timeout

from .errors import IssuerError, LoginError
from .login import LOGIN_COMMAND

# How long another process may take over its refresh before we give up waiting, in seconds.
LOCK_PATIENCE = 45.0

# The CLI of before 2026-11 wrote the file in place: a reader can meet half of it (contract 9). In seconds.
HALF_WRITTEN_PATIENCE = 0.5

Signature = tuple[int, int, int] | None


class LoginFile:
    """One login on disk. `seed` is the document to start from while there is no file (a login in the environment)."""

    def __init__(self, path: Path, seed: Mapping[str, Any] | None = None, name: str = "") -> None:
        self.path = path
        self.seed = seed
        self.name = name or str(path)

    def signature(self) -> Signature:
        """Changes whenever the file does; None while there is none. Blocks on the disk."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def load(self) -> dict[str, Any]:
        """The decoded document. Blocks on the disk. Raises LoginError."""
        deadline = time.monotonic() + HALF_WRITTEN_PATIENCE
        while True:
            try:
                document: dict[str, Any] = json.loads(self.path.read_bytes())
                return document
            except FileNotFoundError:
                if self.seed is not None:
                    return dict(self.seed)
                raise LoginError(
                    "login_missing",
                    f"No login at {self.path}. Run: {LOGIN_COMMAND}   (where the CLI keeps it in the system's keyring, set"
                    ' cli_auth_credentials_store = "file" in its config.toml first)',
                ) from None
            except OSError as e:
                raise LoginError("login_unreadable", f"{self.path} can't be read: {e.strerror}.") from e
            except ValueError:
                if time.monotonic() > deadline:
                    raise LoginError(
                        "login_unreadable", f"{self.path} is not whole JSON. Run: {LOGIN_COMMAND}"
                    ) from None
                time.sleep(0.05)

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the file against other processes, without blocking the event loop. Raises IssuerError, LoginError."""
        real = await asyncio.to_thread(self.path.resolve)
        async with contextlib.AsyncExitStack() as stack:
            try:
                await asyncio.to_thread(real.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
                # Beside the link and beside what it leads to: either may be the path another program knows.
                for path in dict.fromkeys((self.path.with_suffix(".lock"), real.with_suffix(".lock"))):
                    await stack.enter_async_context(
                        AsyncFileLock(path, LOCK_PATIENCE, 0o600, fallback_to_soft=False, preserve_lock_file=True)
                    )
            except Timeout as e:
                raise IssuerError(
                    503, "login_busy", f"Another program has held {e.lock_file} for {LOCK_PATIENCE:.0f} s; try again."
                ) from e
            except OSError as e:
                raise not_writable(real.parent, e) from e
            yield

    def draft(self) -> "Draft":
        """Open the file that will take the new tokens, before the old ones are spent. Raises LoginError."""
        real = self.path.resolve()
        try:
            fd, name = tempfile.mkstemp(prefix=".auth-", dir=real.parent)
        except OSError as e:
            raise not_writable(real.parent, e) from e
        return Draft(fd, Path(name), real)


def not_writable(folder: Path, e: OSError) -> LoginError:
    return LoginError(
        "login_not_writable",
        f"{folder} can't be written to ({e.strerror}), and a new token that is not kept there is lost. Make it writable.",
    )


class Draft:
    """A new content on its way into place: written, synced and renamed at once, or dropped."""

    def __init__(self, fd: int, path: Path, target: Path) -> None:
        self.fd, self.path, self.target = fd, path, target

    def commit(self, document: Mapping[str, Any]) -> None:
        """Put `document` in place, mode 0600, owner kept. Blocks on the disk. Raises OSError; the target stays whole."""
        data = json.dumps(document, indent=2, ensure_ascii=False).encode()
        with os.fdopen(self.fd, "wb") as file:
            self.fd = -1
            file.write(data)
            file.flush()
            with contextlib.suppress(OSError, AttributeError):  # Windows has no owners
                owner = self.target.stat()
                os.chown(self.path, owner.st_uid, owner.st_gid)
            os.fsync(file.fileno())
        os.replace(self.path, self.target)

    def drop(self) -> None:
        """Remove what was not committed; harmless after `commit`."""
        if self.fd != -1:
            os.close(self.fd)
            self.fd = -1
        self.path.unlink(missing_ok=True)


def locate(option: str, env: Mapping[str, str], home: Path) -> LoginFile:
    """Where the login is: `codex_auth_file`, else the environment, else the Codex CLI's file (design, section 6)."""
    if option:
        return LoginFile(Path(option).expanduser())
    access = env.get("OPENAI_OAUTH_ACCESS_TOKEN") or env.get("CODEX_ACCESS_TOKEN")
    refresh = env.get("OPENAI_OAUTH_REFRESH_TOKEN")
    if access or refresh:
        # An access token that is not there counts as one that has ended.
        tokens: dict[str, Any] = {"access_token": access or "", "refresh_token": refresh or ""}
        tokens["account_id"] = env.get("OPENAI_CHATGPT_ACCOUNT_ID") or env.get("CODEX_ACCOUNT_ID")
        if not access:
            tokens |= {"access_token": "none-yet", "expires_at": 0}
        state = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "codex-proxy"
        # The refresh token works once: what comes after it is found by a hash of it.
        digest = hashlib.sha256((refresh or access or "").encode()).hexdigest()[:32]
        return LoginFile(state / f"{digest}.json", {"tokens": tokens}, "the environment")
    folder = Path(env["CODEX_HOME"]).expanduser() if env.get("CODEX_HOME") else home / ".codex"
    return LoginFile(folder / "auth.json")
