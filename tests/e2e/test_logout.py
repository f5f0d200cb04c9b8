"""`scripts/logout` as a process against the stand-in's OAuth server, and what a running proxy makes of it."""

import asyncio
import json
import re
import signal
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx2
import pytest

from standin import Standin

from .a_script import Ended, Terminal, check_no_secrets, run, until
from .harness import Proxy, Start, new_client, write_login

Logout = Callable[..., Coroutine[Any, Any, Ended]]
DOWN = "http://127.0.0.1:1"


@pytest.fixture
def document(standin: Standin) -> dict[str, Any]:
    return standin.login(account_id="1234abcd-0000-4000-8000-000000000000")


@pytest.fixture
def auth_file(document: dict[str, Any], tmp_path: Path) -> Path:
    folder = tmp_path / ".codex"
    folder.mkdir()
    return write_login(folder / "auth.json", document)


@pytest.fixture
async def logout(standin: Standin, auth_file: Path, tmp_path: Path) -> Logout:
    async def start(*args: str, issuer: str = "", **env: str) -> Ended:
        ended = await run("logout", tmp_path, "--issuer", issuer or standin.issuer, *args, **env)
        check_no_secrets(ended, standin)
        return ended

    return start


@pytest.fixture
async def in_terminal(standin: Standin, auth_file: Path, tmp_path: Path) -> Callable[..., Awaitable[Terminal]]:
    async def start(*args: str, issuer: str = "") -> Terminal:
        return await Terminal.start("logout", tmp_path, "--issuer", issuer or standin.issuer, *args)

    return start


def left(auth_file: Path) -> list[str]:
    """What is in the login's folder, without lock files: they stay, as the CLI's do."""
    return sorted(each.name for each in auth_file.parent.iterdir() if each.suffix != ".lock")


def state(standin: Standin, document: dict[str, Any]) -> str:
    return standin.tokens.states[document["tokens"]["refresh_token"]]


