"""A login file that is mounted by itself, as `docker run -v FILE` and Kubernetes' `subPath` do it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from standin import Standin

from ..mounts import NO_MOUNTS, inside
from . import a_script
from .a_script import bare
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client, write_login

pytestmark = pytest.mark.skipif(bool(NO_MOUNTS), reason=NO_MOUNTS)

FILE = "mount --bind host home/auth.json"
READ_ONLY = f"{FILE}\nmount -o remount,bind,ro home/auth.json"
FOLDER_READ_ONLY = f"mount --bind home home\n{FILE}\nmount -o remount,bind,ro home"


class Place:
    """`host` is the file outside, `path` where the proxy has it."""

    def __init__(self, folder: Path, document: Any) -> None:
        self.folder = folder
        (folder / "home").mkdir()
        self.path = write_login(folder / "home" / "auth.json", {})
        self.host = write_login(folder / "host", document)

    @property
    def refresh_token(self) -> str:
        return str(json.loads(self.host.read_text())["tokens"]["refresh_token"])

    def tool(self, mounts: str) -> str:
        """mitmdump with these mounts of its own."""
        wrapper = self.folder / "mitmdump"
        line = inside(f"cd {self.folder}\n{mounts}", [str(Path(sys.executable).parent / "mitmdump")])
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in line)
        wrapper.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
        wrapper.chmod(0o700)
        return str(wrapper)

    async def run(self, mounts: str, name: str, *args: str) -> a_script.Ended:
        line = inside(f"cd {self.folder}\n{mounts}", a_script.command(name, args))
        process = await asyncio.create_subprocess_exec(
            *line, env=bare(self.folder), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return a_script.Ended(process.returncode, out.decode(), err.decode())


async def started(place: Place, mounts: str, start: Start, standin: Standin) -> Proxy:
    return await start(
        tool=place.tool(mounts),
        codex_upstream=standin.upstream,
        codex_issuer=standin.issuer,
        codex_auth_file=place.path,
    )


async def ask(proxy: Proxy) -> tuple[int, str]:
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["code"]


@pytest.mark.parametrize("mounts", [FILE, FOLDER_READ_ONLY])
async def test_a_renewed_token_is_kept_in_a_mounted_file_over_a_restart(
    mounts: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    place = Place(tmp_path, standin.login(expires_in=-10))
    before, spent = place.host.stat().st_ino, place.refresh_token
    proxy = await started(place, mounts, start, standin)
    assert await ask(proxy) == (200, "")
    await proxy.stop()

    assert place.refresh_token != spent and place.host.stat().st_ino == before
    assert set(os.listdir(place.folder / "home")) <= {"auth.json", "auth.lock"}
    again = await started(place, mounts, start, standin)
    assert await ask(again) == (200, "") and len(standin.refresh_calls) == 1
    assert "in memory only" not in proxy.log + again.log


async def test_a_file_that_is_read_only_spends_no_token(start: Start, standin: Standin, tmp_path: Path) -> None:
    place = Place(tmp_path, standin.login(expires_in=-10))
    proxy = await started(place, READ_ONLY, start, standin)
    assert [await ask(proxy) for _ in range(2)] == [(401, "login_not_writable")] * 2
    assert standin.refresh_calls == []


async def test_a_file_that_is_read_only_serves_while_its_token_lives(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    place = Place(tmp_path, standin.login(expires_in=120))
    proxy = await started(place, READ_ONLY, start, standin)
    assert await ask(proxy) == (200, "") and standin.refresh_calls == []
    await proxy.logged(
        r"auth.json can't be written to \(Read-only file system\).+The current token is valid for another"
    )


async def test_status_renews_in_a_mounted_file(standin: Standin, tmp_path: Path) -> None:
    place = Place(tmp_path, standin.login(expires_in=-10))
    spent = place.refresh_token
    args = [
        "--auth-file",
        str(place.path),
        "--issuer",
        standin.issuer,
        "--upstream",
        standin.upstream,
        "--url",
        "http://127.0.0.1:1",
    ]
    ended = await place.run(FILE, "status", *args)
    assert ended.status == 0 and place.refresh_token != spent, ended


async def test_nobody_is_sent_through_a_login_that_could_not_be_kept(standin: Standin, tmp_path: Path) -> None:
    place = Place(tmp_path, standin.login())
    ended = await place.run(
        READ_ONLY, "login", "--device", "--yes", "--auth-file", str(place.path), "--issuer", standin.issuer
    )
    assert (
        ended.status == 1
        and "auth.json can't be written to (Read-only file system), so a login can't be saved" in ended.err
    )
    assert standin.requests == [] and "http" not in ended.out


async def test_a_log_out_empties_a_mounted_file(standin: Standin, tmp_path: Path) -> None:
    place = Place(tmp_path, standin.login())
    ended = await place.run(FILE, "logout", "--yes", "--auth-file", str(place.path), "--issuer", standin.issuer)
    assert ended.status == 0 and "is empty now" in ended.out, ended
    assert place.host.read_text() == "{}\n"


async def test_a_log_out_from_a_read_only_file_ends_nothing(standin: Standin, tmp_path: Path) -> None:
    place = Place(tmp_path, document := standin.login())
    ended = await place.run(READ_ONLY, "logout", "--yes", "--auth-file", str(place.path), "--issuer", standin.issuer)
    assert ended.status == 1 and "Nothing has been changed" in ended.err, ended
    assert json.loads(place.host.read_text()) == document and standin.requests == []
