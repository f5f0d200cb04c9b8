"""`scripts/login` as a process against the stand-in's OAuth server: each way to log in, and each way it ends."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from filelock import FileLock
from playwright.async_api import Page, expect

from free_port import free_port
from standin import Standin

from ..places import ROOT
from .a_script import Terminal, bare, take_interrupts, until
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client, write_login

# Fetches the address with all its redirects, as a browser would, and keeps what it would show.
BROWSER = """\
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as e:
    answer = e
open(sys.argv[2], "w").write(answer.read().decode())
"""

Login = Callable[..., Awaitable[Proxy]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def standin(port: int) -> AsyncIterator[Standin]:
    async with Standin(callback_ports=(port, 1455, 1457), device_interval=1) as server:
        yield server


@pytest.fixture
def auth_file(tmp_path: Path) -> Path:
    return tmp_path / "codex home" / "auth.json"


@pytest.fixture
async def login(standin: Standin, port: int, auth_file: Path, tmp_path: Path) -> AsyncIterator[Login]:
    """Start `scripts/login`; both its outputs are the log."""
    running: list[Proxy] = []

    async def start(*args: str, ports: bool = False, default_file: bool = False, **env: str) -> Proxy:
        command = [sys.executable, str(ROOT / "scripts" / "login.py"), "--issuer", standin.issuer, *args]
        command += [] if ports else ["--port", str(port)]
        command += [] if default_file else ["--auth-file", str(auth_file)]
        process = await asyncio.create_subprocess_exec(
            *command, env=bare(tmp_path, **{"BROWSER": "true", **env}), cwd=tmp_path, umask=0, preexec_fn=take_interrupts,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        running.append(Proxy(process, command))
        return running[-1]

    yield start
    for each in running:
        await each.stop()
        assert "Traceback" not in each.log, each.log
        for secret in [*standin.tokens.access, *standin.tokens.refresh]:
            assert secret not in each.log


async def address(run: Proxy) -> str:
    return (await run.logged(r"^\s*(http://\S+/oauth/authorize\?\S+)$"))[1]


async def asked(run: Proxy) -> dict[str, str]:
    """What the address asks for that a person is to open."""
    return {name: value for name, (value,) in parse_qs(urlsplit(await address(run)).query).items()}


async def visit(url: str, **query: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=PATIENCE, follow_redirects=True) as browser:
        return await browser.get(url, params=query or None)


async def come_back(run: Proxy, **query: str) -> httpx2.Response:
    """As the server would send the browser back; `state` is the right one if none is given."""
    given = await asked(run)
    return await visit(given["redirect_uri"], **{"state": given["state"], **query})


def left(auth_file: Path) -> list[str]:
    """What is in the login's folder, without lock files: they stay, as the CLI's do."""
    folder = auth_file.parent
    return sorted(each.name for each in folder.iterdir() if each.suffix != ".lock") if folder.exists() else []


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


# In the browser.


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_browser_logs_in(host: str, login: Login, standin: Standin, auth_file: Path, tmp_path: Path) -> None:
    (tmp_path / "browser.py").write_text(BROWSER)
    shown = tmp_path / "shown.html"
    command = f"{sys.executable} {tmp_path}/browser.py %s {shown}"
    standin.login(plan="pro", account_id="1234abcd-more")
    run = await login("--verbose", "--redirect-host", host, BROWSER=command, DISPLAY=":99")
    assert await run.ended() == 0, run.log
    assert f"Logged in as p…n@example.org (pro, account 1234abcd…). The login is in {auth_file}." in run.log
    assert "Waiting for the login in the browser" in run.log and "person@" not in run.log
    await until(lambda: shown.exists() and "</html>" in shown.read_text())
    assert "You are logged in" in shown.read_text() and "p…n@example.org" in shown.read_text()

    written = json.loads(auth_file.read_text())
    assert list(written) == ["auth_mode", "OPENAI_API_KEY", "tokens", "last_refresh"]
    assert written["auth_mode"] == "chatgpt" and written["OPENAI_API_KEY"] is None
    assert list(written["tokens"]) == ["id_token", "access_token", "refresh_token", "account_id"]
    assert written["tokens"]["account_id"] == "1234abcd-more"
    assert standin.tokens.states[written["tokens"]["refresh_token"]] == "live"
    assert (mode(auth_file), mode(auth_file.parent), left(auth_file)) == (0o600, 0o700, ["auth.json"])
    query = parse_qs(standin.requests[0].query)
    assert query["redirect_uri"] == [f"http://{host}:{urlsplit(query['redirect_uri'][0]).port}/auth/callback"]
    assert query["originator"] == ["nanobot-proxy"]
    assert re.match(r"nanobot-proxy/\S+ \(.+\)$", standin.refresh_calls[0].header("user-agent") or "")


async def test_the_proxy_takes_the_login(login: Login, standin: Standin, start: Start, auth_file: Path) -> None:
    run = await login("--browser")
    await visit(await address(run))
    assert await run.ended() == 0
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=auth_file)
    async with new_client(proxy) as client:
        assert (await client.post("/v1/responses", json=QUESTION)).status_code == 200


@pytest.mark.parametrize("name", ["HOME", "CODEX_HOME"])
async def test_the_file_is_the_clis(name: str, login: Login, standin: Standin, tmp_path: Path) -> None:
    folder = tmp_path / ".codex" if name == "HOME" else tmp_path / "some" / "where"
    run = await login("--browser", default_file=True, **{name: str(tmp_path if name == "HOME" else folder)})
    await visit(await address(run))
    assert await run.ended() == 0 and mode(folder / "auth.json") == 0o600 and mode(folder) == 0o700


async def test_a_login_in_the_environment_does_not_go_unsaid(login: Login, tmp_path: Path) -> None:
    run = await login("--browser", default_file=True, OPENAI_OAUTH_REFRESH_TOKEN="made-up")
    await visit(await address(run))
    assert await run.ended() == 0 and (tmp_path / ".codex" / "auth.json").exists()
    assert "OPENAI_OAUTH_REFRESH_TOKEN" in run.log and "made-up" not in run.log


async def test_another_login_coming_back_is_told_and_the_right_one_waited_for(login: Login, auth_file: Path) -> None:
    run = await login("--browser")
    stray = await come_back(run, code="c", state="other")
    assert stray.status_code == 400 and "Not the login that is waiting" in stray.text
    await run.logged("came back from another login; still waiting")
    assert (
        await visit((await asked(run))["redirect_uri"].replace("/auth/callback", "/favicon.ico"))
    ).status_code == 404
    assert "You are logged in" in (await visit(await address(run))).text
    assert await run.ended() == 0 and left(auth_file) == ["auth.json"]


DENIALS = [
    ({"error": "access_denied", "error_description": "No, thanks <b>"}, "The login was denied: No, thanks <b>."),
    ({"error": "access_denied", "error_description": "missing_codex_entitlement"}, "Codex is not enabled for this workspace."),
    ({"error": "server_error"}, "The login can't be finished: server_error."),
    ({}, "the redirect carries no code."),
    ({"code": "ac_made_up"}, "says: Unknown or used code."),
]  # fmt: skip


@pytest.mark.parametrize("query, said", DENIALS)
async def test_a_login_that_fails_is_told_here_and_there(
    query: dict[str, str], said: str, login: Login, auth_file: Path, port: int
) -> None:
    run = await login("--browser")
    page = await come_back(run, **query)
    assert page.status_code == 400 and "The login did not work" in page.text
    assert said.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#x27;") in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert await run.ended() == 1 and said in run.log and left(auth_file) == [] and is_free(port)


async def test_the_state_may_have_more_behind_it(login: Login, standin: Standin) -> None:
    run = await login("--browser")
    async with httpx2.AsyncClient(trust_env=False) as browser:
        sent = (await browser.get(await address(run))).headers["location"]
        page = await browser.get(sent + ".onboarding_entrypoint=life_sciences")
    assert page.status_code == 200 and await run.ended() == 0


async def test_nobody_is_waited_for_without_end(login: Login, auth_file: Path, port: int) -> None:
    run = await login("--browser", "--timeout", "0.2")
    assert await run.ended() == 1 and "The login was not completed in time." in run.log
    assert left(auth_file) == [] and is_free(port)


@pytest.mark.parametrize("env", [{"BROWSER": ""}, {"BROWSER": "false", "PATH": "/nowhere", "DISPLAY": ":99"}])
async def test_without_a_browser_the_address_can_be_opened_by_hand(env: dict[str, str], login: Login) -> None:
    run = await login("--browser", **env)
    await run.logged("No browser could be opened here")
    await visit(await address(run))
    assert await run.ended() == 0


async def test_a_server_that_is_gone_is_told(login: Login, auth_file: Path) -> None:
    run = await login("--browser", "--issuer", f"http://127.0.0.1:{free_port()}")
    page = await come_back(run, code="c")
    assert await run.ended() == 1 and "can't be reached" in run.log and "can&#x27;t be reached" in page.text
    assert left(auth_file) == []


@pytest.fixture
def known_ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The two ports that the real server knows; one test at a time may have them."""
    with FileLock(tmp_path_factory.getbasetemp().parent / "known-ports.lock", timeout=60):
        for number in (1455, 1457):
            with socket.socket() as probe:
                try:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", number))
                except OSError:
                    pytest.skip(f"port {number} is held by another program")
        yield


