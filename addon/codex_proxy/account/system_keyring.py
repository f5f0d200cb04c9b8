"""Read and write one secret in the system keyring, with a timeout.

The call waits for another program, and for the user if the keyring is locked. The secret is where the Codex CLI has it: an item
of the Secret Service as the Rust crate keyring makes it, with the attributes below (seen with 0.169.0 on Linux); on macOS an item
of the login keychain.
"""

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from ..errors import LoginError
from .login import sentence

NAME = "the system's keyring"

# Of the crate's items, beside service and username: without them the CLI would not find one of ours.
OF_THE_CRATE = {"target": "default", "application": "rust-keyring"}

# How long a call may take, in seconds. It continues afterwards: the user may be entering the keyring's password.
PATIENCE = 3.0

INSTALL = ".venv/bin/python -m ensurepip; .venv/bin/python -m pip install keyring"


class SystemKeyring:
    """The text of `service` and `account`. Every call blocks, for PATIENCE at most, and raises LoginError."""

    def __init__(self, service: str, account: str) -> None:
        self.kept = SecretService(service, account) if sys.platform != "darwin" else Keychain(service, account)
        self._unanswered: threading.Thread | None = None

    def get(self) -> str | None:
        return self._in_time(self.kept.get)

    def put(self, text: str) -> None:
        """Replaces the text there is."""
        self._in_time(lambda: self.kept.put(text))

    def remove(self) -> None:
        """A missing item is not an error."""
        self._in_time(self.kept.remove)

    def _in_time[T](self, work: Callable[[], T]) -> T:
        if self._unanswered and self._unanswered.is_alive():
            raise unanswered()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as e:
                done.set_exception(e)

        # None of asyncio's threads: the end of the program would wait for it.
        thread = threading.Thread(target=run, name="keyring", daemon=True)
        thread.start()
        try:
            return done.result(PATIENCE)
        except ImportError:
            raise unusable(f"can't be read without the Python package keyring. Install it: {INSTALL}") from None
        except Exception as e:
            if done.done():
                raise refused(e) from e
        self._unanswered = thread
        raise unanswered()


class SecretService:
    """By the package that `keyring` itself uses for it: with its own way of writing, `keyring` would make a second item, with
    other attributes, which the CLI does not see."""

    def __init__(self, service: str, account: str) -> None:
        self.attributes = {"service": service, "username": account}
        self.label = f"{account}@{service}"

    def get(self) -> str | None:
        with self._items() as (_, items):
            return items[0].get_secret().decode() if items else None

    def put(self, text: str) -> None:
        with self._items() as (connection, items):
            for item in items:
                item.set_secret(text.encode(), "text/plain")
            if not items:
                collection = self._package().get_default_collection(connection)
                unlock(collection)
                collection.create_item(self.label, self.attributes | OF_THE_CRATE, text.encode(), replace=True)

    def remove(self) -> None:
        with self._items() as (_, items):
            for item in items:
                item.delete()

    @contextlib.contextmanager
    def _items(self) -> Iterator[tuple[Any, list[Any]]]:
        """Of all collections, unlocked."""
        with contextlib.closing(self._package().dbus_init()) as connection:
            items = list(self._package().search_items(connection, self.attributes))
            for item in items:
                unlock(item)
            yield connection, items

    def _package(self) -> Any:
        return importlib.import_module("secretstorage")


class Keychain:
    """Of macOS, where `keyring` and the CLI's crate name an item alike."""

    def __init__(self, service: str, account: str) -> None:
        self.names = service, account

    def get(self) -> str | None:
        text: str | None = self._package().get_password(*self.names)
        return text

    def put(self, text: str) -> None:
        self._package().set_password(*self.names, text)

    def remove(self) -> None:
        if self.get() is not None:
            self._package().delete_password(*self.names)

    def _package(self) -> Any:
        return importlib.import_module("keyring.backends.macOS").Keyring()


def unlock(locked: Any) -> None:
    """A collection or an item; the user may be asked for a password. Raises RuntimeError."""
    if locked.is_locked() and locked.unlock():
        raise RuntimeError("it is locked")


def unanswered() -> LoginError:
    return unusable(
        f"has not answered for {PATIENCE:.0f} s: it may be locked, or be asking for your permission. Answer its prompt."
    )


def refused(e: Exception) -> LoginError:
    said = str(e).strip().partition("\n")[0].rstrip(".!") or type(e).__name__
    return unusable(f"can't be used here: {said}. Does this session have one, and is it unlocked?")


def unusable(why: str) -> LoginError:
    """`why` goes on after the keyring's name."""
    return LoginError(
        "login_unreadable",
        f"{sentence(NAME)}, where the Codex CLI keeps its login, {why}   (or keep it in a file: set"
        ' cli_auth_credentials_store = "file" in the CLI\'s config.toml, then log in again)',
    )