async def test_the_login_is_ended_and_its_file_removed(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    ended = await logout("--yes")
    assert ended.status == 0
    assert ended.out == "Logged out: p…n@example.org (plus, account 1234abcd…). Removed ~/.codex/auth.json.\n"
    assert ended.err == "~/.codex/auth.json holds a login: p…n@example.org (plus, account 1234abcd…).\n"
    assert left(auth_file) == [] and state(standin, document) == "revoked"
    for lock in auth_file.parent.glob("*.lock"):
        assert lock.stat().st_mode & 0o077 == 0

    ended = await logout("--yes")
    assert ended.status == 0 and "There is no login in ~/.codex/auth.json." in ended.err


async def test_unasked_nothing_is_removed(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    ended = await logout()
    assert ended.status == 1 and ended.out == "" and ended.err.endswith("To do it without a question: --yes\n")
    assert json.loads(auth_file.read_text()) == document
    assert standin.requests == [] and state(standin, document) == "live"


async def test_a_file_may_be_named(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path, tmp_path: Path
) -> None:
    other = standin.login(email="other@example.org")
    path = write_login(tmp_path / "work.json", other)
    ended = await logout("--yes", "--auth-file", str(path), CODEX_ACCESS_TOKEN="not this one")
    assert ended.status == 0 and "o…r@example.org" in ended.out and not path.exists()
    assert (state(standin, other), state(standin, document)) == ("revoked", "live")
    assert left(auth_file) == ["auth.json"]


async def test_another_credential_stays(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    write_login(auth_file, document | {"OPENAI_API_KEY": "my-own-key", "mine": {"x": [1]}})
    ended = await logout("--yes")
    assert ended.status == 0 and "~/.codex/auth.json keeps its other content." in ended.out
    assert json.loads(auth_file.read_text()) == {"OPENAI_API_KEY": "my-own-key", "mine": {"x": [1]}}
    assert auth_file.stat().st_mode & 0o777 == 0o600 and left(auth_file) == ["auth.json"]
    assert state(standin, document) == "revoked" and "my-own-key" not in ended.out + ended.err


# Where the server does not end it.


async def test_a_login_that_can_not_be_ended_stays(logout: Logout, document: dict[str, Any], auth_file: Path) -> None:
    ended = await logout("--yes", issuer=DOWN)
    assert ended.status == 1 and "can't be reached" in ended.err and "--force" in ended.err
    assert json.loads(auth_file.read_text()) == document


async def test_it_is_removed_all_the_same_if_one_insists(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    ended = await logout("--force", issuer=DOWN)
    assert ended.status == 0 and "Logged out" in ended.out and "The server did not revoke it" in ended.err
    assert left(auth_file) == [] and state(standin, document) == "live"


async def test_where_the_server_ends_it_force_is_as_good_as_yes(
    logout: Logout, standin: Standin, document: dict[str, Any]
) -> None:
    ended = await logout("--force")
    assert ended.status == 0 and "did not revoke" not in ended.err and state(standin, document) == "revoked"


async def test_a_login_that_was_ended_before_is_removed(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    standin.tokens.states[document["tokens"]["refresh_token"]] = "revoked"
    ended = await logout("--yes")
    assert ended.status == 0 and left(auth_file) == []


# In a terminal.


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04"])
async def test_a_person_may_say_no(
    answer: str, in_terminal: Callable[..., Awaitable[Terminal]], standin: Standin, auth_file: Path
) -> None:
    run = await in_terminal()
    await run.answers(r"holds a login: p…n@example.org .+\s+Revoke it at the server and remove it\? \[y/N\]", answer)
    ended = await run.ended()
    assert ended.status == 1 and "Nothing has been removed." in ended.out
    assert left(auth_file) == ["auth.json"] and standin.requests == []


async def test_a_person_may_say_yes(
    in_terminal: Callable[..., Awaitable[Terminal]], standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    run = await in_terminal()
    await run.answers("remove it", "y\n")
    ended = await run.ended()
    assert ended.status == 0 and "\x1b[32mLogged out" in ended.out
    assert left(auth_file) == [] and state(standin, document) == "revoked"


@pytest.mark.parametrize("answer, status", [("n\n", 1), ("y\n", 0)])
async def test_a_person_is_asked_again_where_the_server_did_not_end_it(
    answer: str, status: int, in_terminal: Callable[..., Awaitable[Terminal]], auth_file: Path
) -> None:
    run = await in_terminal("--yes", issuer=DOWN)
    await run.answers(r"can't be reached.+\s+Remove it anyway\?", answer)
    assert (await run.ended()).status == status
    assert left(auth_file) == (["auth.json"] if status else [])


async def test_ctrl_c_at_the_question_changes_nothing(
    in_terminal: Callable[..., Awaitable[Terminal]], standin: Standin, auth_file: Path
) -> None:
    run = await in_terminal()
    await run.shows("remove it")
    run.process.send_signal(signal.SIGINT)
    ended = await run.ended()
    assert ended.status == 130 and "Traceback" not in ended.out
    assert left(auth_file) == ["auth.json"] and standin.requests == []


# What is no login of this kind.


@pytest.mark.parametrize(
    "held, said",
    [
        ({"OPENAI_API_KEY": "my-own-key"}, "holds an API key"),
        ({"personal_access_token": "at-my-own-token"}, "holds a personal access token"),
        ({"tokens": {"access_token": "at-my-own-token"}}, "revoke it in ChatGPT's settings"),
        ({"agent_identity": {"agent_private_key": "my-own-key"}}, "holds an agent identity"),
        ({"bedrock_api_key": {"api_key": "my-own-key"}}, "holds keys for Amazon Bedrock"),
    ],
)
async def test_what_can_not_be_ended_is_explained(
    held: dict[str, Any], said: str, logout: Logout, standin: Standin, auth_file: Path
) -> None:
    write_login(auth_file, held)
    ended = await logout("--force")
    assert ended.status == 1 and said in ended.err and "Nothing has been changed" in ended.err
    assert json.loads(auth_file.read_text()) == held and standin.requests == []
    assert "my-own" not in ended.out + ended.err


@pytest.mark.parametrize("held", ["{}", "[]", '{"tokens": {}}', '{"OPENAI_API_KEY": null}'])
async def test_a_file_without_a_login_needs_no_logout(held: str, logout: Logout, auth_file: Path) -> None:
    auth_file.write_text(held)
    ended = await logout("--yes")
    assert ended.status == 0 and "There is no login" in ended.err and auth_file.read_text() == held


async def test_what_can_not_be_read_is_left_alone(logout: Logout, auth_file: Path) -> None:
    auth_file.write_text("precious")
    ended = await logout("--force")
    assert ended.status == 1 and "is not complete JSON" in ended.err and auth_file.read_text() == "precious"


async def test_a_folder_that_can_not_be_written_to_is_told_first(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    # Where the lock would be there is a folder: that stops root as well, whom no permission does.
    auth_file.with_suffix(".lock").mkdir()
    ended = await logout("--yes")
    assert ended.status == 1 and "Nothing has been changed" in ended.err, ended.err
    assert state(standin, document) == "live" and left(auth_file) == ["auth.json"]


async def test_a_login_of_the_environment_is_ended_and_explained(
    logout: Logout, standin: Standin, document: dict[str, Any], auth_file: Path, tmp_path: Path
) -> None:
    tokens = standin.login(expires_in=-5)["tokens"]
    env = {"OPENAI_OAUTH_ACCESS_TOKEN": tokens["access_token"], "OPENAI_OAUTH_REFRESH_TOKEN": tokens["refresh_token"]}
    status = await run("status", tmp_path, "--issuer", standin.issuer, "--upstream", standin.upstream, "--url", DOWN, **env)  # fmt: skip
    assert status.status == 0 and len(standin.refresh_calls) == 1
    (kept,) = (tmp_path / ".local" / "state" / "codex-proxy").glob("*.json")
    renewed = json.loads(kept.read_text())

    ended = await logout("--yes", **env)
    assert ended.status == 0
    assert "unset it where it is set" in ended.err and "OPENAI_OAUTH_REFRESH_TOKEN" in ended.err
    assert not kept.exists() and state(standin, renewed) == "revoked"
    # The file was not meant.
    assert left(auth_file) == ["auth.json"] and state(standin, document) == "live"


@pytest.mark.parametrize(
    "args", [["--issuer", "http://example.org"], ["--originator", "ü"], ["--no-such-option"], ["and-a-word"]]
)
async def test_wrong_arguments_are_told(args: list[str], logout: Logout, auth_file: Path) -> None:
    ended = await logout(*args)
    assert ended.status == 2 and left(auth_file) == ["auth.json"]


# Beside a running proxy.


async def healthy(client: httpx2.AsyncClient) -> int:
    return (await client.get("/healthz")).status_code


async def proxy_on(start: Start, standin: Standin, path: Path) -> Proxy:
    return await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path)


async def test_a_running_proxy_notices_and_another_login_lives_on(
    start: Start, logout: Logout, standin: Standin, auth_file: Path, tmp_path: Path
) -> None:
    there = standin.tokens.access[json.loads(auth_file.read_text())["tokens"]["access_token"]][0]
    # The same person's, on another machine.
    elsewhere = write_login(tmp_path / "elsewhere.json", standin.tokens.auth_json(there, expires_in=60))
    here, other = await proxy_on(start, standin, auth_file), await proxy_on(start, standin, elsewhere)
    async with new_client(here) as client, new_client(other) as theirs:
        assert (await healthy(client), await healthy(theirs)) == (200, 200)
        assert (await logout("--yes")).status == 0
        assert await healthy(client) == 503
        # It has to renew its token first, which it still can.
        body = {"model": "gpt-6-sol", "input": "Say something.", "stream": True}
        assert (await theirs.post("/v1/responses", json=body)).status_code == 200
        assert (await client.post("/v1/responses", json=body)).status_code == 401
        assert len(standin.refresh_calls) == 1


async def test_a_renewal_under_way_is_waited_for_and_its_token_ended(
    start: Start, logout: Logout, standin: Standin, auth_file: Path
) -> None:
    write_login(auth_file, standin.login(expires_in=-5))
    proxy = await proxy_on(start, standin, auth_file)
    standin.hold(kind="token", before_headers=True)
    async with new_client(proxy) as client:
        body = {"model": "gpt-6-sol", "input": "Say something.", "stream": True}
        asking = asyncio.create_task(client.post("/v1/responses", json=body))
        await standin.held.wait()
        leaving = asyncio.create_task(logout("--yes"))
        await asyncio.sleep(1)
        assert not leaving.done()
        standin.release()
        assert (await asking).status_code == 200
        assert (await leaving).status == 0
    assert left(auth_file) == []
    assert sorted(standin.tokens.states.values()) == ["live", "revoked", "used"]  # the first is the fixture's


async def test_to_be_stopped_while_the_server_thinks_leaves_the_login(
    standin: Standin, document: dict[str, Any], auth_file: Path, tmp_path: Path
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    run = await Terminal.start("logout", tmp_path, "--yes", "--issuer", f"http://127.0.0.1:{port}")
    await asked.wait()
    await until(lambda: len(left(auth_file)) == 2)  # the login, and the draft that shows it can be removed
    run.process.send_signal(signal.SIGTERM)
    ended = await run.ended()
    assert ended.status == 130 and not re.search("Traceback", ended.out), ended.out
    assert left(auth_file) == ["auth.json"] and json.loads(auth_file.read_text()) == document
    server.close()