def hold(port: int) -> socket.socket:
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    held.listen()
    return held


@pytest.mark.usefixtures("known_ports")
async def test_the_first_known_port_is_used(login: Login) -> None:
    run = await login("--browser", ports=True)
    assert (await asked(run))["redirect_uri"] == "http://127.0.0.1:1455/auth/callback"
    assert "You are logged in" in (await visit(await address(run))).text
    assert await run.ended() == 0


@pytest.mark.usefixtures("known_ports")
async def test_the_other_known_port_is_used_where_the_first_is_held(login: Login) -> None:
    with hold(1455):
        run = await login("--browser", ports=True)
        assert (await asked(run))["redirect_uri"] == "http://127.0.0.1:1457/auth/callback"
        await visit(await address(run))
        assert await run.ended() == 0
    if sys.platform == "linux":
        assert re.search(rf"Port 1455 is held by .+ \(process {os.getpid()}\); port 1457 is used instead\.", run.log)


@pytest.mark.usefixtures("known_ports")
async def test_where_both_are_held_it_is_said_by_whom(login: Login, auth_file: Path) -> None:
    with hold(1455), hold(1457):
        run = await login("--browser", ports=True)
        assert await run.ended() == 1
    if sys.platform == "linux":
        assert re.search(rf"1455 is held by .+process {os.getpid()}.+1457 is held by .+process {os.getpid()}", run.log)
    assert "--device" in run.log and left(auth_file) == []


