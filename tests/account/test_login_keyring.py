import asyncio
import hashlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from mitmproxy.test import taddons

from codex_proxy.account import system_keyring
from codex_proxy.account.login import Grant
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.login_keyring import KeyringDraft, LoginKeyring, at
from codex_proxy.account.tokens import TokenStore
from codex_proxy.errors import LoginError

from ..places import ROOT
from ..secret_service import SecretService, secret_service

KEYRING = 'cli_auth_credentials_store = "keyring"\n'
AUTO = 'cli_auth_credentials_store = "auto"\n'
ENCRYPTED = "[features]\nsecret_auth_storage = true\n"


def token(seconds: float = 86400) -> str:
    return jwt.encode({"exp": int(time.time() + seconds), "jti": secrets.token_hex(4)}, secrets.token_hex(32))


def document(access: str = "") -> dict[str, Any]:
    tokens = {"access_token": access or token(), "refresh_token": f"rt_{secrets.token_hex(4)}"}
    return {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens, "mine": ["ü"]}


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    with secret_service(tmp_path / "keyring", monkeypatch) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "codex"
    folder.mkdir()
    return folder


def located(home: Path, settings: str) -> LoginFile:
    (home / "config.toml").write_text(settings)
    return at(home / "auth.json")


def keyring_of(home: Path, settings: str = KEYRING) -> LoginKeyring:
    found = located(home, settings)
    assert isinstance(found, LoginKeyring)
    return found


@pytest.mark.parametrize(
    "settings, where",
    [
        ("", None),
        ("model = 'x'\n", None),
        ('cli_auth_credentials_store = "file"\n', None),
        ('cli_auth_credentials_store = "ephemeral"\n', None),
        ("cli_auth_credentials_store = 5\n", None),
        ("not toml", None),
        (KEYRING, (False, False)),
        (AUTO, (True, False)),
        (KEYRING + "features = 5\n", (False, False)),
        (KEYRING + "[features]\nother = true\n", (False, False)),
        (KEYRING + ENCRYPTED, (False, True)),
        (AUTO + ENCRYPTED, (True, True)),
    ],
)
def test_the_settings_of_the_cli_say_where_it_is(settings: str, where: tuple[bool, bool] | None, home: Path) -> None:
    found = located(home, settings)
    assert found.path == home / "auth.json"
    if where is None:
        assert type(found) is LoginFile and found.name == str(found.path)
    else:
        assert isinstance(found, LoginKeyring) and (found.or_file, found.encrypted) == where


def test_without_settings_it_is_the_file(home: Path) -> None:
    assert type(at(home / "auth.json")) is LoginFile
    (home / "config.toml").mkdir()
    assert type(at(home / "auth.json")) is LoginFile
    assert type(at(home / "missing" / "auth.json")) is LoginFile


def test_the_name_is_that_of_the_folder_however_it_is_named(home: Path, service: SecretService, tmp_path: Path) -> None:
    found = keyring_of(home)
    found.draft().commit(document())
    (tmp_path / "link").symlink_to(home)
    assert at(tmp_path / "link" / "auth.json").load() == found.load()
    digest = hashlib.sha256(str(home.resolve()).encode()).hexdigest()
    assert found.keyring.kept.get() == system_keyring.SecretService("Codex Auth", f"cli|{digest[:16]}").get()
    other = tmp_path / "other"
    other.mkdir()
    assert keyring_of(other).keyring.get() is None


def test_it_is_kept_there_and_nowhere_else(home: Path, service: SecretService) -> None:
    # Half a surrogate pair can be told in JSON and has no UTF-8.
    found, first, second = keyring_of(home), document(), document() | {"note": "\ud83d"}
    assert found.signature() is None
    with pytest.raises(LoginError, match=r"No login in the system's keyring, .+Run: scripts/login") as caught:
        found.load()
    assert caught.value.code == "login_missing"
    (home / "auth.json").write_text("{}")
    draft = found.draft()
    assert not list(home.glob(".*")) and found.signature() is None
    draft.write(first)
    draft.commit(first)
    seen = found.signature()
    assert found.load() == first and seen and not (home / "auth.json").exists()
    dropped = found.draft()
    dropped.write(second)
    dropped.drop()
    assert found.load() == first and found.signature() == seen
    found.draft().commit(second)
    assert found.load() == second and found.signature() != seen
    found.draft().remove()
    assert found.signature() is None and found.keyring.get() is None


