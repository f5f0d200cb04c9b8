import os
import pwd
from pathlib import Path

import pytest

from codex_proxy.account.login_source import locate
from codex_proxy.account.remedy import DEFAULT, Remedy, is_service

from ..places import ROOT

ME = pwd.getpwuid(os.geteuid()).pw_name
SCRIPT = f"{ROOT}/scripts/login"


@pytest.mark.parametrize(
    "remedy, said",
    [
        (DEFAULT, "Run: scripts/login or codex login"),
        (
            Remedy(Path("/x/auth.json")),
            "Run: scripts/login --auth-file /x/auth.json or CODEX_HOME=/x codex login",
        ),
        (Remedy(Path("/x/work.json")), "Run: scripts/login --auth-file /x/work.json"),
        (Remedy(Path("/x/a b's.json")), "Run: scripts/login --auth-file '/x/a b'\"'\"'s.json'"),
        (Remedy(home=Path("/x y")), "Run: CODEX_HOME='/x y' scripts/login or CODEX_HOME='/x y' codex login"),
        (
            Remedy(variables=["CODEX_ACCESS_TOKEN"]),
            "Set CODEX_ACCESS_TOKEN again where the proxy is started, or unset it there and run: scripts/login or codex login",
        ),
        (Remedy(is_service=True), f"Run as {ME}: {SCRIPT} or codex login"),
        (Remedy(Path("/x"), is_service=True), f"Run as {ME}: {SCRIPT} --auth-file /x"),
    ],
)
def test_the_command_is_for_this_login(remedy: Remedy, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert remedy.text() == said


def test_elsewhere_than_in_the_checkout_the_script_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert DEFAULT.text() == f"Run: {SCRIPT} or codex login"
    assert Remedy(Path("a")).text() == f"Run: {SCRIPT} --auth-file {tmp_path}/a"


def test_a_file_of_another_user_is_mended_as_that_user() -> None:
    assert DEFAULT.text(os.geteuid()).startswith("Run: ")
    assert Remedy(Path("/x")).text(54321) == f"Run as user 54321: {SCRIPT} --auth-file /x"


@pytest.mark.parametrize(
    "option, env, said",
    [
        ("", {}, "Run: scripts/login or codex login"),
        ("/x/a.json", {"CODEX_HOME": "/y"}, "Run: scripts/login --auth-file /x/a.json"),
        ("", {"CODEX_HOME": "/y"}, "Run: CODEX_HOME=/y scripts/login or CODEX_HOME=/y codex login"),
        ("", {"OPENAI_OAUTH_REFRESH_TOKEN": "r", "CODEX_HOME": "/y"}, "Set OPENAI_OAUTH_REFRESH_TOKEN again"),
    ],
)
def test_each_place_of_a_login_has_its_own(
    option: str, env: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert locate(option, env, tmp_path).remedy.startswith(said)


@pytest.mark.parametrize(
    "env, found",
    [
        ({}, False),
        ({"INVOCATION_ID": "a"}, True),
        ({"XPC_SERVICE_NAME": "0"}, False),
        ({"XPC_SERVICE_NAME": "x"}, True),
    ],
)
def test_a_service_is_known_by_what_starts_it(env: dict[str, str], found: bool, capfd: object) -> None:
    assert is_service(env) is found
