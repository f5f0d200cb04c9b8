"""The login in the system keyring, where the Codex CLI can keep it (docs/backend.md, 9), under a name made from the CLI's folder."""

import errno
import hashlib
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import json_text
from ..errors import LoginError
from ..files import bounded as bounded_files
from .draft import Draft, as_text
from .login_file import LoginFile, Signature
from .remedy import DEFAULT, Remedy
from .system_keyring import NAME, SystemKeyring, unusable

SERVICE = "Codex Auth"


class LoginKeyring(LoginFile):
    """One login in the keyring; the lock is that of the file at `path`, where the CLI would have it else.

    With `or_file` the login is in that file if the keyring has none. `encrypted`: in the keyring is only a key, and what
    it opens is the CLI's own.
    """

    waits = True

    def __init__(
        self,
        path: Path,
        *,
        or_file: bool = False,
        encrypted: bool = False,
        spare: Path | None = None,
        mend: Remedy = DEFAULT,
    ) -> None:
        super().__init__(path, name=NAME, spare=spare, mend=mend)
        folder = str(path.parent.resolve())
        self.keyring = SystemKeyring(
            SERVICE, f"cli|{hashlib.sha256(folder.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
        )
        self.or_file, self.encrypted = or_file, encrypted
        # Where it was when it was last looked for; None: not yet, or nowhere.
        self.in_keyring: bool | None = None
        self._why_not = ""

    def signature(self) -> Signature:
        """None also while the keyring can't be read: `load` tells why."""
        try:
            text = self._text()
        except LoginError:
            return None
        if text is not None:
            return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return super().signature() if self.or_file else None

    def load(self) -> dict[str, Any]:
        text = self._text()
        if text is None and self.or_file:
            try:
                return super().load()
            except LoginError as e:
                raise LoginError(e.code or "login_missing", f"{e.message}   {self._why_not}".strip()) from None
        if text is None:
            raise LoginError(
                "login_missing", f"No login in {NAME}, where the CLI's config.toml says it is. {self.remedy}"
            )
        try:
            document: dict[str, Any] = json_text.decode(text)
        except json_text.NotJson:
            raise LoginError("login_unreadable", f"What {NAME} holds is not complete JSON. {self.remedy}") from None
        return document

    def draft(self, after: str | None = None) -> Draft:
        text = self._text()
        if self.or_file and (self._why_not or (text is None and self.path.exists())):
            return super().draft(after)
        self.name = NAME
        return KeyringDraft(self.keyring, self.path)

    def recover(self, spent: str) -> bool:
        return not self.in_keyring and super().recover(spent)

    def was_cut_short(self, spent: str) -> bool:
        return not self.in_keyring and super().was_cut_short(spent)

    def _text(self) -> str | None:
        self._why_not = ""
        try:
            if self.encrypted:
                raise unusable(
                    "holds only the key of a file that only the CLI can read (features.secret_auth_storage)."
                )
            text = self.keyring.get()
        except LoginError as e:
            if not self.or_file or self.in_keyring:
                raise
            # The CLI goes on with the file as well.
            text, self._why_not = None, e.message
        self.in_keyring = text is not None
        self.name = str(self.path) if text is None and self.or_file else NAME
        return text


class KeyringDraft(Draft):
    """A new content for the keyring, where nothing is half-written: nothing is there before `put`."""

    def __init__(self, keyring: SystemKeyring, path: Path) -> None:
        super().__init__(-1, path, path)
        self.keyring = keyring

    def write(self, document: Mapping[str, Any]) -> None:
        self.written = document

    def put(self) -> None:
        """As the CLI does it, and as the CLI removes a file that is there (docs/backend.md, 9). Raises OSError."""
        assert self.written is not None
        text = as_text(self.written, separators=(",", ":"))
        in_words(lambda: self.keyring.put(text))
        self.target.unlink(missing_ok=True)

    def drop(self) -> None:
        """Nothing was made that would have to go."""

    def remove(self) -> bool:
        in_words(self.keyring.remove)
        return super().remove()


def in_words(work: Callable[[], None]) -> None:
    """What goes wrong with the keyring, as something that went wrong with a file: OSError."""
    try:
        work()
    except LoginError as e:
        raise OSError(errno.EIO, e.message) from e


def at(path: Path, spare: Path | None = None, mend: Remedy = DEFAULT) -> LoginFile:
    """The CLI's login: at `path`, or where its settings beside that say it is."""
    settings = read_settings(path.with_name("config.toml"))
    store = settings.get("cli_auth_credentials_store")
    if store not in ("keyring", "auto"):
        return LoginFile(path, spare=spare, mend=mend)
    features = settings.get("features")
    encrypted = features.get("secret_auth_storage") if isinstance(features, dict) else None
    if encrypted is None:
        encrypted = sys.platform == "win32"
    return LoginKeyring(path, or_file=store == "auto", encrypted=encrypted is True, spare=spare, mend=mend)


def read_settings(path: Path) -> dict[str, Any]:
    """The CLI's settings; none where it could not read them either."""
    try:
        return tomllib.loads(bounded_files.read(path).decode())
    except (OSError, ValueError):
        return {}
