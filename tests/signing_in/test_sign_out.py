import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from codex_proxy.account import identity, login_source
from codex_proxy.account.identity import Identity
from codex_proxy.account.login_file import LoginFile
from codex_proxy.errors import IssuerError
from codex_proxy.signing_in.sign_out import NotRemoved, SignOut, token_of, without_tokens
from standin import Standin

TOKENS = {"access_token": "a", "refresh_token": "r", "id_token": "i", "account_id": "x"}

OF_OPENCODE = {"type": "oauth", "access": "a", "refresh": "r", "expires": 1, "accountId": "acc"}


@pytest.mark.parametrize(
    "document, kept",
    [
        ({"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": TOKENS, "last_refresh": "x"}, None),
        ({"tokens": TOKENS, "agent_identity": None, "bedrock_api_key": ""}, None),
        (TOKENS | {"type": "oauth", "expires_at": 1, "email": "e"}, None),
        ({"auth_mode": "chatgpt", "OPENAI_API_KEY": "k", "tokens": TOKENS, "last_refresh": "x"}, {"OPENAI_API_KEY": "k"}),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "k", "tokens": TOKENS}, {"auth_mode": "apikey", "OPENAI_API_KEY": "k"}),
        ({"OPENAI_API_KEY": None, "tokens": TOKENS, "personal_access_token": "at-1"}, {"OPENAI_API_KEY": None, "personal_access_token": "at-1"}),
        ({"tokens": TOKENS, "agent_identity": {"a": 1}}, {"agent_identity": {"a": 1}}),
        ({"tokens": TOKENS, "mine": [1]}, {"mine": [1]}),
        (TOKENS | {"mine": 0}, {"mine": 0}),
        ({"codex": TOKENS}, None),
        ({"codex": TOKENS, "env": {"A": "b"}, "email": "e"}, {"env": {"A": "b"}, "email": "e"}),
        ({"openai": OF_OPENCODE, "anthropic": {"type": "oauth"}}, {"anthropic": {"type": "oauth"}}),
    ],
)  # fmt: skip
def test_only_the_login_goes(document: dict[str, Any], kept: dict[str, Any] | None) -> None:
    assert without_tokens(document) == kept


@pytest.mark.parametrize(
    "document, token",
    [
        ({"tokens": TOKENS}, ("r", "refresh_token")),
        (TOKENS, ("r", "refresh_token")),
        ({"tokens": TOKENS | {"refresh_token": ""}}, ("a", "access_token")),
        ({"tokens": TOKENS | {"refresh_token": None}}, ("a", "access_token")),
        ({"tokens": {}}, None),
        ({"tokens": {}, **TOKENS}, ("r", "refresh_token")),
        ({"tokens": {"id_token": "x"}, **TOKENS}, ("r", "refresh_token")),
        ({"tokens": {"refresh_token": "only"}}, ("only", "refresh_token")),
        ({"refresh_token": "only\n"}, ("only", "refresh_token")),
        ({"codex": TOKENS}, ("r", "refresh_token")),
        ({"openai": OF_OPENCODE}, ("r", "refresh_token")),
        ({}, None),
    ],
)
def test_the_refresh_token_is_the_one_to_end(document: dict[str, Any], token: tuple[str, str] | None) -> None:
    assert token_of(document) == token


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin() as server:
        yield server


@pytest.fixture
def document(standin: Standin) -> dict[str, Any]:
    return standin.login()


@pytest.fixture
def file(document: dict[str, Any], tmp_path: Path) -> LoginFile:
    path = tmp_path / "login" / "auth.json"
    path.parent.mkdir()
    path.write_text(json.dumps(document))
    return LoginFile(path)


def out_of(file: LoginFile, standin: Standin) -> SignOut:
    return SignOut(file, standin.issuer, "nanobot-proxy", identity.of(file.load()))


def left(file: LoginFile) -> list[str]:
    return sorted(each.name for each in file.path.parent.iterdir() if each.suffix != ".lock")


async def test_the_login_is_ended_and_its_file_removed(
    file: LoginFile, document: dict[str, Any], standin: Standin
) -> None:
    assert await out_of(file, standin).finish() == "removed"
    assert left(file) == [] and standin.tokens.states[document["tokens"]["refresh_token"]] == "revoked"
    (request,) = standin.requests
    asked = json.loads(request.body)
    assert (asked["token_type_hint"], asked["token"]) == ("refresh_token", document["tokens"]["refresh_token"])
    assert asked["client_id"] and request.header("originator") == "nanobot-proxy"
    assert (request.header("user-agent") or "").startswith("nanobot-proxy/")


async def test_other_credentials_stay_in_a_file_for_this_user_only(
    file: LoginFile, document: dict[str, Any], standin: Standin
) -> None:
    file.path.write_text(json.dumps(document | {"OPENAI_API_KEY": "a-key"}))
    file.path.chmod(0o666)
    assert await out_of(file, standin).finish() == "kept others"
    assert json.loads(file.path.read_text()) == {"OPENAI_API_KEY": "a-key"}
    assert file.path.stat().st_mode & 0o777 == 0o600 and left(file) == ["auth.json"]