# With a code.


@pytest.mark.parametrize(
    "env, said",
    [
        ({}, "Without a display"),
        ({"SSH_TTY": "/dev/pts/1", "DISPLAY": ":10"}, "Over ssh"),
        ({"SSH_CONNECTION": "a 1 b 2", "WAYLAND_DISPLAY": "w"}, "Over ssh"),
    ],
)
async def test_where_no_browser_can_be_seen_a_code_is_typed_in(
    env: dict[str, str], said: str, login: Login, standin: Standin, auth_file: Path
) -> None:
    run = await login(**env)
    code = (await run.logged(r"^\s+([A-Z]{4}-[A-Z]{4})$"))[1]
    await run.logged(re.escape(f"{standin.issuer}/codex/device"))
    await run.logged(said)
    standin.approve_device(code)
    assert await run.ended() == 0, run.log
    assert "Logged in as p…n@example.org" in run.log and left(auth_file) == ["auth.json"] and mode(auth_file) == 0o600
    assert {seen.header("originator") for seen in standin.requests} == {"nanobot-proxy"}


async def test_a_display_is_for_a_browser(login: Login) -> None:
    run = await login(DISPLAY=":99")
    await run.logged("If the browser does not open by itself")
    run.process.send_signal(signal.SIGINT)
    assert await run.ended() == 130


