import json
import os
import secrets
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from codex_proxy.account import identity, login_file
from codex_proxy.account.draft import Draft
from codex_proxy.account.identity import Identity
from codex_proxy.account.login import AUTH_CLAIM, Grant, read
from codex_proxy.account.login_file import LoginFile
from codex_proxy.errors import IssuerError, LoginError
from codex_proxy.signing_in.pkce import challenge_of
from codex_proxy.signing_in.sign_in import SignIn, check_place, document, held, make_folder
from standin import Standin

from ..places import ADDON

NOW = 1_795_518_000.0
REDIRECT = "http://127.0.0.1:1455/auth/callback"
VERIFIER = "v" * 64


def token(account: str) -> str:
    return jwt.encode({AUTH_CLAIM: {"chatgpt_account_id": account}}, secrets.token_hex(32))


GRANT = Grant("new-a", "new-r", token("acc"), 600.0)


# What the file holds afterwards.


def test_a_new_file_has_the_clis_form() -> None:
    made = document({}, GRANT, NOW)
    assert made == {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {"id_token": GRANT.id_token, "access_token": "new-a", "refresh_token": "new-r", "account_id": "acc"},
        "last_refresh": "2026-11-24T11:00:00Z",
    }
    assert list(made) == ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"]
    assert list(made["tokens"]) == ["id_token", "access_token", "refresh_token", "account_id"]


@pytest.mark.parametrize(
    "old, kept, kept_tokens",
    [
        ({"mine": [1], "tokens": {"access_token": "a", "also": {}, "expires_at": 1}}, {"mine": [1]}, {"also": {}}),
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "k", "z": None}, {"z": None}, {}),
        ({"access_token": "a", "refresh_token": "r", "account_id": "x", "expires_at": 1, "type": "oauth"}, {"type": "oauth"}, {}),
        ({"personal_access_token": "at-1", "agent_identity": {}, "bedrock_api_key": "b", "tokens": None}, {}, {}),
        ({"tokens": "odd", "last_refresh": 5}, {}, {}),
        ({"tokens": {"oauth_provenance": {"issuer": "x"}, "login_owner_id": "o", "also": 1}}, {}, {"also": 1}),
        ({"oauth_provenance": {"issuer": "x"}, "login_owner_id": "o", "mine": 1}, {"mine": 1}, {}),
    ],
)  # fmt: skip
def test_unknown_keys_stay_and_other_logins_go(old: Any, kept: dict[str, Any], kept_tokens: dict[str, Any]) -> None:
    made = document(old, GRANT, NOW)
    new = document({}, GRANT, NOW)
    assert made == new | kept | {"tokens": new["tokens"] | kept_tokens}
    assert read(made, "f").account_id == "acc" and identity.of(made).kind == "chatgpt"


@pytest.mark.parametrize(
    "old, made",
    [
        (
            {"env": {}, "codex": {"access_token": "a", "refresh_token": "r", "expires_at": 1, "account_id": "x"}},
            {
                "env": {},
                "codex": {
                    "access_token": "new-a",
                    "refresh_token": "new-r",
                    "expires_at": NOW + 600,
                    "account_id": "acc",
                },
            },
        ),
        (
            {
                "openai": {"type": "oauth", "refresh": "r", "access": "a", "expires": 1_795_000_000_000},
                "x": {"type": "api"},
            },
            {
                "openai": {
                    "type": "oauth",
                    "refresh": "new-r",
                    "access": "new-a",
                    "expires": (NOW + 600) * 1000,
                    "accountId": "acc",
                },
                "x": {"type": "api"},
            },
        ),
    ],
)
def test_a_file_of_another_program_keeps_its_form(old: dict[str, Any], made: dict[str, Any]) -> None:
    assert document(old, GRANT, NOW) == made
    assert read(made, "f").account_id == "acc" and identity.of(made).kind == "chatgpt"


# Where it is kept.


def test_what_is_held_is_told(tmp_path: Path) -> None:
    file = LoginFile(tmp_path / "auth.json")
    assert held(file) is None
    file.path.write_text('{"a": 1}')
    assert held(file) == {"a": 1}
    for text in ("[]", "junk"):
        file.path.write_text(text)
        with pytest.raises(LoginError):
            held(file)


