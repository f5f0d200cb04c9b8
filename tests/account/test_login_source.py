import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.account.identity import Identity
from codex_proxy.account.login_source import is_from_environment, kind, locate, place, shown_path, variables, without

HOME = Path("/home/somebody")
PERSON = Identity("person@example.org", "plus", "1234abcd-5678", "chatgpt")


@pytest.mark.parametrize(
    "option, env, told",
    [
        ("", {}, "~/.codex/auth.json"),
        ("", {"CODEX_HOME": "/srv/codex"}, "/srv/codex/auth.json"),
        ("/home/somebody/work.json", {"CODEX_ACCESS_TOKEN": "x"}, "~/work.json"),
        ("", {"CODEX_ACCESS_TOKEN": "x"}, "the environment (CODEX_ACCESS_TOKEN)"),
        (
            "",
            {"OPENAI_OAUTH_ACCESS_TOKEN": "x", "OPENAI_OAUTH_REFRESH_TOKEN": "y"},
            "the environment (OPENAI_OAUTH_ACCESS_TOKEN, OPENAI_OAUTH_REFRESH_TOKEN)",
        ),
    ],
)
def test_where_a_login_comes_from(option: str, env: dict[str, str], told: str) -> None:
    file = locate(option, env, HOME)
    assert place(file, env, HOME) == told
    assert is_from_environment(file) == told.startswith("the environment")
    assert set(variables(env)) <= env.keys()


def test_a_renewed_login_of_the_environment_has_a_file(tmp_path: Path) -> None:
    env = {"CODEX_ACCESS_TOKEN": "x"}
    file = locate("", env, tmp_path)
    file.path.parent.mkdir(parents=True)
    file.path.write_text("{}")
    told = place(file, env, tmp_path)
    assert told.startswith("the environment (CODEX_ACCESS_TOKEN), renewed in ~/.local/state/codex-proxy/")


@pytest.mark.parametrize("name", ["OPENAI_OAUTH_REFRESH_TOKEN", "CODEX_ACCESS_TOKEN"])
def test_a_token_in_the_environment_that_is_no_text_has_a_place(name: str) -> None:
    """What is wrong with it is told when it is used (tokens.py)."""
    places = {locate("", {name: os.fsdecode(token)}, HOME).path for token in (b"at-\xff", b"at-\xfe", b"at-1")}
    assert len(places) == 3


def test_a_home_folder_is_not_named() -> None:
    assert shown_path(HOME / "a" / "b", HOME) == "~/a/b"
    assert shown_path(Path("/elsewhere/b"), HOME) == "/elsewhere/b"


def test_what_others_say_is_shown_without_whose_login_it_is() -> None:
    said = without("person@example.org of 1234abcd-5678 sent rt_0123456789abcdef\x1b[2J", PERSON)
    assert said == "p…n@example.org of 1234abcd… sent [hidden by the proxy]?[2J"


# Where the login is.


@pytest.mark.parametrize(
    "option, env, path",
    [
        ("", {}, "/home/somebody/.codex/auth.json"),
        ("", {"CODEX_HOME": ""}, "/home/somebody/.codex/auth.json"),
        ("", {"CODEX_HOME": "/srv/codex"}, "/srv/codex/auth.json"),
        ("/etc/login.json", {"CODEX_HOME": "/srv/codex", "CODEX_ACCESS_TOKEN": "a"}, "/etc/login.json"),
    ],
)
def test_a_login_on_disk_is_where_the_option_or_the_official_client_has_it(
    option: str, env: dict[str, str], path: str
) -> None:
    file = locate(option, env, HOME)
    assert (file.path, file.seed, file.name) == (Path(path), None, path)


def test_a_login_is_found_in_the_persons_own_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert locate("~/login.json", {}, HOME).path == HOME / "login.json"
    assert locate("", {"CODEX_HOME": "~/codex"}, HOME).path == HOME / "codex" / "auth.json"


