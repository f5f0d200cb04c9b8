"""The official Codex CLI, as a program, and we on one login: in its file, and in the system's keyring."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.account import login_keyring
from standin import Standin

from ..secret_service import secret_service
from .a_script import Ended, Terminal, bare, check_no_secrets, run
from .clients import codex
from .harness import PATIENCE, QUESTION, Proxy, Start, new_client


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    async with Standin(device_interval=1) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / ".codex"
    folder.mkdir()
    return folder


@pytest.fixture
def keyring(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For all programs that the test starts."""
    (home / "config.toml").write_text('cli_auth_credentials_store = "keyring"\n')
    with secret_service(tmp_path / "keyring", monkeypatch):
        yield


class Cli:
    """The CLI, as a person in `tmp_path` starts it; nothing of it leaves this machine."""

    def __init__(self, standin: Standin, home: Path) -> None:
        self.standin, self.home = standin, home

    async def __call__(self, *args: str) -> Ended:
        nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}
        refresh = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.standin.issuer}/oauth/token"}
        process = await asyncio.create_subprocess_exec(
            codex(), *args, cwd=self.home, env=bare(self.home, **nowhere, **refresh),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    async def status(self) -> str:
        """The last line it says of its login."""
        ended = await self("login", "status")
        return (ended.out + ended.err).strip().splitlines()[-1]

    async def log_in(self) -> None:
        approving = asyncio.create_task(self._approve())
        ended = await self("login", "--device-auth", "--experimental_issuer", self.standin.issuer)
        await approving
        assert ended.status == 0, ended

    async def _approve(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while not self.standin.devices:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        self.standin.approve_device()

    async def ask(self) -> None:
        """A turn straight to the backend, with its own login."""
        provider = f'{{name="p",base_url="{self.standin.upstream}",wire_api="responses",requires_openai_auth=true,supports_websockets=false}}'
        settings = {"model_provider": '"p"', "model_providers.p": provider, "model": '"gpt-6.1-sol"',
                    "chatgpt_base_url": f'"{self.standin.origin}/backend-api"'}  # fmt: skip
        more = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        ended = await self("exec", "--skip-git-repo-check", *more, "say hi")
        assert ended.status == 0 and "You said: say hi" in ended.out, ended


@pytest.fixture
def cli(standin: Standin, tmp_path: Path) -> Cli:
    return Cli(standin, tmp_path)


async def we_log_in(standin: Standin, home: Path) -> None:
    terminal = await Terminal.start("login", home, "--device", "--issuer", standin.issuer)
    await terminal.shows("Waiting for the code to be entered")
    standin.approve_device()
    ended = await terminal.ended()
    assert ended.status == 0 and "Logged in as p…n@example.org" in ended.out, ended


async def we_ask(proxy: Proxy) -> None:
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
        assert answer.status_code == 200, answer.text


async def we_tell(standin: Standin, home: Path) -> Ended:
    where = ("--issuer", standin.issuer, "--upstream", standin.upstream, "--url", "http://127.0.0.1:1")
    ended = await run("status", home, *where)
    check_no_secrets(ended, standin)
    return ended


def one_renewal(standin: Standin, by: str) -> None:
    """There was just one since this was asked last, and its token is the only one that is good."""
    (call,) = standin.refresh_calls
    assert str(call.header("originator")).startswith(by) and json.loads(call.body)["grant_type"] == "refresh_token"
    standin.refresh_calls.clear()
    assert list(standin.tokens.states.values()).count("live") == 1


async def both_go_on(standin: Standin, proxy: Proxy, cli: Cli, tokens: Callable[[], Any]) -> None:
    """Whoever of the two finds the token refused renews it, and the other goes on with what came."""
    standin.refresh_calls.clear()
    standin.revoke(tokens()["access_token"])
    await we_ask(proxy)
    one_renewal(standin, "nanobot-proxy")
    assert await cli.status() == "Logged in using ChatGPT"
    await cli.ask()
    assert standin.refresh_calls == []

    standin.revoke(tokens()["access_token"])
    await cli.ask()
    one_renewal(standin, "codex")
    await we_ask(proxy)
    assert standin.refresh_calls == []
    assert standin.tokens.states[tokens()["refresh_token"]] == "live"


async def test_a_login_of_ours_in_its_file_is_the_clis_too(
    standin: Standin, cli: Cli, home: Path, tmp_path: Path
) -> None:
    assert await cli.status() == "Not logged in"
    await we_log_in(standin, tmp_path)
    assert await cli.status() == "Logged in using ChatGPT"
    await cli.ask()
    ended = await cli("logout")
    assert ended.status == 0 and not (home / "auth.json").exists()


async def test_a_login_of_the_cli_in_its_file_is_ours_too(
    standin: Standin, cli: Cli, home: Path, start: Start, tmp_path: Path
) -> None:
    await cli.log_in()
    file = home / "auth.json"
    document = json.loads(file.read_text())
    document["mine"] = document["tokens"]["mine"] = {"x": [1, "ü"]}
    file.write_text(json.dumps(document))
    told = await we_tell(standin, tmp_path)
    assert told.status == 0 and "p…n@example.org" in told.out and "~/.codex/auth.json" in told.out

    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer)
    standin.revoke(document["tokens"]["access_token"])
    await we_ask(proxy)
    kept = json.loads(file.read_text())
    assert list(kept) == list(document) and kept["mine"] == kept["tokens"]["mine"] == document["mine"]
    assert kept["tokens"]["refresh_token"] != document["tokens"]["refresh_token"]
    await both_go_on(standin, proxy, cli, lambda: json.loads(file.read_text())["tokens"])


@pytest.mark.usefixtures("keyring")
async def test_a_login_of_the_cli_in_the_keyring_is_ours_too(
    standin: Standin, cli: Cli, home: Path, start: Start, tmp_path: Path
) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_issuer=standin.issuer)
    await proxy.logged(r"No login in the system's keyring")
    await cli.log_in()
    assert not (home / "auth.json").exists()
    told = await we_tell(standin, tmp_path)
    assert told.status == 0 and "the system's keyring" in told.out and "p…n@example.org" in told.out, told
    await we_ask(proxy)

    await both_go_on(standin, proxy, cli, lambda: login_keyring.at(home / "auth.json").load()["tokens"])
    assert not (home / "auth.json").exists()

    ended = await run("logout", tmp_path, "--issuer", standin.issuer, "--yes")
    assert ended.status == 0 and "It was removed from the system's keyring." in ended.out, ended
    assert await cli.status() == "Not logged in" and "live" not in standin.tokens.states.values()
    assert (await we_tell(standin, tmp_path)).status == 1
    await we_log_in(standin, tmp_path)
    assert await cli.status() == "Logged in using ChatGPT" and not (home / "auth.json").exists()
    await we_ask(proxy)