async def test_a_code_may_be_denied(login: Login, standin: Standin, auth_file: Path) -> None:
    run = await login("--device")
    await run.logged("Waiting for the code to be entered")
    standin.deny_devices()
    assert await run.ended() == 1 and "The login was denied in the browser." in run.log and left(auth_file) == []


async def test_a_code_that_nobody_types_in_has_its_end(login: Login, auth_file: Path) -> None:
    run = await login("--device", "--timeout", "0.5")
    assert await run.ended() == 1 and "not entered in time" in run.log and left(auth_file) == []


async def test_where_codes_are_not_enabled_it_is_said_where_to(login: Login, standin: Standin) -> None:
    standin.device_login = False
    run = await login("--device")
    assert await run.ended() == 1 and "device code authorization for Codex" in run.log and "--paste" in run.log


# With a pasted address.


async def type_in(run: Proxy, text: str) -> None:
    assert run.process.stdin
    run.process.stdin.write(text.encode() + b"\n")
    await run.process.stdin.drain()


async def test_the_address_may_be_pasted(login: Login, auth_file: Path, port: int) -> None:
    run = await login("--paste")
    async with httpx2.AsyncClient(trust_env=False) as elsewhere:
        sent = (await elsewhere.get(await address(run))).headers["location"]
    assert is_free(port)
    for wrong in ("", "nonsense", sent.partition("?")[0], sent.replace("state=", "state=x"), "http://["):
        await type_in(run, wrong)
    await type_in(run, f"  {sent}  ")
    assert await run.ended() == 0, run.log
    assert run.log.count("That is not the redirect address") == 5 and left(auth_file) == ["auth.json"]


async def test_a_pasted_denial_is_one(login: Login) -> None:
    run = await login("--paste")
    given = await asked(run)
    await type_in(run, f"{given['redirect_uri']}?error=access_denied&state={given['state']}")
    assert await run.ended() == 1 and "The login was denied" in run.log


async def test_nothing_pasted_is_no_login(login: Login, auth_file: Path) -> None:
    run = await login("--paste")
    assert run.process.stdin
    run.process.stdin.close()
    assert await run.ended() == 1 and "No address was pasted." in run.log and left(auth_file) == []


# A login that is there.


@pytest.fixture
def old(standin: Standin, auth_file: Path) -> dict[str, Any]:
    document = standin.login(email="before@example.org", account_id="old-account") | {"mine": [1, {"x": "ü"}]}
    auth_file.parent.mkdir()
    write_login(auth_file, document)
    standin.login(email="after@example.org", account_id="new-account")
    return document


async def test_it_is_not_replaced_unasked(login: Login, old: dict[str, Any], auth_file: Path) -> None:
    run = await login("--browser")
    assert await run.ended() == 1
    assert "holds a login: b…e@example.org (plus, account old-acco…)." in run.log and "--yes" in run.log
    assert json.loads(auth_file.read_text()) == old


