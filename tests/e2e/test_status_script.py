"""`scripts/status` as a process: against the stand-in and beside the real proxy, every exit status, and a probe of a backend
that has changed."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.models.dated_list import NOT_LISTED
from standin import Standin, routes
from standin.rules.headers import challenge
from standin.wire.replies import detail
from standin.world import usage_windows
from standin.world.catalogue import MODELS, Model

from ..places import ROOT
from .a_script import Ended, Terminal, check_no_secrets, run
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client, write_login

DOWN = "http://127.0.0.1:1"
USAGE = "/backend-api/wham/usage"

Status = Callable[..., Coroutine[Any, Any, Ended]]


@pytest.fixture
def auth_file(tmp_path: Path) -> Path:
    folder = tmp_path / ".codex"
    folder.mkdir()
    return folder / "auth.json"


@pytest.fixture
def document(standin: Standin, auth_file: Path) -> dict[str, Any]:
    made = standin.login(account_id="1234abcd-0000-4000-8000-000000000000")
    write_login(auth_file, made)
    return made


@pytest.fixture
async def status(standin: Standin, tmp_path: Path) -> Status:
    """Run it where no proxy runs, unless `url` says where one does."""

    async def start(*args: str, url: str = DOWN, secrets: bool = False, **env: str) -> Ended:
        where = ("--upstream", standin.upstream, "--issuer", standin.issuer, "--url", url)
        ended = await run("status", tmp_path, *where, *args, **env)
        if not secrets:
            check_no_secrets(ended, standin)
        return ended

    return start


def tell_usage(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """From now on the stand-in's usage document has these values."""
    usual = usage_windows.status
    monkeypatch.setattr(usage_windows, "status", lambda *args: usual(*args) | changes)


def paths(standin: Standin) -> list[str]:
    return [each.path for each in standin.requests]


async def test_a_login_is_told_with_its_usage(
    status: Status, standin: Standin, document: dict[str, Any], tmp_path: Path
) -> None:
    ended = await status()
    assert ended.status == 0 and ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0] == "Logged in as p…n@example.org (plus, account 1234abcd…)"
    assert lines[1] == "Login from ~/.codex/auth.json"
    assert re.fullmatch(r"Token      good until \w{3} \d\d \w{3} at \d\d:\d\d \(in (9 days 23 h|10 days)\), renewed automatically", lines[2])  # fmt: skip
    assert re.fullmatch(r"Renewed    at \d\d:\d\d \((just now|1 minute ago)\)", lines[3])
    assert lines[4] == "Usage      as reported by the backend"
    assert re.fullmatch(r"  5-hour  \[###-{21}\]    12 % used, resets .*\d\d:\d\d \(in 2 h 30 min\)", lines[5])
    assert re.fullmatch(r"  weekly  \[#{8}-{16}\]    34 % used, resets on .* \(in 3 days 11 h\)", lines[6])
    assert lines[7:] == ["Credits    none"]
    assert paths(standin) == [USAGE] and standin.requests[0].header("originator") == "nanobot-proxy"
    assert not (tmp_path / ".codex" / "auth.lock").exists()


