"""Files that block whoever reads them: a pipe, and a network disk that went away. Nothing of the proxy waits for them."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from standin import Standin

from ..mounts import NO_HUNG, hung
from .harness import QUESTION, Proxy, Start, new_client, write_login

# More than a disk may take (bounded_files.PATIENCE), and less than a person would call hanging, in seconds.
BOUND = 15.0


async def health(proxy: Proxy) -> tuple[int, str]:
    async with new_client(proxy) as client:
        answer = await client.get("/healthz")
    return answer.status_code, answer.json()["login"].get("error", "")


async def ask(proxy: Proxy) -> tuple[int, str]:
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["message"]


async def test_a_login_that_turns_into_a_pipe_holds_nothing_up(start: Start, standin: Standin, tmp_path: Path) -> None:
    path = write_login(tmp_path / "auth.json", standin.login())
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path)
    assert await ask(proxy) == (200, "")
    path.unlink()
    os.mkfifo(path)
    begun = time.monotonic()
    # What is in memory serves on.
    assert [await health(proxy), await ask(proxy), await health(proxy)] == [(200, ""), (200, ""), (200, "")]
    await proxy.logged("it is a pipe, which can be read only once.+ Continuing with the login in memory")
    proxy.process.terminate()
    assert await proxy.ended() == 0 and time.monotonic() - begun < BOUND


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a folder"])
async def test_a_start_with_what_is_no_file_says_so(kind: str, start: Start, standin: Standin, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    if kind == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "a device" else "/")
    env = {"CODEX_HOME": str(tmp_path)}
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, env=env)
    status, said = await health(proxy)
    assert status == 503 and f"it is {kind}" in said and "can't be read" in said
    assert (await ask(proxy))[0] == 401


def with_hung(disk: Path) -> str:
    """mitmdump where the disk at `disk` never answers."""
    disk.mkdir()
    wrapper = disk.with_name("mitmdump")
    line = hung(disk, [str(Path(sys.executable).parent / "mitmdump")])
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(line)} "$@"\n')
    wrapper.chmod(0o700)
    return str(wrapper)


@pytest.mark.skipif(bool(NO_HUNG), reason=NO_HUNG)
@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_disk_that_does_not_answer_holds_nothing_up(
    in_memory: bool, start: Start, standin: Standin, tmp_path: Path
) -> None:
    disk, link = tmp_path / "disk", tmp_path / "auth.json"
    link.symlink_to(write_login(tmp_path / "real.json", standin.login()) if in_memory else disk / "auth.json")
    proxy = await start(
        tool=with_hung(disk), codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=link
    )
    if in_memory:
        assert await ask(proxy) == (200, "")
        link.unlink()
        link.symlink_to(disk / "auth.json")

    begun = time.monotonic()
    found = [await health(proxy), await ask(proxy), await health(proxy)]
    if in_memory:
        assert found == [(200, "")] * 3
    else:
        assert [status for status, _ in found] == [503, 401, 503]
        assert all("the disk has not answered within 2 s" in said for _, said in found)
    proxy.process.terminate()
    assert await proxy.ended() == 0 and time.monotonic() - begun < BOUND


@pytest.mark.parametrize("option", ["codex_client_key=file:{}", "codex_instructions={}"])
async def test_other_files_that_a_person_names_are_refused_alike(
    option: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    name, _, value = option.format(tmp_path / "pipe").partition("=")
    proxy = await start(codex_upstream=standin.upstream, wait=False, **{name: value})
    assert await proxy.ended() == 1
    assert "it is a pipe, which can be read only once and not written back" in proxy.log


NAMED = {
    "SSL_CERT_FILE": ({"SSL_CERT_FILE": "{}/ca.pem"}, {}),
    "SSL_CERT_DIR": ({"SSL_CERT_DIR": "{}"}, {}),
    "codex_capture": ({}, {"codex_capture": "{}/captured"}),
}


@pytest.mark.skipif(bool(NO_HUNG), reason=NO_HUNG)
@pytest.mark.parametrize("name", NAMED)
async def test_a_start_does_not_wait_for_a_disk_that_does_not_answer(
    name: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    env, options = ({key: value.format(disk) for key, value in each.items()} for each in NAMED[name])
    proxy = await start(tool=with_hung(disk), env=env, codex_upstream=standin.upstream, wait=False, **options)
    assert await proxy.ended() == 1
    assert f"{name}={disk}" in proxy.log and "the disk has not answered within" in proxy.log


@pytest.mark.skipif(bool(NO_HUNG), reason=NO_HUNG)
async def test_a_capture_on_a_disk_that_went_away_holds_nothing_up_for_long(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    disk, link = tmp_path / "disk", tmp_path / "captured"
    (tmp_path / "real").mkdir()
    link.symlink_to(tmp_path / "real")
    login = write_login(tmp_path / "auth.json", standin.login())
    options = {"codex_issuer": standin.issuer, "codex_auth_file": login, "codex_capture": link}
    proxy = await start(tool=with_hung(disk), codex_upstream=standin.upstream, **options)
    assert await ask(proxy) == (200, "") and (tmp_path / "real" / "0001.json").exists()
    link.unlink()
    link.symlink_to(disk)
    begun = time.monotonic()
    assert await ask(proxy) == (200, "")
    proxy.process.terminate()
    assert await proxy.ended() == 0 and time.monotonic() - begun < BOUND
    assert f"The report can't be written to {link}: the disk has not answered" in proxy.log
