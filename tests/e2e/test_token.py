"""The token: fresh before a request goes out, renewed once, never lost, never spent twice."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest

from standin import Standin

from .harness import QUESTION, Proxy, Start, new_client, write_login


async def with_login(start: Start, standin: Standin, path: Path, **more: Any) -> Proxy:
    return await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path, **more)


async def ask(proxy: Proxy) -> httpx2.Response:
    async with new_client(proxy) as client:
        return await client.post("/responses", json=QUESTION)


@pytest.mark.parametrize(("left", "renewals"), [(86400, 0), (420, 0), (330, 1), (-10, 1)])
async def test_a_token_is_good_for_six_minutes_more(
    left: int, renewals: int, start: Start, standin: Standin, tmp_path: Path
) -> None:
    proxy = await with_login(start, standin, write_login(tmp_path / "auth.json", standin.login(expires_in=left)))

    assert (await ask(proxy)).status_code == 200
    assert (await ask(proxy)).status_code == 200
    assert len(standin.refresh_calls) == renewals


async def test_a_renewal_is_asked_for_as_the_current_cli_does(start: Start, standin: Standin, tmp_path: Path) -> None:
    document = standin.login(expires_in=-10)
    proxy = await with_login(start, standin, write_login(tmp_path / "auth.json", document))
    await ask(proxy)

    call = standin.refresh_calls[0]
    assert list(call.json) == ["client_id", "grant_type", "refresh_reason", "refresh_token"]
    assert call.json["refresh_reason"] == "proactive_expiry"
    headers = {name.lower(): value for name, value in call.headers}
    assert headers["content-type"] == "application/json"
    assert headers["originator"] == "nanobot-proxy"
    assert headers["user-agent"].startswith("nanobot-proxy/")


async def test_the_renewed_login_is_written_whole_and_private(start: Start, standin: Standin, tmp_path: Path) -> None:
    document = standin.login(expires_in=-10)
    document = {"zzz": {"kept": [1, 2]}, **document, "later": None}
    real = write_login(tmp_path / "real.json", document)
    link = tmp_path / "auth.json"
    link.symlink_to(real)
    old = os.umask(0)
    try:
        proxy = await with_login(start, standin, link)
    finally:
        os.umask(old)
    assert (await ask(proxy)).status_code == 200

    written = json.loads(real.read_text())
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert list(written) == list(document)
    assert written["zzz"] == {"kept": [1, 2]}
    assert list(written["tokens"]) == list(document["tokens"])
    assert written["tokens"]["access_token"] != document["tokens"]["access_token"]
    assert written["tokens"]["refresh_token"] != document["tokens"]["refresh_token"]
    assert written["last_refresh"] != document["last_refresh"]
    leftover = {p.name for p in tmp_path.iterdir()} - {"real.json", "auth.json", "mitmproxy", "auth.lock", "real.lock"}
    assert leftover == set()
    for lock in tmp_path.glob("*.lock"):
        assert lock.stat().st_mode & 0o077 == 0


FORMS = {
    "short": lambda t: {"tokens": {"access_token": t["access_token"], "refresh_token": t["refresh_token"]}},
    "flat": lambda t: {
        "access_token": t["access_token"], "refresh_token": t["refresh_token"], "account_id": t["account_id"], "expires_at": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
async def test_the_forms_of_other_tools_are_read_and_kept(
    form: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    document = FORMS[form](standin.login(expires_in=-10)["tokens"])
    path = write_login(tmp_path / "auth.json", document)
    proxy = await with_login(start, standin, path)

    assert (await ask(proxy)).status_code == 200
    assert any(name.lower() == "chatgpt-account-id" for name, _ in standin.requests[0].headers)
    written = json.loads(path.read_text())
    assert set(written) - {"last_refresh"} == set(document)
    if form == "flat":
        assert written["expires_at"] > 1_700_000_000


async def test_a_login_in_the_environment_survives_the_next_start(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    tokens = standin.login(expires_in=-10)["tokens"]
    env = {
        "OPENAI_OAUTH_ACCESS_TOKEN": tokens["access_token"],
        "OPENAI_OAUTH_REFRESH_TOKEN": tokens["refresh_token"],
        "OPENAI_CHATGPT_ACCOUNT_ID": tokens["account_id"],
    }
    for _ in range(2):
        proxy = await start(env=env, codex_upstream=standin.upstream, codex_issuer=standin.issuer)
        assert (await ask(proxy)).status_code == 200
        await proxy.stop()

    # The second start found what the first one was granted.
    assert len(standin.refresh_calls) == 1
    state = list((tmp_path / ".local" / "state" / "codex-proxy").glob("*.json"))
    assert len(state) == 1
    assert state[0].stat().st_mode & 0o777 == 0o600
    assert tokens["refresh_token"] not in state[0].name


async def test_twenty_requests_renew_once(start: Start, standin: Standin, tmp_path: Path) -> None:
    proxy = await with_login(start, standin, write_login(tmp_path / "auth.json", standin.login(expires_in=-10)))
    answers = await asyncio.gather(*(ask(proxy) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(standin.refresh_calls) == 1


async def test_three_processes_on_one_file_renew_once(start: Start, standin: Standin, tmp_path: Path) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
    link = tmp_path / "link.json"
    link.symlink_to(path)
    proxies = [await with_login(start, standin, each) for each in (path, link, path)]
    answers = await asyncio.gather(*(ask(proxy) for proxy in proxies for _ in range(5)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(standin.refresh_calls) == 1


DEAD = ["refresh-reused", "refresh-expired", "refresh-invalidated", "invalid-grant"]


@pytest.mark.parametrize("failure", DEAD)
async def test_a_spent_login_is_told_and_not_asked_for_again(
    failure: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    path = write_login(tmp_path / "auth.json", standin.login(expires_in=-10))
    proxy = await with_login(start, standin, path)
    standin.fail(failure, times=None)

    answers = [await ask(proxy) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert "codex login" in answers[0].json()["error"]["message"]
    assert answers[0].headers["x-should-retry"] == "false"
    assert len(standin.refresh_calls) == 1
    async with new_client(proxy) as client:
        health = await client.get("/healthz")
        assert health.status_code == 503
        assert "codex login" in health.json()["login"]["error"]

    # Logged in again: picked up without a restart.
    standin.recover()
    write_login(path, standin.login())
    assert (await ask(proxy)).status_code == 200


PASSING = ["refresh-500", "refresh-cloudflare", "refresh-reset", "refresh-garbage", "unsupported-country"]


@pytest.mark.parametrize("failure", PASSING)
async def test_a_failure_that_passes_costs_nothing_while_the_token_lives(
    failure: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    document = standin.login(expires_in=120)
    path = write_login(tmp_path / "auth.json", document)
    proxy = await with_login(start, standin, path)
    standin.fail(failure, times=None)

    assert (await ask(proxy)).status_code == 200
    assert json.loads(path.read_text()) == document


@pytest.mark.parametrize("failure", PASSING)
async def test_a_failure_that_passes_is_no_log_out(
    failure: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    document = standin.login(expires_in=-10)
    path = write_login(tmp_path / "auth.json", document)
    proxy = await with_login(start, standin, path)
    standin.fail(failure, times=None)

    answer = await ask(proxy)
    assert answer.status_code in (502, 503)
    assert answer.json()["error"]["message"]
    assert json.loads(path.read_text()) == document


@pytest.mark.parametrize("failure", ["refresh-no-refresh-token", "refresh-no-id-token"])
async def test_what_a_grant_leaves_out_stays(failure: str, start: Start, standin: Standin, tmp_path: Path) -> None:
    document = standin.login(expires_in=-10)
    path = write_login(tmp_path / "auth.json", document)
    proxy = await with_login(start, standin, path)
    standin.fail(failure)

    assert (await ask(proxy)).status_code == 200
    left_out = failure.removeprefix("refresh-no-").replace("-", "_")
    assert json.loads(path.read_text())["tokens"][left_out] == document["tokens"][left_out]


async def test_a_refused_token_is_replaced_before_the_client_sees_anything(
    proxy: Proxy, standin: Standin, login_file: Path
) -> None:
    standin.revoke(json.loads(login_file.read_text())["tokens"]["access_token"])
    for stream in (True, False):
        async with new_client(proxy) as client:
            answer = await client.post("/responses", json={**QUESTION, "stream": stream})
        assert answer.status_code == 200
        assert "completed" in answer.text

    assert [seen.status for seen in standin.requests] == [401, 200, 200]
    assert len(standin.refresh_calls) == 1
    # What is known of a refresh for this reason is nothing: no reason is given.
    assert "refresh_reason" not in standin.refresh_calls[0].json


async def test_a_request_is_repeated_once_and_no_more(proxy: Proxy, standin: Standin) -> None:
    standin.fail("unauthorized", times=None)
    answer = await ask(proxy)

    assert answer.status_code == 401
    assert "codex login" in answer.json()["error"]["message"]
    assert len(standin.requests) == 2


async def test_twenty_refused_at_once_renew_once(proxy: Proxy, standin: Standin, login_file: Path) -> None:
    standin.revoke(json.loads(login_file.read_text())["tokens"]["access_token"])
    answers = await asyncio.gather(*(ask(proxy) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len(standin.refresh_calls) == 1


async def test_a_refused_token_and_a_spent_login_give_the_command_to_run(
    proxy: Proxy, standin: Standin, login_file: Path
) -> None:
    standin.revoke(json.loads(login_file.read_text())["tokens"]["access_token"])
    standin.fail("refresh-invalidated", times=None)
    answer = await ask(proxy)

    assert answer.status_code == 401
    assert "codex login" in answer.json()["error"]["message"]


async def test_no_login_is_told_with_the_command_to_run(start: Start, standin: Standin, tmp_path: Path) -> None:
    proxy = await start(codex_upstream=standin.upstream)
    answer = await ask(proxy)

    assert answer.status_code == 401
    assert "codex login" in answer.json()["error"]["message"]
    assert str(tmp_path / ".codex" / "auth.json") in answer.json()["error"]["message"]
    assert not (tmp_path / ".codex").exists()

    (tmp_path / ".codex").mkdir()
    write_login(tmp_path / ".codex" / "auth.json", standin.login())
    assert (await ask(proxy)).status_code == 200


async def test_encrypted_reasoning_of_another_account_is_left_out_and_sent_again(
    proxy: Proxy, standin: Standin
) -> None:
    theirs = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "of another account"}
    body = {**QUESTION, "input": [theirs, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "hi"}]}
    async with new_client(proxy) as client:
        answer = await client.post("/responses", json=body)

    assert answer.status_code == 200
    assert [seen.status for seen in standin.requests] == [400, 200]
    assert [item.get("type", "message") for item in standin.requests[1].json["input"]] == ["message"] * 2
    await proxy.logged("reasoning of another account")


async def test_a_kept_connection_that_was_closed_is_not_noticed(proxy: Proxy, standin: Standin) -> None:
    async with new_client(proxy) as client:
        assert (await client.post("/responses", json=QUESTION)).status_code == 200
        standin.fail("stale")
        answer = await client.post("/responses", json=QUESTION)
        assert answer.status_code == 200
        assert "response.completed" in answer.text
        assert (await client.post("/responses", json=QUESTION)).status_code == 200


@pytest.mark.parametrize("key", ["codex", "openai"])
async def test_a_login_of_another_program_is_renewed_in_its_form(
    key: str, start: Start, standin: Standin, tmp_path: Path
) -> None:
    tokens = standin.login(expires_in=-10)["tokens"]
    names = {"access_token": "access", "refresh_token": "refresh", "account_id": "accountId"}
    held = {names[name] if key == "openai" else name: tokens[name] for name in names}
    path = write_login(tmp_path / "auth.json", {"mine": {"key": "x"}, key: {"type": "oauth", **held, "expires": 1}})
    proxy = await with_login(start, standin, path)

    assert (await ask(proxy)).status_code == 200 and (await ask(proxy)).status_code == 200
    assert len(standin.refresh_calls) == 1
    written = json.loads(path.read_text())
    assert list(written) == ["mine", key] and written["mine"] == {"key": "x"}
    assert list(written[key]) == ["type", *held, "expires"]
    for name in (name for name in held if not name.startswith("account")):
        assert written[key][name] != held[name]