def test_with_auto_it_stays_where_it_is_found(home: Path, service: SecretService) -> None:
    found, first, second = keyring_of(home, AUTO), document(), document()
    path = home / "auth.json"
    path.write_text(json.dumps(first))
    assert found.load() == first and found.name == str(path) and found.signature() == LoginFile(path).signature()
    found.draft().commit(second)
    assert json.loads(path.read_text()) == second and found.keyring.get() is None
    # The CLI saved it to the keyring meanwhile, and looks there first.
    found.keyring.put(json.dumps(first))
    assert found.load() == first and found.name == "the system's keyring"
    assert isinstance(found.draft(), KeyringDraft)
    found.draft().commit(second)
    assert not path.exists() and found.load() == second


def test_with_auto_a_new_one_goes_into_the_keyring_if_it_can_be_used(
    home: Path, service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(keyring_of(home, AUTO).draft(), KeyringDraft)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nothing")
    found = keyring_of(home, AUTO)
    with pytest.raises(
        LoginError, match=r"No login at .+auth.json\. Run: .+system's keyring, .+ can't be used here"
    ) as caught:
        found.load()
    assert caught.value.code == "login_missing"
    written = document()
    found.draft().commit(written)
    assert json.loads((home / "auth.json").read_text()) == written == found.load()


def test_what_only_the_cli_can_read_is_told(home: Path) -> None:
    found = keyring_of(home, KEYRING + ENCRYPTED)
    for work in (found.load, found.draft):
        with pytest.raises(
            LoginError, match=r"only the key of a file that only the CLI can read .+secret_auth_storage"
        ):
            work()


@pytest.mark.parametrize("text", ["", "{", "nonsense"])
def test_what_is_no_json_is_told(text: str, home: Path, service: SecretService) -> None:
    found = keyring_of(home)
    found.keyring.put(text)
    with pytest.raises(LoginError, match="is not complete JSON"):
        found.load()


def test_a_keyring_that_takes_nothing_counts_as_a_full_disk(
    home: Path, service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = keyring_of(home)
    found.draft().commit(document())
    draft = found.draft()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nothing")
    with pytest.raises(OSError) as caught:
        draft.commit(document())
    assert "can't be used here" in str(caught.value.strerror)


class Server:
    def __init__(self) -> None:
        self.spent: list[str] = []

    async def __call__(self, refresh_token: str, *, proactive: bool, client_id: str) -> Grant:
        self.spent.append(refresh_token)
        return Grant(token(), f"rt_{secrets.token_hex(4)}")


async def test_a_token_is_renewed_there(home: Path, service: SecretService) -> None:
    found, old, server = keyring_of(home), document(token(60)), Server()
    found.draft().commit(old)
    login = await TokenStore(found, server).fresh()
    kept = found.load()
    assert server.spent == [old["tokens"]["refresh_token"]]
    assert kept["tokens"]["access_token"] == login.access_token != old["tokens"]["access_token"]
    assert kept["mine"] == ["ü"] and list(kept) == [*old, "last_refresh"] and not (home / "auth.json").exists()
    # The lock is the CLI's.
    assert sorted(each.name for each in home.iterdir()) == ["auth.lock", "config.toml"]


async def test_while_the_keyring_is_silent_the_login_in_memory_is_used(
    home: Path, service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = keyring_of(home, AUTO)
    found.draft().commit(document())
    store = TokenStore(found, Server())
    login = await store.fresh()
    monkeypatch.setattr(system_keyring, "PATIENCE", 0.1)
    os.kill(service.pid, signal.SIGSTOP)
    try:
        turns = 0
        looking = asyncio.create_task(store.current(look=True))
        while not looking.done():
            await asyncio.sleep(0.005)
            turns += 1
        # And the event loop has gone on.
        assert await looking == login and turns > 5
    finally:
        os.kill(service.pid, signal.SIGCONT)


def test_on_macos_it_is_in_the_keychain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(system_keyring.SystemKeyring("a", "b").kept, system_keyring.Keychain)


def test_on_windows_the_cli_keeps_it_for_itself(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert keyring_of(home).encrypted


async def test_a_persons_command_does_not_wait_for_it(
    home: Path, service: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(home))
    keyring_of(home).draft().commit(document())
    with taddons.context() as tctx:
        script, status = tctx.script(str(ROOT / "addon" / "codex.py")), tctx.master.commands.call
        assert "Login from the system's keyring: read with the next request." in status("codex.status")
        await script.login.store.current()
        os.kill(service.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert "Login from the system's keyring: token ok, " in status("codex.status")
            assert time.monotonic() - began < system_keyring.PATIENCE / 3
        finally:
            os.kill(service.pid, signal.SIGCONT)
