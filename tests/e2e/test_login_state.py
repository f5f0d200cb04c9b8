"""What is said of a login: usable or not, by what ends it, and by which command this one is mended."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from standin import Standin

from ..mounts import folder_for_all
from ..places import ROOT
from . import a_script
from .harness import QUESTION, Proxy, Start, new_client, write_login


async def with_login(start: Start, standin: Standin, path: Path, **more: Any) -> Proxy:
    return await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path, **more)


async def ask(proxy: Proxy) -> tuple[int, str]:
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=QUESTION)
    return answer.status_code, "" if answer.status_code == 200 else answer.json()["error"]["message"]


async def health(proxy: Proxy) -> tuple[int, dict[str, Any]]:
    async with new_client(proxy) as client:
        answer = await client.get("/healthz")
    return answer.status_code, answer.json()["login"]


# Usable or not.


async def test_after_a_request_that_succeeds_a_refused_token_is_forgotten(
    proxy: Proxy, standin: Standin, login_file: Path
) -> None:
    standin.fail("unauthorized")
    standin.fail("refresh-invalidated")
    assert (await ask(proxy))[0] == 401
    status, login = await health(proxy)
    assert status == 503 and login["state"] == "refresh_token_invalidated"

    assert (await ask(proxy))[0] == 200
    status, login = await health(proxy)
    assert status == 200 and "revoked elsewhere" in login["warning"] and len(standin.refresh_calls) == 1


async def test_a_living_token_whose_refresh_token_is_dead_is_used_to_its_end(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    proxy = await with_login(start, standin, write_login(tmp_path / "auth.json", standin.login(expires_in=200)))
    standin.fail("refresh-invalidated", times=None)
    assert [await ask(proxy) for _ in range(3)] == [(200, "")] * 3
    status, login = await health(proxy)
    assert status == 200 and login["state"] == "ok" and "revoked elsewhere" in login["warning"]
    assert len(standin.refresh_calls) == 1 and proxy.log.count("revoked elsewhere") == 1


async def test_another_login_in_the_file_is_no_refused_one(proxy: Proxy, standin: Standin, login_file: Path) -> None:
    standin.fail("unauthorized")
    standin.fail("refresh-invalidated")
    assert (await ask(proxy))[0] == 401
    write_login(login_file, standin.login())
    status, login = await health(proxy)
    assert status == 200 and "warning" not in login and (await ask(proxy))[0] == 200


# Where it was made.


def made_at(document: dict[str, Any], issuer: str, client_id: str = "app_EMoamEEZ73f0CkXaXp7hrann") -> dict[str, Any]:
    document["tokens"]["oauth_provenance"] = {"issuer": issuer, "client_id": client_id}
    document["tokens"]["login_owner_id"] = "owner"
    return document


async def test_a_renewal_is_asked_for_as_the_client_that_logged_in(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    document = made_at(standin.login(expires_in=-10), f"{standin.issuer}/", "app_of_another_program")
    path = write_login(tmp_path / "auth.json", document)
    proxy = await with_login(start, standin, path)
    await ask(proxy)
    assert standin.refresh_calls[0].json["client_id"] == "app_of_another_program"


async def test_a_renewal_keeps_where_it_was_made(start: Start, standin: Standin, tmp_path: Path) -> None:
    document = made_at(standin.login(expires_in=-10), standin.issuer)
    path = write_login(tmp_path / "auth.json", document)
    assert (await ask(await with_login(start, standin, path)))[0] == 200
    tokens = json.loads(path.read_text())["tokens"]
    assert tokens["oauth_provenance"] == document["tokens"]["oauth_provenance"] and tokens["login_owner_id"] == "owner"


@pytest.mark.parametrize("left, served", [(-10, False), (120, True)])
async def test_a_refresh_token_of_another_issuer_is_sent_nowhere(
    left: int, served: bool, start: Start, standin: Standin, tmp_path: Path
) -> None:
    async with Standin() as other:
        document = made_at(standin.login(expires_in=left), other.issuer)
        proxy = await with_login(start, standin, write_login(tmp_path / "auth.json", document))
        status, said = await ask(proxy)
        told = (await health(proxy))[1]
        assert standin.refresh_calls == other.refresh_calls == [] and other.requests == []
    if served:
        assert status == 200 and other.issuer in told["warning"]
    else:
        assert status == 401 and told["state"] == "login_other_issuer"
        assert other.issuer in said and "set codex_issuer" in said and "--auth-file" in said


async def test_a_log_out_sends_a_token_of_another_issuer_nowhere(standin: Standin, tmp_path: Path) -> None:
    async with Standin() as other:
        path = write_login(tmp_path / "auth.json", document := made_at(standin.login(), other.issuer))
        args = ["logout", tmp_path, "--yes", "--auth-file", str(path), "--issuer", standin.issuer]
        ended = await a_script.run(*args)  # type: ignore[arg-type]
        assert ended.status == 1 and other.issuer in ended.err and json.loads(path.read_text()) == document
        ended = await a_script.run(*args, "--force")  # type: ignore[arg-type]
        assert ended.status == 0 and not path.exists()
        assert standin.requests == other.requests == []


# What mends it.


@pytest.mark.parametrize("name", ["auth.json", "my own.json"])
async def test_the_command_is_for_the_file_that_is_used(
    name: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = tmp_path / "a folder" / name
    path.parent.mkdir()
    proxy = await with_login(start, standin, path)
    command = f"{ROOT}/scripts/login --auth-file {shlex.quote(str(path))}"
    for status, said in (await ask(proxy), (503, (await health(proxy))[1]["error"])):
        assert status in (401, 503) and f"Run: {command}" in said
    async with new_client(proxy) as client:
        assert command in (await client.get("/")).text.replace('\\"', '"')


async def test_the_command_is_for_the_folder_that_is_used(start: Start, standin: Standin, tmp_path: Path) -> None:
    env = {"CODEX_HOME": str(tmp_path / "work")}
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, env=env)
    before = f"CODEX_HOME={tmp_path}/work"
    assert f"Run: {before} {ROOT}/scripts/login or {before} codex login" in (await ask(proxy))[1]


async def test_for_a_login_in_the_environment_it_is_the_variable(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    standin.fail("refresh-invalidated", times=None)
    env = {"OPENAI_OAUTH_REFRESH_TOKEN": standin.login()["tokens"]["refresh_token"]}
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, env=env)
    status, said = await ask(proxy)
    assert status == 401 and "Set OPENAI_OAUTH_REFRESH_TOKEN again where the proxy is started" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
async def test_a_service_says_as_whom_and_where(start: Start, standin: Standin, tmp_path: Path) -> None:
    path = write_login(tmp_path / "auth.json", {})
    os.chown(path, 54321, -1)
    proxy = await with_login(start, standin, path, env={"INVOCATION_ID": "1"})
    assert f"Run as user 54321: {ROOT}/scripts/login --auth-file {path}" in (await ask(proxy))[1]


# The lock.


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_a_lock_of_another_user_is_named_itself() -> None:
    with folder_for_all() as above:
        lock_of_another_user(above / "home")


def lock_of_another_user(folder: Path) -> None:
    folder.mkdir()
    (folder / "auth.json").write_text("{}")
    (folder / "auth.lock").touch(0o600)
    for each in (folder, folder / "auth.json"):
        os.chown(each, 54321, 54321)
    program = f"""
