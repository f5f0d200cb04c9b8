import json
from pathlib import Path

import pytest

from codex_proxy.account.login import Login
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.login_keyring import LoginKeyring
from codex_proxy.errors import IssuerError, LoginError, ProxyError
from codex_proxy.status.account_state import STATES, AccountState, exit_status
from codex_proxy.status.probe import Finding
from codex_proxy.status.usage_api import Report

NOW = 1_795_518_000.0


@pytest.mark.parametrize(
    "error, report, status",
    [
        (None, None, 0),
        (None, Report(), 0),
        (None, Report(reached="the weekly limit is reached"), 4),
        (LoginError("login_missing", ""), None, 1),
        (LoginError("login_unreadable", ""), None, 1),
        (LoginError("login_expired", ""), None, 3),
        (LoginError("refresh_token_reused", ""), None, 3),
        (LoginError("login_not_writable", ""), None, 3),
        (IssuerError("issuer_unreachable", ""), None, 5),
        (IssuerError("login_busy", ""), None, 5),
        (ProxyError("login_refused", ""), None, 3),
        (ProxyError("deactivated_workspace", ""), None, 3),
        (ProxyError(None, "", status=403, of_backend=True), None, 3),
        (ProxyError("cloudflare_challenge", "", status=403), None, 5),
        (ProxyError("usage_limit_reached", ""), None, 4),
        (ProxyError("rate_limit_exceeded", ""), None, 4),
        (ProxyError("usage_not_included", "", status=429), None, 3),
        (ProxyError("backend_unreachable", ""), None, 5),
        (ProxyError("backend_timeout", ""), None, 5),
        (ProxyError("server_error", ""), None, 5),
    ],
)
def test_each_state_has_an_exit_status(error: ProxyError | None, report: Report | None, status: int) -> None:
    assert exit_status(error, report) == status and status in STATES


def state(tmp_path: Path) -> AccountState:
    made = AccountState(LoginFile(tmp_path / "auth.json"))
    made.take_document({"tokens": {"access_token": "secret-a", "account_id": "1234abcd-5678"}, "last_refresh": "2026-11-24T11:00:00Z"})  # fmt: skip
    made.login = Login("secret-a", "secret-r", "1234abcd-5678", NOW)
    return made


def test_it_is_told_as_json_without_secrets(tmp_path: Path) -> None:
    told = state(tmp_path).json(full=False)
    assert told["login"] == {
        "kind": "chatgpt",
        "email": None,
        "plan": None,
        "account_id": "1234abcd…",
        "from": "file",
        "file": str(tmp_path / "auth.json"),
        "valid_until": "2026-11-24T11:00:00+00:00",
        "expires_in_seconds": told["login"]["expires_in_seconds"],
        "is_renewed": True,
        "last_refresh": "2026-11-24T11:00:00+00:00",
    }
    assert (told["state"], told["error"], told["usage"], told["probe"]) == ("ok", None, None, None)
    assert "secret" not in json.dumps(told) and "5678" not in json.dumps(told)


def test_in_full_it_names_the_account(tmp_path: Path) -> None:
    assert state(tmp_path).json(full=True)["login"]["account_id"] == "1234abcd-5678"


def test_an_error_does_not_name_the_account_either(tmp_path: Path) -> None:
    made = state(tmp_path)
    made.error = ProxyError("odd", "no such account 1234abcd-5678", status=403, of_backend=True)
    assert made.json(full=False)["error"] == {"code": "odd", "message": "no such account 1234abcd…"}
    assert made.json(full=True)["error"]["message"] == "no such account 1234abcd-5678"
    assert made.json(full=False)["state"] == "refused"


@pytest.mark.parametrize("verdict, status", [("as before", 0), ("unknown", 0), ("changed", 6)])
def test_a_change_of_the_backend_is_an_exit_status_of_its_own(verdict: str, status: int, tmp_path: Path) -> None:
    made = state(tmp_path)
    made.findings = [Finding(verdict, "x", "y")]  # type: ignore[arg-type]
    assert made.exit_status == status
    assert made.json(full=False)["probe"] == [{"verdict": verdict, "what": "x", "text": "y"}]
    made.error = ProxyError(None, "", status=429, of_backend=True)
    assert made.exit_status == 4


@pytest.mark.parametrize("document", [{}, {"last_refresh": 5}, {"last_refresh": "once"}, None, []])
def test_a_document_need_not_say_when_it_was_renewed(document: object, tmp_path: Path) -> None:
    made = AccountState(LoginFile(tmp_path / "x"))
    made.take_document(document)
    assert made.refreshed_at is None and made.json(full=False)["login"]["last_refresh"] is None


def test_a_login_in_the_keyring_has_no_file(tmp_path: Path) -> None:
    told = AccountState(LoginKeyring(tmp_path / "auth.json")).json(full=True)["login"]
    assert (told["from"], told["file"]) == ("keyring", None)