async def test_whatever_windows_the_backend_reports_are_told_by_their_length(
    status: Status, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def window(used: float, minutes: int) -> dict[str, Any]:
        return {"used_percent": used, "limit_window_seconds": minutes * 60, "reset_at": int(time.time()) + 3600}

    tell_usage(
        monkeypatch,
        rate_limit={"allowed": True, "primary_window": window(7, 43200), "secondary_window": None},
        additional_rate_limits=[
            {"limit_name": "GPT-5.3-Codex-Spark", "rate_limit": {"primary_window": window(100, 300)}}
        ],
        credits={"has_credits": True, "unlimited": False, "balance": "12.50"},
        rate_limit_reset_credits={"available_count": 2},
    )
    ended = await status()
    assert ended.status == 0
    assert re.search(r"^  30-day +\[##-{22}\] +7 % used", ended.out, re.M)
    assert re.search(r"^  GPT-5.3-Codex-Spark 5-hour  \[#{24}\]   100 % used, resets", ended.out, re.M)
    assert "Credits    12.50\n" in ended.out and "Resets     2 left" in ended.out


async def test_as_json_it_is_for_scripts(status: Status, document: dict[str, Any], auth_file: Path) -> None:
    ended = await status("--json")
    told = json.loads(ended.out)
    assert ended.status == 0 and ended.err == "" and list(told) == ["state", "error", "login", "usage", "probe"]
    assert (told["state"], told["error"], told["probe"]) == ("ok", None, None)
    login = told["login"]
    assert 863_000 < login.pop("expires_in_seconds") <= 864_000
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", login.pop(key)) for key in ("valid_until", "last_refresh"))  # fmt: skip
    assert login == {
        "kind": "chatgpt", "email": "p…n@example.org", "plan": "plus", "account_id": "1234abcd…",
        "from": "file", "file": str(auth_file), "is_renewed": True,
    }  # fmt: skip
    usage = told["usage"]
    assert [{**each, "resets_at": None} for each in usage.pop("windows")] == [
        {"window": "5-hour", "limit": None, "used_percent": 12, "minutes": 300, "resets_at": None},
        {"window": "weekly", "limit": None, "used_percent": 34, "minutes": 10080, "resets_at": None},
    ]
    assert usage == {
        "from": "backend", "plan": "plus", "credits": {"has": False, "unlimited": False, "balance": "0"},
        "resets_left": 0, "limit_reached": False, "still_answered": [],
    }  # fmt: skip


async def test_in_full_it_names_whose_login_it_is(status: Status, document: dict[str, Any]) -> None:
    account = document["tokens"]["account_id"]
    ended = await status("--full", secrets=True)
    assert ended.out.startswith(f"Logged in as person@example.org (plus, account {account})\n")
    told = json.loads((await status("--full", "--json", secrets=True)).out)["login"]
    assert (told["email"], told["account_id"]) == ("person@example.org", account)
    assert document["tokens"]["access_token"][:24] not in ended.out


async def test_verbose_tells_the_steps(status: Status, document: dict[str, Any]) -> None:
    ended = await status("--verbose")
    assert ended.status == 0 and "asking the backend" in ended.err


# Each way it may end.


async def told(status: Status, number: int, said: str, *args: str, **env: str) -> dict[str, Any]:
    """The same exit status and words for a person and for a script; what the script gets."""
    for more in ((), ("--json",)):
        ended = await status(*args, *more, **env)
        assert ended.status == number and said in ended.out + ended.err, ended
    document: dict[str, Any] = json.loads(ended.out)
    return document


async def test_no_login_is_1(status: Status, auth_file: Path) -> None:
    found = await told(status, 1, "scripts/login")
    assert found["state"] == "no login" and found["error"]["code"] == "login_missing"
    assert found["login"]["kind"] == "none" and found["usage"] is None


@pytest.mark.parametrize(
    "held, said, kind",
    [
        ("precious", "is not complete JSON", "none"),
        ("[]", "does not hold a login", "none"),
        ('{"OPENAI_API_KEY": "my-own-key"}', "holds an API key. An API key does not belong to a ChatGPT subscription", "api key"),
        ('{"agent_identity": {"agent_private_key": "my-own-key", "email": "person@example.org"}}', "holds an agent identity", "agent identity"),
        ('{"auth_mode": "bedrockApiKey", "bedrock_api_key": {"api_key": "my-own-key"}}', "holds keys for Amazon Bedrock", "bedrock key"),
        ('{"auth_mode": "headers"}', "another program holds it", "elsewhere"),
        ('{"auth_mode": "new", "tokens": {"access_token": ["my-own-key"]}}', "an unknown kind of login", "unknown"),
    ],
)  # fmt: skip
async def test_what_is_no_login_is_explained_and_is_1(
    held: str, said: str, kind: str, status: Status, auth_file: Path
) -> None:
    auth_file.write_text(held)
    found = await told(status, 1, said)
    assert found["login"]["kind"] == kind and "my-own" not in json.dumps(found)


async def test_a_file_that_can_not_be_read_is_1(status: Status, auth_file: Path) -> None:
    auth_file.mkdir()
    await told(status, 1, "can't be read")


@pytest.mark.parametrize(
    "args",
    [["--upstream", "http://example.org"], ["--issuer", "x"], ["--probe=some"], ["--originator", "ü"], ["--probe"]],
)
async def test_wrong_arguments_are_2(args: list[str], status: Status, standin: Standin) -> None:
    ended = await status(*args)
    assert ended.status == 2 and args[0].partition("=")[0] in ended.err and standin.requests == []


async def test_an_expired_login_is_3(status: Status, standin: Standin, auth_file: Path) -> None:
    document = standin.login(expires_in=-3600)
    del document["tokens"]["refresh_token"]
    write_login(auth_file, document)
    found = await told(status, 3, "no refresh token")
    assert (found["state"], found["login"]["expires_in_seconds"]) == ("refused", 0)
    ended = await status()
    assert ended.out.startswith("The login of p…n@example.org") and "Token      ended at " in ended.out


async def test_a_login_that_is_not_renewed_any_more_is_3(status: Status, standin: Standin, auth_file: Path) -> None:
    write_login(auth_file, standin.login(expires_in=-5))
    standin.fail("refresh-invalidated", times=None)
    assert (await told(status, 3, "it was revoked elsewhere"))["error"]["code"] == "refresh_token_invalidated"


async def test_a_login_that_the_backend_refuses_is_3(
    status: Status, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    standin.tokens.states[document["tokens"]["refresh_token"]] = "revoked"
    standin.revoke(document["tokens"]["access_token"])
    await told(status, 3, "can't be renewed")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"rate_limit": {"allowed": False, "limit_reached": True, "primary_window": None, "secondary_window": {"used_percent": 100, "limit_window_seconds": 604800}}}, "the weekly limit is reached"),
        ({"rate_limit_reached_type": {"type": "workspace_member_credits_depleted"}}, "out of credits"),
        (
            {
                "rate_limit": {"limit_reached": True},
                "additional_rate_limits": [{"normal_model_slug": "gpt-reserve", "rate_limit": {"limit_reached": False}}],
            },
            "Only gpt-reserve may still answer at the moment: the usage limit is reached",
        ),
    ],
)  # fmt: skip
async def test_a_limit_that_is_reached_is_4(
    changes: dict[str, Any], said: str, status: Status, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_usage(monkeypatch, **changes)
    ended = await status()
    assert ended.status == 4 and ended.out.startswith("Logged in as ") and said in ended.out
    found = json.loads((await status("--json")).out)
    assert found["state"] == "limit reached" and found["usage"]["limit_reached"] and found["error"] is None


async def test_an_unreachable_backend_is_5(status: Status, document: dict[str, Any]) -> None:
    found = await told(status, 5, "127.0.0.1 ", "--upstream", f"{DOWN}/backend-api/codex")
    assert found["state"] == "unreachable" and found["login"]["email"] == "p…n@example.org"
    assert (await status("--upstream", f"{DOWN}/backend-api/codex")).out.startswith("Logged in as ")


async def test_an_unreachable_issuer_is_5_once_it_is_needed(status: Status, standin: Standin, auth_file: Path) -> None:
    write_login(auth_file, standin.login(expires_in=-5))
    await told(status, 5, "can't be reached", "--issuer", DOWN)
    # It is good for some minutes yet.
    write_login(auth_file, standin.login(expires_in=200))
    ended = await status("--issuer", DOWN)
    assert ended.status == 0 and "The current token is valid for another" in ended.err


@pytest.mark.parametrize(
    "refuse, number, said",
    [
        (detail("Sorry", 500), 5, "Sorry"),
        (detail("Forbidden for 1234abcd-0000-4000-8000-000000000000", 403), 3, "Forbidden for 1234abcd…"),
        (detail("Not Found", 404), 0, "the remaining usage is not known"),
    ],
)
async def test_what_the_backend_says_instead_is_told(
    refuse: Exception, number: int, said: str, status: Status, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*args: Any) -> Any:
        raise refuse

    monkeypatch.setitem(routes.ROUTES, USAGE, {"GET": answer})
    await told(status, number, said, "--verbose")


# The token.


async def test_a_token_that_is_about_to_end_is_renewed(status: Status, standin: Standin, auth_file: Path) -> None:
    before = standin.login(expires_in=60)
    write_login(auth_file, before)
    assert (await status()).status == 0
    after = json.loads(auth_file.read_text())
    assert len(standin.refresh_calls) == 1 and after["tokens"]["refresh_token"] != before["tokens"]["refresh_token"]
    assert auth_file.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in auth_file.parent.iterdir()) == ["auth.json", "auth.lock"]