import asyncio, os, sys
sys.path.insert(0, {str(ROOT / "addon")!r})
from pathlib import Path
from codex_proxy.signing_in import sign_in
from codex_proxy.account.login_file import LoginFile
from codex_proxy.errors import ProxyError
file = LoginFile(Path(sys.argv[1]))
os.setgroups([]); os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)
async def main():
    async with file.locked():
        pass
for work in (lambda: asyncio.run(main()), lambda: sign_in.check_place(file)):
    try:
        work()
    except ProxyError as e:
        print(e.message)
"""
    path = str(folder / "auth.json")
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
    first, second = done.stdout.splitlines()
    assert f"{folder}/auth.lock can't be written to (Permission denied)" in first and "chown" in first
    assert f"{folder}/auth.lock can't be written to (Permission denied), so a login can't be saved" in second


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
async def test_a_lock_that_root_makes_belongs_to_whom_the_folder_belongs(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    os.chown(folder, 54321, 54321)
    path = write_login(folder / "auth.json", standin.login(expires_in=-10))
    assert (await ask(await with_login(start, standin, path)))[0] == 200
    assert (folder / "auth.lock").stat().st_uid == 54321


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
async def test_a_login_as_windows_programs_write_it_is_read(
    encoding: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = tmp_path / "auth.json"
    path.write_bytes(json.dumps(standin.login(), indent=2).replace("\n", "\r\n").encode(encoding))
    assert await ask(await with_login(start, standin, path)) == (200, "")