async def test_a_script_may_have_it_replaced(
    login: Login, old: dict[str, Any], auth_file: Path, standin: Standin
) -> None:
    run = await login("--browser", "--yes", "--verbose")
    assert old["tokens"]["refresh_token"] in standin.tokens.states
    await visit(await address(run))
    assert await run.ended() == 0, run.log
    assert "b…e@example.org (plus, account old-acco…). It is replaced." in run.log
    assert "Logged in as a…r@example.org (plus, account new-acco…)." in run.log
    after = json.loads(auth_file.read_text())
    assert after["mine"] == [1, {"x": "ü"}] and after["tokens"]["account_id"] == "new-account"
    assert standin.tokens.states[old["tokens"]["refresh_token"]] == "revoked"
    assert standin.tokens.states[after["tokens"]["refresh_token"]] == "live"
    (revoked,) = [seen for seen in standin.requests if seen.path == "/oauth/revoke"]
    assert json.loads(revoked.body)["client_id"] and revoked.header("originator") == "nanobot-proxy"


@pytest.mark.parametrize("precious", ["precious", '["precious"]'])
async def test_what_is_no_login_is_not_lost_unasked(precious: str, login: Login, auth_file: Path) -> None:
    auth_file.parent.mkdir()
    auth_file.write_text(precious)
    run = await login("--browser")
    assert await run.ended() == 1 and "something other than a login, which would be lost" in run.log
    assert auth_file.read_text() == precious
    run = await login("--browser", "--yes")
    await visit(await address(run))
    assert await run.ended() == 0 and json.loads(auth_file.read_text())["auth_mode"] == "chatgpt"


async def test_it_stays_and_lives_on_where_the_new_one_fails(
    login: Login, old: dict[str, Any], auth_file: Path, standin: Standin
) -> None:
    run = await login("--browser", "--yes")
    await come_back(run, error="access_denied")
    assert await run.ended() == 1 and json.loads(auth_file.read_text()) == old
    assert standin.tokens.states[old["tokens"]["refresh_token"]] == "live"


@pytest.mark.parametrize("workspace, taken", [("new-account", True), ("old-account", False)])
async def test_only_the_workspace_asked_for_is_taken(
    workspace: str, taken: bool, login: Login, old: dict[str, Any], auth_file: Path, standin: Standin
) -> None:
    run = await login("--browser", "--yes", "--workspace", workspace)
    page = await visit(await address(run))
    assert (await asked(run))["allowed_workspace_id"] == workspace
    assert await run.ended() == (0 if taken else 1)
    if not taken:
        assert "for another workspace than the one asked for: a…r@example.org (plus, account new-acco…)" in run.log
        assert "another workspace" in page.text and json.loads(auth_file.read_text()) == old
        states = list(standin.tokens.states.values())
        assert states == ["live", "live", "revoked"]


@pytest.mark.parametrize("args", [["--port", "0"], ["--timeout", "-1"], ["--issuer", "http://example.org"], ["--device", "--paste"], ["--originator", "ü"]])  # fmt: skip
async def test_wrong_arguments_are_told(args: list[str], login: Login) -> None:
    run = await login(*args, ports=True)
    assert await run.ended() == 2 and args[0] in run.log


async def test_a_place_that_can_hold_no_login_is_told_first(login: Login, auth_file: Path) -> None:
    auth_file.mkdir(parents=True)
    run = await login("--browser")
    assert await run.ended() == 1 and "is a folder, so a login can't be saved" in run.log and "http" not in run.log


# Ctrl-C.