async def test_of_a_link_what_it_leads_to_is_removed(file: LoginFile, standin: Standin, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file.path)
    assert await out_of(LoginFile(link), standin).finish() == "removed"
    assert left(file) == [] and link.is_symlink()


async def test_a_login_without_a_refresh_token_is_ended_by_its_access_token(
    file: LoginFile, document: dict[str, Any], standin: Standin
) -> None:
    del document["tokens"]["refresh_token"]
    file.path.write_text(json.dumps(document))
    await out_of(file, standin).finish()
    assert document["tokens"]["access_token"] in standin.tokens.invalidated
    assert "client_id" not in json.loads(standin.requests[0].body)


async def test_what_the_server_does_not_end_stays(file: LoginFile, document: dict[str, Any]) -> None:
    before = file.path.read_bytes()
    with pytest.raises(IssuerError):
        await SignOut(file, "http://127.0.0.1:1", "x", identity.of(document)).finish()
    assert file.path.read_bytes() == before and left(file) == ["auth.json"]
    assert await SignOut(file, "http://127.0.0.1:1", "x", identity.of(document)).finish(revoke=False) == "removed"  # fmt: skip
    assert left(file) == []


async def test_another_login_put_there_meanwhile_stays(file: LoginFile, standin: Standin) -> None:
    signing_out = out_of(file, standin)
    file.path.write_text(json.dumps(standin.login(email="other@example.org")))
    with pytest.raises(NotRemoved, match=r"another login to .+: o…r@example.org"):
        await signing_out.finish()
    assert left(file) == ["auth.json"] and standin.requests == []


async def test_a_token_renewed_meanwhile_is_the_one_that_is_ended(
    file: LoginFile, document: dict[str, Any], standin: Standin
) -> None:
    signing_out = out_of(file, standin)
    login = standin.tokens.refresh[document["tokens"]["refresh_token"]]
    document["tokens"] |= standin.tokens.issue(login)
    file.path.write_text(json.dumps(document))
    await signing_out.finish()
    assert standin.tokens.states[document["tokens"]["refresh_token"]] == "revoked"


async def test_a_renewal_under_way_is_waited_for(file: LoginFile, standin: Standin) -> None:
    with FileLock(file.path.with_suffix(".lock")):
        task = asyncio.create_task(out_of(file, standin).finish())
        await asyncio.sleep(0.3)
        assert not task.done() and standin.requests == []
    assert await task == "removed"


async def test_of_a_renewal_that_was_cut_short_the_last_token_is_ended(
    file: LoginFile, document: dict[str, Any], standin: Standin
) -> None:
    # Granted to a program that was killed before it was in place.
    tokens = standin.tokens.issue(standin.oauth.person)
    file.draft(document["tokens"]["refresh_token"]).write(document | {"tokens": document["tokens"] | tokens})
    assert await out_of(file, standin).finish() == "removed"
    assert standin.tokens.states[tokens["refresh_token"]] == "revoked" and left(file) == []


async def test_where_nothing_can_be_written_nothing_is_ended(
    file: LoginFile, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_any = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if args and args[0] & os.O_RDWR and not str(path).endswith(".lock"):
            raise PermissionError(13, "Permission denied", path)
        return open_any(path, *args, **kwargs)

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(NotRemoved, match=r"can't be written to \(Permission denied\).+Nothing has been changed"):
        await out_of(file, standin).finish()
    assert standin.requests == [] and left(file) == ["auth.json"]


async def test_a_file_that_stays_is_said_to_be_ended(
    file: LoginFile, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == file.path:
            raise PermissionError(1, "Operation not permitted")
        os.unlink(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(
        NotRemoved, match=r"The login was revoked, but it could not be removed from .+auth.json \(Operation not"
    ):
        await out_of(file, standin).finish()
    assert left(file) == ["auth.json"]


async def test_a_login_of_the_environment_loses_its_state_file(standin: Standin, tmp_path: Path) -> None:
    tokens = standin.login()["tokens"]
    env = {"OPENAI_OAUTH_ACCESS_TOKEN": tokens["access_token"], "OPENAI_OAUTH_REFRESH_TOKEN": tokens["refresh_token"]}
    file = login_source.locate("", env, tmp_path)
    whose = identity.of(file.load())
    assert isinstance(whose, Identity)
    assert await SignOut(file, standin.issuer, "x", whose).finish() == "nothing there"
    assert standin.tokens.states[tokens["refresh_token"]] == "revoked"

    later = standin.tokens.issue(standin.tokens.refresh[tokens["refresh_token"]])
    file.path.write_text(json.dumps({"tokens": tokens | later, "last_refresh": "x"}))
    assert await SignOut(file, standin.issuer, "x", whose).finish() == "removed"
    assert standin.tokens.states[later["refresh_token"]] == "revoked" and left(file) == []
