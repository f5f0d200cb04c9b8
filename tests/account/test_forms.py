from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.account import credentials, forms
from codex_proxy.account.login import Grant, Login, read, renewed
from codex_proxy.account.login_file import LoginFile

NOW = 1_795_518_000.0
MS = 1_795_518_000_000
GRANT = Grant("new-a", "new-r", "new-id", 600.0)

KLAUDE = {"access_token": "a", "refresh_token": "r", "expires_at": int(NOW), "account_id": "acc"}
OPENCODE = {"type": "oauth", "refresh": "r", "access": "a", "expires": MS, "accountId": "acc"}

# A file, the login in it, and the file after a renewal.
FILES: list[tuple[dict[str, Any], Login, dict[str, Any]]] = [
    (
        {"env": {"A": "b"}, "codex": KLAUDE},
        Login("a", "r", "acc", NOW),
        {"env": {"A": "b"}, "codex": KLAUDE | {"access_token": "new-a", "refresh_token": "new-r", "expires_at": int(NOW) + 600}},
    ),
    (
        {"codex": {"access_token": "a", "refresh_token": "r"}},
        Login("a", "r"),
        {"codex": {"access_token": "new-a", "refresh_token": "new-r"}},
    ),
    (
        {"openai": OPENCODE, "anthropic": {"type": "oauth", "access": "x"}},
        Login("a", "r", "acc", NOW),
        {
            "openai": OPENCODE | {"refresh": "new-r", "access": "new-a", "expires": MS + 600_000},
            "anthropic": {"type": "oauth", "access": "x"},
        },
    ),
    (
        {"openai": {"access": "a", "refresh": "r", "enterpriseUrl": "x"}},
        Login("a", "r"),
        {"openai": {"access": "new-a", "refresh": "new-r", "enterpriseUrl": "x"}},
    ),
    # The Codex CLI's own form counts before all others.
    (
        {"codex": KLAUDE, "tokens": {"access_token": "mine"}},
        Login("mine"),
        {
            "codex": KLAUDE,
            "tokens": {"access_token": "new-a", "id_token": "new-id", "refresh_token": "new-r"},
            "last_refresh": "2026-11-24T11:00:00Z",
        },
    ),
    ({"tokens": {}, "codex": KLAUDE}, Login("a", "r", "acc", NOW), {"tokens": {}, "codex": KLAUDE | {"access_token": "new-a", "refresh_token": "new-r", "expires_at": int(NOW) + 600}}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "login", "after"), FILES)
def test_a_login_is_read_and_renewed_in_its_own_form(
    document: dict[str, Any], login: Login, after: dict[str, Any]
) -> None:
    assert read(document, "f") == login
    made = renewed(document, GRANT, NOW)
    assert made == after and read(made, "f").access_token == "new-a"
    assert list(made)[: len(document)] == list(document)


@pytest.mark.parametrize(
    ("document", "command"),
    [
        ({"codex": KLAUDE}, "or klaude auth login codex"),
        ({"openai": OPENCODE}, "or opencode auth login"),
        ({"tokens": {"access_token": "a"}}, "codex login"),
    ],
)
def test_who_has_to_log_in_again_is_told_the_programs_own_command(
    document: dict[str, Any], command: str, tmp_path: Any
) -> None:
    from codex_proxy.account.draft import as_text
    from codex_proxy.account.remedy import Remedy

    path = tmp_path / "auth.json"
    path.write_text(as_text(document))
    file = LoginFile(path, mend=Remedy(path))
    file.load()
    assert file.remedy.endswith(command) and f"--auth-file {path}" in file.remedy


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["access_token", "access", "refresh", "refresh_token", "expires", "scope", "scopes", "client_id", "type", "key"]
)
HELD = JSON | st.dictionaries(NAMES, JSON, max_size=5)


@given(st.dictionaries(st.sampled_from(["tokens", "codex", "openai", "access_token", "scope"]), HELD, max_size=4))
def test_any_document_has_a_kind_and_can_be_renewed(document: dict[str, Any]) -> None:
    assert credentials.kind(document) in credentials.KINDS
    if credentials.tokens(document):
        again = credentials.tokens(renewed(document, GRANT, NOW))
        assert again and again["access_token"] == "new-a" and again["refresh_token"] == "new-r"
    else:
        assert forms.of(document) is None or credentials.kind(document) == "sign in"
