import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.account import kept_login, tokens
from codex_proxy.account.draft import Draft
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.tokens import TokenStore
from codex_proxy.errors import LoginError

from ..places import ADDON
from .test_tokens import NOW, Server, document, grant, halve, in_file, put


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "auth.json"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_login, "BETWEEN_WRITES", 0.02)


class Full(LoginFile):
    """A login on a disk that is full for now."""

    full = True

    def draft(self, after: str | None = None) -> Draft:
        draft = super().draft(after)
        if self.full:
            device = os.open("/dev/full", os.O_WRONLY)
            os.dup2(device, draft.fd)
            os.close(device)
        return draft


async def renewed_in_memory(path: Path, *more: Any) -> TokenStore:
    """A store whose renewed token is nowhere but in memory."""
    put(path, document(0))
    store = TokenStore(Full(path), Server(grant(), *more), now=lambda: NOW)
    assert (await store.fresh()).refresh_token == "r2"
    assert in_file(path)["refresh_token"] == "r1" and sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]
    return store


def make_room(store: TokenStore) -> None:
    assert isinstance(store.file, Full)
    store.file.full = False


async def is_written(store: TokenStore) -> None:
    async with asyncio.timeout(30):
        while store.kept.unwritten:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_else_the_file_holds_keeps_no_token_from_being_kept(path: Path) -> None:
    """Half a surrogate pair can be told in JSON and has no UTF-8."""
    put(path, document(0) | {"note": "\ud83d"})
    store = TokenStore(LoginFile(path), Server(grant()), now=lambda: NOW)
    assert (await store.fresh()).refresh_token == "r2"
    assert in_file(path)["refresh_token"] == "r2" and json.loads(path.read_text())["note"] == "\ud83d"


async def test_a_token_that_can_not_be_written_is_used_and_written_when_there_is_room(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = await renewed_in_memory(path)
    assert "(No space left on device): it is in memory only" in caplog.text
    for _ in range(3):
        assert (await store.current(look=True)).refresh_token == "r2"
        await asyncio.sleep(0.05)
    # Told once, however often it is tried.
    assert caplog.text.count("in memory only") == 1
    make_room(store)
    await is_written(store)
    # Told by the thread that writes it, a moment after the file is there.
    async with asyncio.timeout(30):
        while "is now written" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert in_file(path)["refresh_token"] == "r2"
    assert store.file.signature() == LoginFile(path).signature()
    assert (await store.current(look=True)).refresh_token == "r2"


async def test_a_token_in_memory_is_renewed_as_well(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "BETWEEN_RENEWALS", 0.0)
    store = await renewed_in_memory(path, grant("r3"))
    store.now = lambda: NOW + 864_000
    assert (await store.fresh()).refresh_token == "r3"
    assert in_file(path)["refresh_token"] == "r1"
    make_room(store)
    await is_written(store)
    assert in_file(path)["refresh_token"] == "r3"


async def test_a_token_in_memory_yields_to_a_new_login(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await renewed_in_memory(path)
    new = put(path, document(864_000, "r9"))
    for _ in range(2):
        assert (await store.current(look=True)).access_token == new
    make_room(store)
    await is_written(store)
    assert in_file(path)["refresh_token"] == "r9" and "could not be written is dropped" in caplog.text


async def test_a_token_in_memory_is_not_written_after_a_log_out(path: Path) -> None:
    store = await renewed_in_memory(path)
    path.unlink()
    with pytest.raises(LoginError):
        await store.current(look=True)
    make_room(store)
    await is_written(store)
    assert not path.exists()


@pytest.mark.parametrize("change", [halve, Path.touch, lambda path: path.write_text(path.read_text() + " ")])
async def test_a_token_in_memory_is_kept_though_the_file_with_the_spent_one_changes(path: Path, change: Any) -> None:
    store = await renewed_in_memory(path)
    change(path)
    assert (await store.current(look=True)).refresh_token == "r2"
    make_room(store)
    await is_written(store)
    assert in_file(path)["refresh_token"] == "r2"


async def test_a_draft_is_known_by_the_token_in_the_file(path: Path) -> None:
    store = await renewed_in_memory(path)
    make_room(store)
    store.kept.draft("r2").write(document(864_000, "r3"))
    assert LoginFile(path).recover("r1")


# What a killed program left.


async def left_behind(path: Path, left: str) -> TokenStore:
    put(path, document(0))
    async with LoginFile(path).locked():
        draft = LoginFile(path).draft("r1")
        os.write(draft.fd, left.encode())
        os.close(draft.fd)
    return TokenStore(LoginFile(path), Server(grant("r3")), now=lambda: NOW)


async def test_what_a_killed_program_was_granted_is_taken(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await left_behind(path, json.dumps(document(864_000, "r2")))
    assert not store.was_cut_short(store.look_now())
    assert (await store.fresh()).refresh_token == "r2"
    assert in_file(path)["refresh_token"] == "r2" and "was killed while it renewed" in caplog.text
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


async def test_what_it_was_granted_is_taken_though_it_has_ended_since(path: Path) -> None:
    store = await left_behind(path, json.dumps(document(0, "r2")))
    assert (await store.fresh()).refresh_token == "r3"


@pytest.mark.parametrize("left", ["", json.dumps(document(864_000, "r2"))[:-1], "{}", "[]", json.dumps(document(0))])
async def test_what_is_not_whole_is_not_taken(path: Path, left: str) -> None:
    store = await left_behind(path, left)
    assert store.was_cut_short(store.look_now())
    assert (await store.fresh()).refresh_token == "r3"
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"] and not store.was_cut_short(store.look_now())


async def test_what_was_granted_for_another_login_is_not_taken(path: Path) -> None:
    store = await left_behind(path, json.dumps(document(864_000, "r2")))
    put(path, document(0, "of another login"))
    assert (await store.fresh()).refresh_token == "r3"
    assert sorted(os.listdir(path.parent)) == ["auth.json", "auth.lock"]


DISK_FULL = f"""
import asyncio, json, os, resource, sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account import kept_login
from codex_proxy.account.login import Grant
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.tokens import TokenStore
kept_login.BETWEEN_WRITES = 0.02
path = Path(sys.argv[1])
async def refresh(refresh_token, *, proactive, client_id):
    limit(20)
    return Grant("renewed", "r2", None, 3600)
def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
def tell(login):
    print(login.access_token, json.loads(path.read_text())["tokens"]["refresh_token"], sorted(os.listdir(path.parent)))
async def main():
    store = TokenStore(LoginFile(path), refresh)
    tell(await store.fresh())
    tell(await store.current(look=True))
    limit(resource.RLIM_INFINITY)
    while store.kept.unwritten:
        await asyncio.sleep(0.01)
    tell(await store.current(look=True))
asyncio.run(main())
"""


def test_a_disk_that_takes_a_part_neither_loses_the_token_nor_harms_the_file(path: Path) -> None:
    content = document(0, access="old")
    content["tokens"]["expires_at"] = 1
    put(path, content)
    done = subprocess.run([sys.executable, "-c", DISK_FULL, str(path)], capture_output=True, text=True, timeout=60)
    here = "['auth.json', 'auth.lock']"
    assert done.stdout.splitlines() == [f"renewed r1 {here}", f"renewed r1 {here}", f"renewed r2 {here}"]
    assert "File too large" in done.stderr