async def test_a_personal_access_token_is_explained(status: Status, standin: Standin, auth_file: Path) -> None:
    token = "at-" + "0123456789abcdef" * 2
    login = standin.tokens.access[standin.login()["tokens"]["access_token"]][0]
    standin.tokens.access[token] = (login, time.time() + 3600)
    write_login(auth_file, {"personal_access_token": token, "account_id": login.account_id})
    ended = await status()
    assert ended.status == 0 and ended.out.startswith("Logged in as a personal access token (account ")
    assert "valid until it is revoked" in ended.out and "is not renewed" in ended.err


async def test_a_login_of_the_environment_is_told(status: Status, standin: Standin, auth_file: Path) -> None:
    tokens = standin.login()["tokens"]
    env = {"OPENAI_OAUTH_ACCESS_TOKEN": tokens["access_token"], "OPENAI_CHATGPT_ACCOUNT_ID": tokens["account_id"]}
    ended = await status(**env)
    assert ended.status == 0 and "Login from the environment (OPENAI_OAUTH_ACCESS_TOKEN)\n" in ended.out
    assert "not renewed" in ended.out
    found = json.loads((await status("--json", **env)).out)["login"]
    assert (found["from"], found["is_renewed"]) == ("environment", False)


# Beside the proxy.


async def beside(start: Start, standin: Standin, path: Path, **more: Any) -> Proxy:
    return await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=path, **more)