NONE_YET = {"access_token": "none-yet", "expires_at": 0}


@pytest.mark.parametrize(
    "env, tokens, known_by",
    [
        ({"OPENAI_OAUTH_ACCESS_TOKEN": "a", "OPENAI_OAUTH_REFRESH_TOKEN": "r", "OPENAI_CHATGPT_ACCOUNT_ID": "acc"},
         {"access_token": "a", "refresh_token": "r", "account_id": "acc"}, "r"),
        ({"OPENAI_OAUTH_REFRESH_TOKEN": "r"}, {"refresh_token": "r", "account_id": None, **NONE_YET}, "r"),
        ({"OPENAI_OAUTH_ACCESS_TOKEN": "a"}, {"access_token": "a", "refresh_token": "", "account_id": None}, "a"),
        ({"CODEX_ACCESS_TOKEN": "at-1", "CODEX_ACCOUNT_ID": "acc"}, {"access_token": "at-1", "refresh_token": "", "account_id": "acc"}, "at-1"),
        ({"OPENAI_OAUTH_ACCESS_TOKEN": "a", "CODEX_ACCESS_TOKEN": "at-1", "CODEX_HOME": "/srv"},
         {"access_token": "a", "refresh_token": "", "account_id": None}, "a"),
        ({"OPENAI_OAUTH_ACCESS_TOKEN": "a\n", "OPENAI_OAUTH_REFRESH_TOKEN": " r\r\n", "OPENAI_CHATGPT_ACCOUNT_ID": "acc\n"},
         {"access_token": "a", "refresh_token": "r", "account_id": "acc"}, "r"),
        ({"OPENAI_OAUTH_ACCESS_TOKEN": "\n", "CODEX_ACCESS_TOKEN": "a"},
         {"access_token": "a", "refresh_token": "", "account_id": None}, "a"),
    ],
)  # fmt: skip
def test_a_login_of_the_environment_wins_over_the_default_file(
    env: dict[str, str], tokens: dict[str, Any], known_by: str
) -> None:
    file = locate("", env, HOME)
    assert (file.seed, file.name) == ({"tokens": tokens}, "the environment")
    digest = hashlib.sha256(known_by.encode()).hexdigest()
    assert file.path.parent == HOME / ".local/state/codex-proxy"
    assert digest.startswith(file.path.stem) and len(file.path.stem) == 32 and file.path.suffix == ".json"


def test_the_state_of_such_a_login_is_kept_where_the_system_wants_state() -> None:
    file = locate("", {"CODEX_ACCESS_TOKEN": "a", "XDG_STATE_HOME": "/var/state"}, HOME)
    assert file.path.parent == Path("/var/state/codex-proxy")


def test_an_empty_variable_is_no_login() -> None:
    for empty in ("", "\n"):
        env = {"OPENAI_OAUTH_ACCESS_TOKEN": empty, "OPENAI_OAUTH_REFRESH_TOKEN": empty}
        assert locate("", env, HOME).seed is None and variables(env) == []


def test_a_login_in_the_keyring_is_told_as_such(tmp_path: Path) -> None:
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text('cli_auth_credentials_store = "keyring"\n')
    file = locate("", {}, tmp_path)
    assert (kind(file), place(file, {}, tmp_path)) == ("keyring", "the system's keyring")
    # Named by hand it is the file, and the environment goes before both.
    assert kind(locate(str(folder / "auth.json"), {}, tmp_path)) == "file"
    assert kind(locate("", {"CODEX_ACCESS_TOKEN": "x"}, tmp_path)) == "environment"


def test_where_it_may_be_in_both_it_is_told_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nothing")
    folder = tmp_path / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text('cli_auth_credentials_store = "auto"\n')
    (folder / "auth.json").write_text("{}")
    file = locate("", {}, tmp_path)
    file.load()
    assert (kind(file), place(file, {}, tmp_path)) == ("file", "~/.codex/auth.json")
