import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_proxy import daemon_threads
from codex_proxy.account.login_lock import held
from codex_proxy.account.writable import NotWritable
from codex_proxy.errors import IssuerError


async def on_disk[T](work: Callable[[], T]) -> T:
    return await daemon_threads.aside(work)


async def is_free(path: Path) -> bool:
    try:
        async with held(path, 0.1, on_disk):
            return True
    except IssuerError as e:
        assert e.code == "login_busy" and str(path) in e.message
        return False


async def test_it_is_held_once_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "auth.lock"
    async with held(path, 1, on_disk):
        assert not await is_free(path)
    assert await is_free(path) and path.stat().st_mode & 0o777 == 0o600


async def test_the_login_itself_can_be_the_lock_and_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text("{}")
    async with held(path, 1, on_disk):
        assert not await is_free(path)
    assert path.read_text() == "{}"


async def test_what_can_not_be_locked_is_named(tmp_path: Path) -> None:
    (tmp_path / "auth.lock").mkdir()
    with pytest.raises(NotWritable) as e:
        async with held(tmp_path / "auth.lock", 1, on_disk):
            pass
    assert f"{tmp_path}/auth.lock can't be written to" in e.value.message and "chown" in e.value.message


async def test_a_lock_that_comes_too_late_is_let_go(tmp_path: Path) -> None:
    path, answers = tmp_path / "auth.lock", threading.Event()
    late: list[asyncio.Future[object]] = []

    async def hung[T](work: Callable[[], T]) -> T:
        late.append(
            asyncio.get_running_loop().run_in_executor(daemon_threads.DAEMONS, lambda: (answers.wait(), work()))
        )
        raise IssuerError("login_busy", "hung")

    with pytest.raises(IssuerError, match="hung"):
        async with held(path, 1, hung):
            pass
    answers.set()
    await asyncio.gather(*late)
    assert await is_free(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
async def test_a_lock_of_roots_is_for_whom_the_folder_is(tmp_path: Path) -> None:
    os.chown(tmp_path, 54321, 54321)
    (tmp_path / "auth.json").write_text("{}")
    for name in ("auth.lock", "auth.json"):
        async with held(tmp_path / name, 1, on_disk):
            pass
    assert [(tmp_path / name).stat().st_uid for name in ("auth.lock", "auth.json")] == [54321, 0]