async def test_the_running_proxy_knows_the_usage(
    start: Start, status: Status, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    proxy = await beside(start, standin, auth_file)
    ended = await status(url=proxy.url)
    assert ended.status == 0 and "as reported by the backend" in ended.out and paths(standin) == [USAGE]

    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION)
    standin.requests.clear()
    ended = await status(url=proxy.url)
    assert ended.status == 0 and standin.requests == []
    assert f"Usage      as seen by the proxy at {proxy.url}\n" in ended.out
    assert re.search(r"  5-hour  \[###-+\]  12\.5 % used, resets .*\(in 2 h 30 min\)", ended.out)
    assert json.loads((await status("--json", url=proxy.url)).out)["usage"]["from"] == "proxy"

    standin.fail("usage-limit:7200:secondary")
    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION)
    standin.requests.clear()
    ended = await status(url=proxy.url)
    assert ended.status == 4 and "the weekly limit is reached" in ended.out and standin.requests == []


async def test_what_the_proxy_knows_of_another_login_is_not_taken(
    start: Start, status: Status, standin: Standin, document: dict[str, Any], tmp_path: Path
) -> None:
    other = write_login(tmp_path / "other.json", standin.login(email="other@example.org", expires_in=5000))
    proxy = await beside(start, standin, other)
    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION)
    standin.requests.clear()
    assert "as reported by the backend" in (await status(url=proxy.url)).out and paths(standin) == [USAGE]


