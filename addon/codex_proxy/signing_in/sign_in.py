"""Save a new login in the CLI's file (docs/backend.md, 9), completely or not at all, and revoke the one it replaces."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import daemon_threads
from ..account import forms, identity, oauth, provenance, writable
from ..account.identity import Identity
from ..account.login import Grant, read, renewed
from ..account.login_file import LoginFile
from ..account.oauth import Unfinished
from ..errors import IssuerError, LoginError
from ..files import atomic as atomic_files
from ..files import bounded as bounded_files
from ..net import upstream
from .sign_out import revoke, token_of

TOKENS = ("id_token", "access_token", "refresh_token", "account_id")

# Keys that would make the file another kind of login, or belong to the previous one; everything else stays.
REPLACED = {
    *TOKENS, *provenance.OF_ONE_LOGIN, "expires_at", "agent_identity", "personal_access_token", "bedrock_api_key", "bedrock_access_keys",
}  # fmt: skip


def document(old: Mapping[str, Any], grant: Grant, now: float) -> dict[str, Any]:
    """The CLI's form, its keys in its order, then what else `old` had; in a file of another program that program's."""
    granted = {name: getattr(grant, name) for name in TOKENS[:3]}
    account = read({"tokens": granted}, "the new login").account_id
    if (form := forms.of(old)) and form.program:
        mine = {**(form.held(old) or {}), **({form.names["account_id"]: account} if account else {})}
        return renewed({**old, form.key: mine}, grant, now)
    before = old.get("tokens")
    more = before.items() if isinstance(before, dict) else ()
    kept = {name: value for name, value in more if name not in REPLACED}
    new = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": granted | {"account_id": account} | kept,
        "last_refresh": datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z"),
    }
    return new | {name: value for name, value in old.items() if name not in new and name not in REPLACED}


def held(file: LoginFile) -> dict[str, Any] | None:
    """What the file holds now, None if there is none. Blocks on the disk. Raises LoginError if it holds something else."""
    try:
        found: Any = file.load()
    except LoginError as e:
        if e.code == "login_missing":
            return None
        raise
    if not isinstance(found, dict):
        raise LoginError("login_unreadable", f"{file.name} does not hold a login.")
    return found


def check_place(file: LoginFile) -> None:
    """Check, before the user logs in, that the login could be saved. Raises LoginError. Changes nothing."""
    try:
        daemon_threads.call(f"{file.path} is looked at", lambda: _check_place(file), bounded_files.PATIENCE)
    except OSError as e:
        why = e.strerror or str(e)
        why = why.removeprefix("it ") if why.startswith("it ") else f"can't be written to ({why})"
        raise Unfinished(f"{e.filename or file.path} {why}, so a login can't be saved at {file.path}.") from e


def _check_place(file: LoginFile) -> None:
    real = file.path.resolve()
    folder = next(each for each in real.parents if each.exists())
    if not folder.is_dir():
        raise Unfinished(f"{folder} is not a folder, so a login can't be saved at {file.path}.")
    # A folder that is not there yet can be made where the nearest one above it can be written to.
    writable.way(real if real.parent == folder else folder / real.name)
    for lock in file.lock_paths():
        if lock.exists():
            os.close(writable.open_for_writing(lock))


def make_folder(folder: Path) -> None:
    """As `atomic.make_folder`. Raises LoginError."""
    try:
        atomic_files.make_folder(folder)
    except OSError as e:
        raise Unfinished(f"{folder} can't be made: {e.strerror}.") from e


class Unwanted(Unfinished):
    """Tokens were granted but not saved; they have to be revoked."""

    def __init__(self, message: str, grant: Grant) -> None:
        super().__init__(message)
        self.grant = grant


@dataclass
class SignIn:
    """One login for one file. `workspace` is the account it has to be for; `agreed`, the login that the user agreed to replace."""

    file: LoginFile
    issuer: str
    originator: str
    workspace: str = ""
    agreed: Identity | None = None
    _replaced: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def user_agent(self) -> str:
        return upstream.user_agent(self.originator)

    async def finish(self, code: str, redirect_uri: str, verifier: str) -> Identity:
        """Exchange the code, write the file, return the identity. Raises LoginError, IssuerError, and nothing is changed."""
        make_folder(self.file.path.resolve().parent)
        try:
            async with self.file.locked():
                return await self._finish_locked(code, redirect_uri, verifier)
        except Unwanted as e:
            await self._end_quietly(e.grant)
            raise

    async def _finish_locked(self, code: str, redirect_uri: str, verifier: str) -> Identity:
        before = self._before()
        # Make sure that the file can be written before the code is spent.
        draft = self.file.draft()
        try:
            grant = await oauth.exchange(
                self.issuer, code, redirect_uri=redirect_uri, verifier=verifier, user_agent=self.user_agent
            )
            # From here on nothing is awaited: Ctrl-C comes before this or after it.
            after = document(before, grant, time.time())
            whose = identity.of(after)
            self._check_workspace(whose, grant)
            try:
                draft.commit(after)
            except OSError as e:
                said = f"The new login could not be written to {self.file.name}: {e.strerror}."
                raise Unwanted(said, grant) from e
        except BaseException:
            draft.drop()
            raise
        self._replaced = before
        return whose

    def _before(self) -> dict[str, Any]:
        """The file's current content, if the user agreed to replace it."""
        try:
            before = held(self.file) or {}
        except LoginError:
            if self.agreed is None or self.agreed.kind == "none":
                return {}
            raise
        now = identity.of(before)
        if self.agreed is not None and (now.kind, now.account_id) != (self.agreed.kind, self.agreed.account_id):
            said = f"Meanwhile another program has written another login to {self.file.name}: {now}. It is not touched."
            raise Unfinished(said)
        return before

    def _check_workspace(self, whose: Identity, grant: Grant) -> None:
        wanted = [each.strip() for each in self.workspace.split(",") if each.strip()]
        if wanted and whose.account_id not in wanted:
            said = f"This login is for another workspace than the one asked for: {whose}. It is not saved."
            raise Unwanted(said, grant)

    async def end_replaced(self) -> bool:
        """Revoke the previous login of the file, as the CLI does (docs/backend.md, 8.5); True if there was one. Raises IssuerError."""
        return await self._end(self._replaced)

    async def _end(self, document: Mapping[str, Any]) -> bool:
        found = token_of(document)
        if found is None:
            return False
        await revoke(self.issuer, document, found, self.originator)
        return True

    async def _end_quietly(self, grant: Grant) -> None:
        try:
            await self._end({"refresh_token": grant.refresh_token, "access_token": grant.access_token})
        except IssuerError:
            pass  # no file holds them any more