@pytest.mark.parametrize(
    "place, good", [("auth.json", True), ("a/b/auth.json", True), ("file/auth.json", False), ("folder", False)]
)
def test_a_place_that_can_hold_no_login_is_known_before(place: str, good: bool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    if good:
        check_place(LoginFile(tmp_path / place))
    else:
        with pytest.raises(LoginError, match="so a login can't be saved at"):
            check_place(LoginFile(tmp_path / place))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]


# Root may write everywhere, so it becomes somebody else first.
AS_NOBODY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from codex_proxy.errors import LoginError
from codex_proxy.account.login_file import LoginFile
from codex_proxy.signing_in.sign_in import check_place
if os.geteuid() == 0:
    os.setuid(65534)
try:
    check_place(LoginFile(Path(sys.argv[2])))
except LoginError as e:
    print(e.message)
"""


def test_a_folder_that_may_not_be_written_to_is_known_before() -> None:
    # Not pytest's own folder, which nobody but its owner can reach.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(ADDON), f"{folder}/auth.json"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        Path(folder).chmod(0o755)
    assert "can't be written to" in done.stdout, done.stderr


@contextmanager
def umask(mask: int) -> Any:
    before = os.umask(mask)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_for_this_user_only(tmp_path: Path) -> None:
    with umask(0):
        make_folder(tmp_path / "a" / "b")
    assert [mode(tmp_path / "a"), mode(tmp_path / "a" / "b")] == [0o700, 0o700]
    tmp_path.chmod(0o755)
    make_folder(tmp_path)
    assert mode(tmp_path) == 0o755


def test_a_folder_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoginError, match="can't be made"):
        make_folder(tmp_path / "file" / "b")


# The way there, against the stand-in.


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin() as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> LoginFile:
    return LoginFile(tmp_path / "codex" / "auth.json")


def signing_in(standin: Standin, file: LoginFile, **more: Any) -> SignIn:
    return SignIn(file, standin.issuer, "nanobot-proxy", **more)


async def finish(standin: Standin, sign_in: SignIn, verifier: str = VERIFIER) -> Identity:
    code = standin.oauth.grant(standin.oauth.person, challenge_of(VERIFIER), REDIRECT)
    return await sign_in.finish(code, REDIRECT, verifier)


def write(file: LoginFile, document: object) -> None:
    file.path.parent.mkdir(exist_ok=True)
    file.path.write_text(json.dumps(document))


def names(file: LoginFile) -> list[str]:
    return sorted(each.name for each in file.path.parent.iterdir())


async def test_a_login_is_written_whole_and_for_this_user_only(standin: Standin, file: LoginFile) -> None:
    standin.login(email="new@example.org", plan="pro", account_id="new-account")
    with umask(0):
        whose = await finish(standin, signing_in(standin, file))
    assert whose == Identity("new@example.org", "pro", "new-account", "chatgpt")
    assert mode(file.path) == 0o600 and mode(file.path.parent) == 0o700
    assert names(file) == ["auth.json", "auth.lock"]
    assert read(file.load(), "f").account_id == "new-account"
    (call,) = standin.refresh_calls
    assert call.header("content-type") == "application/x-www-form-urlencoded"
    assert (call.header("user-agent") or "").startswith("nanobot-proxy/") and call.header("originator") is None


async def test_what_was_there_is_ended_once_the_new_one_is_written(standin: Standin, file: LoginFile) -> None:
    old = standin.login()
    write(file, old | {"mine": 1})
    sign_in = signing_in(standin, file, agreed=identity.of(old))
    await finish(standin, sign_in)
    assert standin.tokens.states[old["tokens"]["refresh_token"]] == "live"
    assert await sign_in.end_replaced() is True
    assert standin.tokens.states[old["tokens"]["refresh_token"]] == "revoked"
    after = file.load()
    assert after["mine"] == 1 and standin.tokens.states[after["tokens"]["refresh_token"]] == "live"


async def test_without_a_refresh_token_the_access_token_is_ended(standin: Standin, file: LoginFile) -> None:
    access = standin.login()["tokens"]["access_token"]
    write(file, {"access_token": access})
    sign_in = signing_in(standin, file)
    await finish(standin, sign_in)
    await sign_in.end_replaced()
    assert access in standin.tokens.invalidated


async def test_tokens_beside_an_empty_place_for_them_are_ended(standin: Standin, file: LoginFile) -> None:
    old = standin.login()["tokens"]
    write(file, {"tokens": {}, **old})
    sign_in = signing_in(standin, file)
    await finish(standin, sign_in)
    assert await sign_in.end_replaced() is True
    assert standin.tokens.states[old["refresh_token"]] == "revoked"


@pytest.mark.parametrize(
    "before", [None, {}, {"tokens": {}}, {"OPENAI_API_KEY": "key"}, {"personal_access_token": "at-1"}]
)
async def test_where_there_was_no_such_login_nothing_is_ended(before: Any, standin: Standin, file: LoginFile) -> None:
    if before is not None:
        write(file, before)
    sign_in = signing_in(standin, file)
    await finish(standin, sign_in)
    assert await sign_in.end_replaced() is False
    assert [seen.path for seen in standin.requests] == []


@pytest.mark.parametrize("workspace", ["acc", "other, acc", "other,acc,"])
async def test_the_workspace_asked_for_is_taken(workspace: str, standin: Standin, file: LoginFile) -> None:
    standin.login(account_id="acc")
    assert (await finish(standin, signing_in(standin, file, workspace=workspace))).account_id == "acc"


async def test_another_workspace_is_not_kept_and_its_tokens_are_ended(standin: Standin, file: LoginFile) -> None:
    old = standin.login(account_id="acc")
    write(file, old)
    standin.login(account_id="other")
    with pytest.raises(LoginError, match=r"another workspace.*account other…"):
        await finish(standin, signing_in(standin, file, workspace="acc"))
    assert file.load() == old and names(file) == ["auth.json", "auth.lock"]
    # The first two came from `login`.
    assert list(standin.tokens.states.values()) == ["live", "live", "revoked"]


async def test_a_login_that_came_meanwhile_is_left_there(standin: Standin, file: LoginFile) -> None:
    agreed = identity.of(standin.login(account_id="one"))
    for before in (agreed, identity.of({})):
        other = standin.login(account_id="two")
        write(file, other)
        with pytest.raises(LoginError, match="Meanwhile another program"):
            await finish(standin, signing_in(standin, file, agreed=before))
        assert file.load() == other
    assert standin.refresh_calls == []


async def test_the_same_login_renewed_meanwhile_is_the_one_that_is_replaced(standin: Standin, file: LoginFile) -> None:
    agreed = identity.of(standin.login(account_id="one"))
    renewed = standin.login(account_id="one")
    write(file, renewed)
    sign_in = signing_in(standin, file, agreed=agreed)
    await finish(standin, sign_in)
    await sign_in.end_replaced()
    assert standin.tokens.states[renewed["tokens"]["refresh_token"]] == "revoked"


@pytest.mark.parametrize("agreed", [None, identity.of({})])
async def test_what_is_no_login_is_replaced_if_it_may_be(
    agreed: Identity | None, standin: Standin, file: LoginFile
) -> None:
    write(file, ["odd"])
    await finish(standin, signing_in(standin, file, agreed=agreed))
    assert file.load()["auth_mode"] == "chatgpt"


async def test_a_code_that_is_refused_changes_nothing(standin: Standin, file: LoginFile) -> None:
    with pytest.raises(LoginError, match=r"can't be finished: .*code_verifier does not fit"):
        await finish(standin, signing_in(standin, file), verifier="w" * 64)
    assert names(file) == ["auth.lock"]


async def test_a_full_disk_leaves_the_old_login_and_ends_the_new_one(
    standin: Standin, file: LoginFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = standin.login()
    write(file, old)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Draft, "commit", full)
    with pytest.raises(LoginError, match="No space left on device"):
        await finish(standin, signing_in(standin, file))
    assert file.load() == old and names(file) == ["auth.json", "auth.lock"]
    assert list(standin.tokens.states.values()) == ["live", "revoked"]


async def test_a_file_that_is_held_by_another_program_is_not_written(
    standin: Standin, file: LoginFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_file, "LOCK_PATIENCE", 0.05)
    make_folder(file.path.parent)
    async with LoginFile(file.path).locked():
        with pytest.raises(IssuerError, match="Another program has held"):
            await finish(standin, signing_in(standin, file))
    assert standin.refresh_calls == []


async def test_a_link_stays_one(standin: Standin, file: LoginFile, tmp_path: Path) -> None:
    make_folder(file.path.parent)
    file.path.symlink_to(tmp_path / "elsewhere" / "real.json")
    await finish(standin, signing_in(standin, file))
    assert file.path.is_symlink() and mode(tmp_path / "elsewhere" / "real.json") == 0o600
    assert mode(tmp_path / "elsewhere") == 0o700
