from pathlib import Path
from typing import Any

import pytest

from codex_proxy import login_file
from codex_proxy.identity import Identity
from codex_proxy.login_source import is_from_environment, place, shown_path, variables, whose, without

HOME = Path("/home/somebody")
PERSON = Identity("person@example.org", "plus", "1234abcd-5678", "chatgpt")


@pytest.mark.parametrize(
    "document, kind",
    [
        ({"tokens": {"access_token": "a.b.c"}}, "chatgpt"),
        ({"tokens": {"access_token": "at-1"}}, "personal access token"),
        ({"access_token": "at-1"}, "personal access token"),
        ({"personal_access_token": "at-1"}, "personal access token"),
        ({"OPENAI_API_KEY": "k"}, "api key"),
        ({"agent_identity": {"email": "a@example.org"}}, "agent identity"),
        ({}, "none"),
        ([], "none"),
        (None, "none"),
    ],
)
def test_what_a_login_is(document: Any, kind: str) -> None:
    assert whose(document).kind == kind


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
    file = login_file.locate(option, env, HOME)
    assert place(file, env, HOME) == told
    assert is_from_environment(file) == told.startswith("the environment")
    assert set(variables(env)) <= env.keys()


def test_a_renewed_login_of_the_environment_has_a_file(tmp_path: Path) -> None:
    env = {"CODEX_ACCESS_TOKEN": "x"}
    file = login_file.locate("", env, tmp_path)
    file.path.parent.mkdir(parents=True)
    file.path.write_text("{}")
    told = place(file, env, tmp_path)
    assert told.startswith("the environment (CODEX_ACCESS_TOKEN), renewed in ~/.local/state/codex-proxy/")


def test_a_home_folder_is_not_named() -> None:
    assert shown_path(HOME / "a" / "b", HOME) == "~/a/b"
    assert shown_path(Path("/elsewhere/b"), HOME) == "/elsewhere/b"


def test_what_others_say_is_shown_without_whose_login_it_is() -> None:
    said = without("person@example.org of 1234abcd-5678 sent rt_0123456789abcdef\x1b[2J", PERSON)
    assert said == "p…n@example.org of 1234abcd… sent [hidden by the proxy]?[2J"