@pytest.mark.usefixtures("keyring")
async def test_an_api_key_in_the_keyring_is_explained(
    standin: Standin, cli: Cli, home: Path, start: Start, tmp_path: Path
) -> None:
    login_keyring.at(home / "auth.json").draft().commit({"auth_mode": "apikey", "OPENAI_API_KEY": "my-own-key"})
    assert (await cli.status()).startswith("Authentication is checked")
    told = await we_tell(standin, tmp_path)
    assert told.status == 1 and "The system's keyring holds an API key" in told.err and "my-own" not in told.err
    proxy = await start(codex_upstream=standin.upstream)
    answer = await refused(proxy)
    assert (
        answer["code"] == "login_missing"
        and "An API key does not belong to a ChatGPT subscription" in answer["message"]
    )


async def test_what_is_no_login_for_us_is_explained(standin: Standin, home: Path, start: Start) -> None:
    """What else the CLI may have in its file (docs/backend.md, 9), and what nobody should; none of it is sent anywhere."""
    proxy = await start(codex_upstream=standin.upstream)
    for held, code, said in (
        ({"auth_mode": "apikey", "OPENAI_API_KEY": "my-own"}, "login_missing", "holds an API key"),
        ({"auth_mode": "agentIdentity", "agent_identity": "my-own"}, "login_missing", "holds an agent identity"),
        ({"auth_mode": "bedrockApiKey", "bedrock_api_key": {"api_key": "my-own"}}, "login_missing", "Amazon Bedrock"),
        ({"auth_mode": "headers"}, "login_missing", "another program holds it"),
        ({"auth_mode": "new", "new": "my-own"}, "login_missing", "an unknown kind of login"),
        ({"auth_mode": 5, "tokens": {"access_token": {"my-own": 1}}}, "login_missing", "holds no login"),
        (["my-own"], "login_unreadable", "does not hold a login"),
        ("my-own", "login_unreadable", "does not hold a login"),
    ):
        (home / "auth.json").write_text(json.dumps(held))
        answer = await refused(proxy)
        assert answer["code"] == code and said in answer["message"] and "scripts/login" in answer["message"], held
    assert "my-own" not in proxy.log and standin.requests == []


async def refused(proxy: Proxy) -> dict[str, Any]:
    async with new_client(proxy) as client:
        answer = await client.post("/v1/responses", json=QUESTION)
    assert answer.status_code == 401
    error: dict[str, Any] = answer.json()["error"]
    assert "my-own" not in answer.text
    return error