async def test_a_proxy_with_a_client_key_is_asked_with_it(
    start: Start, status: Status, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    proxy = await beside(start, standin, auth_file, codex_client_key="the-key-of-callers")
    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION, headers={"authorization": "Bearer the-key-of-callers"})
    assert "as reported by the backend" in (await status(url=proxy.url)).out
    ended = await status(url=proxy.url, OPENAI_API_KEY="the-key-of-callers")
    assert "as seen by the proxy" in ended.out and "the-key" not in ended.out + ended.err


async def test_the_proxys_port_is_the_one_of_the_environment(
    start: Start, standin: Standin, document: dict[str, Any], auth_file: Path, tmp_path: Path
) -> None:
    proxy = await beside(start, standin, auth_file)
    async with new_client(proxy) as client:
        await client.post("/responses", json=QUESTION)
    where = ("--upstream", standin.upstream, "--issuer", standin.issuer)
    ended = await run("status", tmp_path, *where, CODEX_PROXY_PORT=str(proxy.ports[0]))
    assert f"as seen by the proxy at {proxy.url}" in ended.out


async def test_a_token_is_not_spent_twice_beside_a_running_proxy(
    start: Start, status: Status, standin: Standin, auth_file: Path
) -> None:
    write_login(auth_file, standin.login(expires_in=60))
    proxy = await beside(start, standin, auth_file)
    standin.hold(kind="token", before_headers=True)
    async with new_client(proxy) as client:
        asking = asyncio.create_task(client.post("/responses", json=QUESTION))
        await standin.held.wait()
        looking = asyncio.create_task(status(url=proxy.url))
        await asyncio.sleep(1)
        standin.release()
        assert (await asking).status_code == 200
        assert (await looking).status == 0
    assert len(standin.refresh_calls) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_to_be_stopped_during_a_renewal_does_not_lose_the_token(
    number: signal.Signals, standin: Standin, auth_file: Path, tmp_path: Path
) -> None:
    before = standin.login(expires_in=60)
    write_login(auth_file, before)
    standin.hold(kind="token", before_headers=True)
    where = ("--upstream", standin.upstream, "--issuer", standin.issuer, "--url", DOWN)
    terminal = await Terminal.start("status", tmp_path, *where)
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    terminal.process.send_signal(number)
    await terminal.shows("is being renewed")
    standin.release()
    ended = await terminal.ended()
    check_no_secrets(ended, standin)
    assert ended.status == 130 and "Stopped." in ended.out
    kept = json.loads(auth_file.read_text())["tokens"]["refresh_token"]
    assert kept != before["tokens"]["refresh_token"] and standin.tokens.states[kept] == "live"


# In a terminal.


