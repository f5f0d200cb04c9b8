import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_proxy.account import system_keyring
from codex_proxy.account.system_keyring import SystemKeyring
from codex_proxy.errors import LoginError

from ..places import ADDON
from ..secret_service import SecretService, secret_service, secretstorage

ACCOUNT = "cli|0123456789abcdef"
THEIRS = {"service": "Codex Auth", "username": ACCOUNT, "target": "default", "application": "rust-keyring"}
OTHER = {"service": "Codex Auth", "username": "cli|other"}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    with secret_service(tmp_path / "keyring", monkeypatch) as running:
        yield running


@pytest.fixture
def keyring(service: SecretService) -> SystemKeyring:
    return SystemKeyring("Codex Auth", ACCOUNT)


def items(running: SecretService, /, **attributes: str) -> list[tuple[dict[str, str], bytes]]:
    with running.connection() as connection:
        found = secretstorage.search_items(connection, attributes)
        return [(each.get_attributes(), each.get_secret()) for each in found]


def test_what_is_put_there_is_there(keyring: SystemKeyring, service: SecretService) -> None:
    assert keyring.get() is None
    for text in ("first", "sëcond, and " + "long " * 5000):
        keyring.put(text)
        assert keyring.get() == text
    # As the CLI makes it, and so finds it again.
    ((attributes, _),) = items(service, service="Codex Auth")
    assert attributes.items() >= THEIRS.items()
    keyring.remove()
    assert keyring.get() is None and items(service, service="Codex Auth") == []
    keyring.remove()


def test_an_item_of_the_cli_is_changed_and_not_doubled(keyring: SystemKeyring, service: SecretService) -> None:
    with service.connection() as connection:
        collection = secretstorage.get_default_collection(connection)
        collection.create_item("theirs", THEIRS | {"application": "a later crate"}, b"old")
        collection.create_item("another folder's", OTHER, b"other")
    keyring.put("new")
    assert [secret for _, secret in items(service, username=ACCOUNT)] == [b"new"]
    keyring.remove()
    assert [secret for _, secret in items(service, service="Codex Auth")] == [b"other"]


def test_a_locked_one_is_told_and_used_when_it_is_open(keyring: SystemKeyring, service: SecretService) -> None:
    keyring.put("kept")
    with service.connection() as connection:
        secretstorage.get_default_collection(connection).lock()
    for work in (keyring.get, keyring.remove, lambda: keyring.put("new")):
        with pytest.raises(
            LoginError,
            match=r"system's keyring, .+ can't be used here: it is locked. Does .+is it unlocked\?.+\"file\"",
        ):
            work()


def test_one_that_does_not_answer_is_not_waited_for(
    keyring: SystemKeyring, service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.put("kept")
    patience = system_keyring.PATIENCE
    monkeypatch.setattr(system_keyring, "PATIENCE", 0.2)
    os.kill(service.pid, signal.SIGSTOP)
    try:
        before = threading.active_count()
        for _ in range(3):
            with pytest.raises(LoginError, match=r"has not answered for .+ it may be locked") as caught:
                keyring.get()
        assert caught.value.code == "login_unreadable"
        # Asked once, however often it was tried.
        assert threading.active_count() == before + 1
    finally:
        os.kill(service.pid, signal.SIGCONT)
    monkeypatch.setattr(system_keyring, "PATIENCE", patience)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert keyring.get() == "kept"
            return
        except LoginError:
            time.sleep(0.02)
    pytest.fail("the keyring answers, and is not used")


def test_a_program_ends_that_waits_for_one(service: SecretService) -> None:
    os.kill(service.pid, signal.SIGSTOP)
    try:
        code = "from codex_proxy.account import system_keyring as s; s.PATIENCE = 0.1; s.SystemKeyring('a', 'b').get()"
        ended = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ADDON)}, timeout=20,
            capture_output=True, text=True,
        )  # fmt: skip
    finally:
        os.kill(service.pid, signal.SIGCONT)
    assert ended.returncode == 1 and "has not answered" in ended.stderr


def test_where_there_is_none_it_is_told(
    keyring: SystemKeyring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'nothing'}")
    with pytest.raises(LoginError, match=r"can't be used here: .+No such file or directory\. Does this session"):
        keyring.get()
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    with pytest.raises(LoginError, match=r"DBUS_SESSION_BUS_ADDRESS is unset\. Does this session"):
        keyring.get()


def test_without_the_package_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*filter(lambda name: name.partition(".")[0] == "secretstorage", sys.modules), "secretstorage"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        LoginError, match=r"without the Python package keyring. Install it: \.venv/bin/python .+ install keyring"
    ):
        SystemKeyring("a", secrets.token_hex(4)).get()