@pytest.mark.parametrize(
    "args, stage",
    [
        (["--browser"], "Waiting for the login in the browser"),
        (["--device"], "Waiting for the code to be entered"),
        (["--paste"], "copy the address"),
    ],
)
async def test_ctrl_c_while_a_person_is_waited_for_leaves_nothing(
    args: list[str], stage: str, login: Login, auth_file: Path, port: int
) -> None:
    run = await login(*args)
    await run.logged(stage)
    await asyncio.sleep(0.1)
    run.process.send_signal(signal.SIGINT)
    assert await run.ended() == 130
    assert not auth_file.parent.exists() and is_free(port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_to_be_stopped_while_the_tokens_are_fetched_leaves_the_old_login(
    number: signal.Signals, login: Login, old: dict[str, Any], auth_file: Path, standin: Standin, port: int
) -> None:
    standin.hold(kind="token", before_headers=True)
    run = await login("--browser", "--yes")
    browser = asyncio.create_task(visit(await address(run)))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    assert len(left(auth_file)) == 2  # the login, and the file that was to take the new one
    run.process.send_signal(number)
    assert await run.ended() == 130
    with pytest.raises(httpx2.HTTPError):
        await browser
    assert left(auth_file) == ["auth.json"] and json.loads(auth_file.read_text()) == old and is_free(port)
    assert standin.tokens.states[old["tokens"]["refresh_token"]] == "live"


# In a terminal.


InTerminal = Callable[..., Awaitable[Terminal]]


@pytest.fixture
async def in_terminal(standin: Standin, port: int, auth_file: Path, tmp_path: Path) -> AsyncIterator[InTerminal]:
    running: list[Terminal] = []

    async def start(*args: str, **env: str) -> Terminal:
        where = ("--issuer", standin.issuer, "--auth-file", str(auth_file), "--port", str(port))
        running.append(await Terminal.start("login", tmp_path, *where, *args, **{"BROWSER": "true", **env}))
        return running[-1]

    yield start
    for each in running:
        await each.stop()
        assert "Traceback" not in each.text, each.text


async def test_a_person_is_asked_and_may_say_no(in_terminal: InTerminal, old: dict[str, Any], auth_file: Path) -> None:
    for answer in ("n\n", "\n", "\x04"):
        run = await in_terminal("--browser")
        question = r"holds a login: b…e@example.org \(plus, account old-acco…\)\.\s+Replace it\? \[y/N\]"
        await run.answers(question, answer)
        assert (await run.ended()).status == 1 and "Nothing has been changed." in run.text
    assert json.loads(auth_file.read_text()) == old


async def test_a_person_is_asked_and_may_say_yes(in_terminal: InTerminal, old: dict[str, Any], auth_file: Path) -> None:
    run = await in_terminal("--browser")
    await run.answers("Replace it", "y\n")
    url = (await run.shows(r"(http://\S+/oauth/authorize\?\S+)\r"))[1]
    await run.shows("\x1b.*Waiting for the login in the browser")
    await visit(url)
    assert (await run.ended()).status == 0, run.text
    assert json.loads(auth_file.read_text())["tokens"]["account_id"] == "new-account"
    assert "\x1b[32m" in run.text


async def test_colour_can_be_switched_off(in_terminal: InTerminal, standin: Standin) -> None:
    run = await in_terminal("--device", NO_COLOR="1")
    await run.shows("Waiting for the code to be entered")
    standin.approve_device()
    assert (await run.ended()).status == 0 and "Logged in as" in run.text
    assert not re.search(r"\x1b\[[\d;]*[3-4]\d[\d;]*m", run.text)


async def test_ctrl_c_at_the_question_changes_nothing(
    in_terminal: InTerminal, old: dict[str, Any], auth_file: Path
) -> None:
    run = await in_terminal("--browser")
    await run.shows("Replace it")
    run.process.send_signal(signal.SIGINT)
    assert (await run.ended()).status == 130 and json.loads(auth_file.read_text()) == old


# In a real browser.


async def test_a_person_says_yes_or_no_in_a_browser(
    login: Login, standin: Standin, page: Page, auth_file: Path
) -> None:
    standin.oauth.consent = True
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    for button, title, status in (("Deny", "The login did not work", 1), ("Allow", "You are logged in", 0)):
        run = await login("--browser")
        await page.goto(await address(run))
        await page.get_by_role("button", name=button).click()
        await expect(page.get_by_role("heading")).to_have_text(title)
        assert await run.ended() == status, run.log
        assert left(auth_file) == ([] if status else ["auth.json"])
    assert not [each for each in problems if "Content Security Policy" in each], problems