async def test_in_a_terminal_the_bars_are_drawn_and_coloured(
    standin: Standin, document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = {"used_percent": 96, "limit_window_seconds": 18000}
    tell_usage(monkeypatch, rate_limit={"allowed": True, "primary_window": window, "secondary_window": window | {"used_percent": 50}})  # fmt: skip
    where = ("--upstream", standin.upstream, "--issuer", standin.issuer, "--url", DOWN)
    ended = await (await Terminal.start("status", tmp_path, *where)).ended()
    check_no_secrets(ended, standin)
    assert ended.status == 0 and "\x1b[31m" + "█" * 23 in ended.out and "\x1b[32m" + "█" * 12 in ended.out
    plain = await (await Terminal.start("status", tmp_path, *where, NO_COLOR="1")).ended()
    assert "█" * 12 + "\x1b[2m" + "░" * 12 in plain.out or "█" * 12 + "░" * 12 in plain.out
    assert not re.search(r"\x1b\[[\d;]*[3-4]\d[\d;]*m", plain.out)


# The probe.


AS_BEFORE = [
    "the catalogue for client_version 999.0.0", "its etag", "the usage document", "store false", "content-type",
    "rate-limit headers", "x-models-etag", "openai-model", "the last event", "events", "completed.output",
    "other headers seen",
]  # fmt: skip


async def test_a_probe_finds_everything_as_before(status: Status, standin: Standin, document: dict[str, Any]) -> None:
    ended = await status("--probe", "--yes")
    assert ended.status == 0 and ended.err == "", ended
    head, where, *lines = ended.out.splitlines()
    assert re.fullmatch(r"Probe of \S+: codex proxy 0\.\d+\.\d+, Python 3\.\d+\.\d+ on \w+", head)
    assert where == f"backend {standin.upstream}, originator nanobot-proxy, plan plus"
    assert [line.removeprefix("as before  ").partition(": ")[0] for line in lines] == AS_BEFORE
    assert "as before  completed.output: empty, our repair is needed" in lines
    assert [each.path for each in standin.requests].count("/backend-api/codex/responses") == 1
    sent = standin.requests[-1]
    assert sent.header("originator") == "nanobot-proxy" and (sent.header("user-agent") or "").startswith("nanobot-proxy/")  # fmt: skip


async def test_a_probe_sends_what_the_proxy_would_send(
    start: Start, status: Status, standin: Standin, document: dict[str, Any], auth_file: Path
) -> None:
    await status("--probe", "--yes", "--model", "gpt-6-luna")
    directly = standin.requests[-1]
    # Of one request there is nothing to be found in a cache.
    proxy = await beside(start, standin, auth_file, codex_affinity="false")
    async with new_client(proxy) as client:
        await client.post("/responses", json={"model": "gpt-6-luna", "input": "Reply with the one word OK."})
    through = standin.requests[-1]
    assert directly.json == through.json
    # What belongs to the connection itself, and the proxy's client here has an Accept of its own for JSON.
    loose = ("host", "connection", "content-length")
    assert {k: v for k, v in directly.headers if k not in loose} == {k: v for k, v in through.headers if k not in loose}  # fmt: skip


async def test_all_that_is_refused_is_tried_one_by_one(
    status: Status, standin: Standin, document: dict[str, Any]
) -> None:
    ended = await status("--probe=all", "--yes", "--json")
    found = {each["what"]: (each["verdict"], each["text"]) for each in json.loads(ended.out)["probe"]}
    assert ended.status == 0 and {verdict for verdict, _ in found.values()} == {"as before"}, found
    assert found["temperature"][1] == "still refused: Unsupported parameter: temperature"
    assert found["store true"][1] == "still refused: Store must be set to false"
    assert found["no instructions"][1] == "still refused: Instructions are required"
    assert len([each for each in standin.requests if each.status == 200 and each.path.endswith("/responses")]) == 1


@pytest.fixture
async def lenient() -> AsyncIterator[Standin]:
    async with Standin(instructions_required=False) as server:
        yield server


async def test_what_is_accepted_now_is_told(lenient: Standin, auth_file: Path, tmp_path: Path) -> None:
    write_login(auth_file, lenient.login())
    where = ("--upstream", lenient.upstream, "--issuer", lenient.issuer)
    ended = await run("status", tmp_path, *where, "--probe=all", "--yes")
    check_no_secrets(ended, lenient)
    changed = [line for line in ended.out.splitlines() if line.startswith("CHANGED")]
    assert ended.status == 6 and changed == ["CHANGED    no instructions: accepted now"]


@pytest.mark.parametrize(
    "failure, line",
    [
        ("full-output", "CHANGED    completed.output: 2 items: filled now, our repair is not needed any more"),
        ("terminal-done", "CHANGED    the last event: response.done"),
        ("no-content-type", "CHANGED    content-type: there is none"),
        ("models-empty", "CHANGED    the catalogue for client_version 999.0.0: is empty: the version is too old, or the account has none"),
    ],
)  # fmt: skip
async def test_a_backend_that_has_changed_is_6(
    failure: str, line: str, status: Status, standin: Standin, document: dict[str, Any]
) -> None:
    standin.fail(failure)
    ended = await status("--probe", "--yes")
    assert ended.status == 6 and line in ended.out.splitlines(), ended


async def test_a_probe_tells_what_a_newer_version_would_show(
    status: Status, standin: Standin, document: dict[str, Any]
) -> None:
    standin.models = (*MODELS, Model("gpt-7-sol", "low", ("low",), "0.180.0"))
    ended = await status("--probe", "--yes", "--client-version", "0.171.0")
    assert ended.status == 0 and "as before  models for newer versions: gpt-7-sol (from 0.180.0)" in ended.out
    ended = await status("--probe", "--yes")
    assert ended.status == 0 and f"models {NOT_LISTED}: gpt-7-sol (from 0.180.0)" in ended.out


async def test_an_old_version_gets_no_models(status: Status, document: dict[str, Any]) -> None:
    ended = await status("--probe", "--yes", "--client-version", "0.1.0")
    assert ended.status == 6 and "client_version 0.1.0: is empty" in ended.out and "--model" in ended.err
    ended = await status("--probe", "--yes", "--client-version", "0.1.0", "--model", "gpt-6-sol")
    assert ended.status == 6 and "openai-model: gpt-6-sol" in ended.out


@pytest.mark.parametrize(
    "failure, number, said",
    [
        ("usage-limit", 4, "limit of the plan plus is reached"),
        ("cloudflare", 5, "Cloudflare"),
        ("deactivated", 3, "is deactivated"),
        ("json-500", 5, "The server had an error"),
        ("reset-before-answer", 5, "127.0.0.1 "),
        ("model-refused", 6, "CHANGED    the usual request: status 400"),
    ],
)
async def test_a_probe_that_is_not_answered_is_told(
    failure: str, number: int, said: str, status: Status, standin: Standin, document: dict[str, Any]
) -> None:
    standin.fail(failure, times=None)
    ended = await status("--probe", "--yes")
    assert said in ended.out + ended.err and ended.status == number, ended
    assert "the catalogue" in ended.out


@pytest.mark.parametrize("refuse, said", [(detail("Sorry", 503), "Sorry"), (challenge(403), "Cloudflare")])
async def test_a_probe_that_gets_no_list_of_models_says_why(
    refuse: Exception, said: str, status: Status, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*args: Any) -> Any:
        raise refuse

    monkeypatch.setitem(routes.ROUTES, "/backend-api/codex/models", {"GET": answer})
    ended = await status("--probe", "--yes")
    assert ended.status == 5 and said in ended.err and "the catalogue" in ended.out, ended
    ended = await status("--probe", "--yes", "--model", "gpt-6-sol")
    assert ended.status == 0 and "openai-model: gpt-6-sol" in ended.out, ended


async def test_a_probe_asks_first(standin: Standin, document: dict[str, Any], tmp_path: Path) -> None:
    where = ("--upstream", standin.upstream, "--issuer", standin.issuer)
    for args, answer, sent in ((("--probe=all",), "n\n", 0), (("--probe",), "\x04", 0), (("--probe",), "y\n", 1)):
        terminal = await Terminal.start("status", tmp_path, *where, *args)
        await terminal.answers(r"uses a few tokens of the subscription\.[\s\S]+Send them\? \[y/N\]", answer)
        ended = await terminal.ended()
        assert ended.status == 0 and ("Nothing has been sent." in ended.out) != bool(sent)
        assert ("requests that the backend should refuse" in ended.out) == ("--probe=all" in args)
        assert paths(standin).count("/backend-api/codex/responses") == sent


# As people start it.


@pytest.mark.parametrize("name", ["status", "logout"])
async def test_its_entry_is_a_program_of_one_line(name: str, tmp_path: Path) -> None:
    entry = ROOT / "scripts" / name
    assert os.access(entry, os.X_OK) and entry.read_text().endswith(f'\nenv_exec {name}.py "$@"\n')
    ended = await run(name, tmp_path, "--help")
    assert ended.status == 0 and "Exit status: 0" in ended.out
