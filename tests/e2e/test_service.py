"""As a service: the files that systemd and launchd read, what the journal gets, and how it stops."""

import asyncio
import contextlib
import os
import plistlib
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

import service
from free_port import free_port
from standin import Standin

from ..places import ROOT
from .harness import PATIENCE, QUESTION, SCRIPT, Proxy, Start, environment, events, new_client, write_login

# Arguments that would be taken apart, expanded or cut short where they are not quoted.
AWKWARD = ["--port", "8080", "--set", "codex_model_map=gpt-4*=gpt 6", "-w", '100% of $HOME/it\'s "mine" & <yours>\\é']


# Exit status of a start that would fail again.
WRONG = 0 if sys.platform == "darwin" else 78


def run_service(tmp_path: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "service.py", *args],
        cwd=tmp_path, env=environment(tmp_path, **env), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def verify(unit: Path, tmp_path: Path) -> None:
    """What systemd itself has to say of it."""
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("systemd-analyze is not installed (Debian's package systemd)")
    said = subprocess.run(
        [analyze, "verify", "--user", "--man=no", unit], env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")


def words(line: str) -> list[str]:
    """A line of quoted words, as systemd reads it (systemd.syntax(7), systemd.unit(5))."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    return [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in found]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has launchd")
def test_the_unit_says_what_was_given(tmp_path: Path) -> None:
    printed = run_service(tmp_path, "print-unit", *AWKWARD, CODEX_HOME="/home/me/100% mine")
    unit = tmp_path / "codex-proxy.service"
    unit.write_text(printed.stdout)
    lines = dict(line.partition("=")[::2] for line in printed.stdout.splitlines() if "=" in line)

    verify(unit, tmp_path)
    assert lines["ExecStart"].startswith(':"')  # $ has no meaning
    assert words(lines["ExecStart"]) == [str(ROOT / "scripts" / "serve"), "--as-service", *AWKWARD]
    assert words(lines["Environment"]) == ["CODEX_HOME=/home/me/100% mine"]
    folders = words(lines["ReadWritePaths"])
    assert folders[:2] == ["-/home/me/100% mine", f"-{tmp_path}/.mitmproxy"]
    assert folders[-1] == f"-{tmp_path}/100% of $HOME"
    assert (lines["Restart"], lines["RestartPreventExitStatus"], lines["UMask"]) == ("on-failure", "78", "0077")


def test_what_a_link_leads_to_can_be_written(tmp_path: Path) -> None:
    """The login is replaced where it is, and locked beside the link as well."""
    for name in (".codex", "vault"):
        (tmp_path / name).mkdir()
    (tmp_path / ".codex" / "auth.json").symlink_to(tmp_path / "vault" / "auth.json")
    assert service.writable([], {}, tmp_path) == [
        tmp_path / ".codex", tmp_path / ".mitmproxy", tmp_path / ".local/state/codex-proxy", tmp_path / "vault"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [["-w", "/tmp/x/f"], ["-w/tmp/x/f"], ["-w=/tmp/x/f"], ["-w+/tmp/x/f"], ["--save-stream-file", "/tmp/x/f"],
     ["--save-stream-file=/tmp/x/f"], ["--set", "save_stream_file=+/tmp/x/f"], ["--set=save_stream_file=/tmp/x/f"]],
)  # fmt: skip
def test_however_the_flows_file_is_given_its_folder_can_be_written(arguments: list[str], tmp_path: Path) -> None:
    assert service.writable(arguments, {}, tmp_path)[-1] == Path("/tmp/x")


def test_the_time_to_stop_is_longer_than_the_proxys_own() -> None:
    for arguments, seconds in (([], 40), (["--set", "codex_stop_timeout=90.5"], 101), (["--set=codex_stop_timeout=2"], 12)):  # fmt: skip
        assert service.patience(arguments) == seconds


def test_the_launchd_agent_says_what_was_given(tmp_path: Path) -> None:
    agent: dict[str, Any] = plistlib.loads(
        service.agent(AWKWARD, {"CODEX_HOME": "/a & b", "LANG": "C"}, tmp_path).encode()
    )

    assert agent["ProgramArguments"] == [str(ROOT / "scripts" / "serve"), "--as-service", *AWKWARD]
    assert agent["EnvironmentVariables"] == {"CODEX_HOME": "/a & b"}
    assert agent["SoftResourceLimits"]["NumberOfFiles"] >= 4096
    assert (agent["Umask"], agent["ExitTimeOut"], agent["KeepAlive"]) == (0o077, 40, {"SuccessfulExit": False})


def test_it_is_installed_and_removed_again(tmp_path: Path) -> None:
    installed = run_service(tmp_path, "install", "--port", "8080")
    (path,) = [path for path in tmp_path.rglob("codex-proxy.*") if path.is_file()]

    assert f"Wrote {path}\n" in installed.stdout
    assert run_service(tmp_path, "print-unit", "--port", "8080").stdout == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".codex").stat().st_mode & 0o777 == 0o700
    assert f"Removed {path}\n" in run_service(tmp_path, "uninstall").stdout
    assert not path.exists()
    assert run_service(tmp_path, "uninstall").returncode == 1


def test_a_mistake_is_told_before_anything_is_installed(tmp_path: Path) -> None:
    wrong = run_service(tmp_path, "check", "--set", "codex_client_key=env:MY_KEY", MY_KEY="x")

    # The service would not have the shell's MY_KEY.
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("codex_client_key: the environment has no MY_KEY\n")
    assert run_service(tmp_path, "check").returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project under an awkward name, with an environment that is ready: ours."""
    root = tmp_path / "my codex proxy, 100% $HOME"
    (root / "scripts").mkdir(parents=True)
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "ready").mkdir()
    (root / ".venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages").mkdir(
        parents=True
    )
    for path in (ROOT / "scripts" / "_env", ROOT / "scripts" / "serve", *(ROOT / "scripts").glob("*.py")):
        shutil.copy(path, root / "scripts")
    (root / "addon").symlink_to(SCRIPT.parent)
    shutil.copytree(ROOT / "requirements", root / "requirements")
    shutil.copy(ROOT / "requirements" / "run.txt", root / ".venv" / "ready" / "run")
    (root / ".venv" / "ready" / "root").write_text(f"{root.resolve()}\n")
    for name in ("python", "mitmdump"):
        program = root / ".venv" / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n')
        program.chmod(0o755)
    return root


def serve_script(checkout: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "serve", *args],
        cwd=checkout, env=environment(checkout.parent), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def arguments_of(printed: str) -> list[str]:
    if sys.platform == "darwin":
        given: list[str] = plistlib.loads(printed.encode())["ProgramArguments"]
        return given
    return words(re.findall("^ExecStart=(.*)", printed, re.M)[0])


def test_all_other_arguments_of_serve_become_the_services(checkout: Path) -> None:
    for given in (["--print-unit", *AWKWARD], ["--print-unit", "--", *AWKWARD], [*AWKWARD, "--print-unit"]):
        printed = serve_script(checkout, *given)
        assert arguments_of(printed.stdout) == [str(checkout.resolve() / "scripts" / "serve"), "--as-service", *AWKWARD]


def test_serve_installs_what_would_start_and_starts_it_as_a_service(checkout: Path) -> None:
    wrong = serve_script(checkout, "--install", "--set", "codex_patch=most")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert not list(checkout.parent.rglob("codex-proxy.*"))

    installed = serve_script(checkout, "--install", "--set", "codex_patch=store")
    assert (installed.returncode, installed.stdout.startswith("Wrote ")) == (0, True), installed.stderr
    assert serve_script(checkout, "--as-service", "--port", "0", "--set", "codex_patch=most").returncode == WRONG


Spawn = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def spawn(tmp_path: Path) -> AsyncIterator[Spawn]:
    """Start `service.py run` as the unit would; stopped at the end."""
    running: list[Proxy] = []

    async def spawn(*args: str, before: tuple[str, ...] = (), port: int = 0) -> Proxy:
        command = [*before, sys.executable, str(ROOT / "scripts" / "service.py"), "run", "-s", str(SCRIPT)]
        command += ["--set", "confdir=confdir", "--mode", f"reverse:https://chatgpt.com@127.0.0.1:{port}", *args]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=environment(tmp_path), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        running.append(Proxy(process, command))
        return running[-1]

    yield spawn
    for proxy in running:
        await proxy.stop()


@pytest.mark.parametrize(
    ("option", "says"), [("codex_patch=most", "^codex_patch='most'; allowed:"), ("body_size_limit=x", "Invalid body_size_limit")]
)  # fmt: skip
async def test_a_wrong_configuration_has_an_exit_status_of_its_own(option: str, says: str, spawn: Spawn) -> None:
    proxy = await spawn("--set", option)

    await proxy.logged(says)
    assert await proxy.ended() == WRONG


async def test_an_address_that_is_taken_may_be_free_later(spawn: Spawn) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        proxy = await spawn(port=taken.getsockname()[1])

        await proxy.logged("failed to listen")
        assert await proxy.ended() == 1


async def test_it_starts_without_a_login_and_takes_the_one_that_comes(
    spawn: Spawn, standin: Standin, tmp_path: Path
) -> None:
    path = tmp_path / "auth.json"
    proxy = await spawn(
        "--set", f"codex_auth_file={path}", "--set", f"codex_upstream={standin.upstream}", port=(port := free_port())
    )
    await proxy.logged("requests go to")
    proxy.ports = [port]
    async with new_client(proxy) as client:
        assert (await client.get("/healthz")).status_code == 503
        assert (await client.post("/responses", json=QUESTION)).json()["error"]["code"] == "login_missing"
        write_login(path, standin.login())
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.post("/responses", json=QUESTION)).status_code == 200


# What systemd does for a service's output.
AS_SYSTEMD = "import os, sys; s = os.fstat(1); os.environ['JOURNAL_STREAM'] = f'{s.st_dev}:{s.st_ino}'; os.execv(sys.argv[1], sys.argv[1:])"


async def test_the_journal_gets_levels_and_no_second_time(spawn: Spawn) -> None:
    proxy = await spawn(
        "--set", "codex_auth_file=missing.json", "--set", "codex_client_key=plain", port=(port := free_port()),
        before=(sys.executable, "-c", AS_SYSTEMD),
    )  # fmt: skip

    await proxy.logged("^<6>Codex proxy .*requests go to")
    await proxy.logged("^<4>codex_client_key holds the key itself")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await proxy.logged(r"^<6>\[127.0.0.1:\d+\] client connect")
    writer.close()
    assert "\x1b" not in proxy.log


async def test_a_pipe_that_is_not_the_journal_keeps_its_times(start: Start) -> None:
    proxy = await start(env={"JOURNAL_STREAM": "1:1"}, codex_auth_file="missing.json")

    await proxy.logged(r"^\[\d\d:\d\d:\d\d\.\d{3}\] Codex proxy")


Serve = Callable[..., Awaitable[Proxy]]


@pytest.fixture
def serve(start: Start, standin: Standin, login_file: Path) -> Serve:
    async def serve(bound: str = "600", tool: str = "mitmdump") -> Proxy:
        web = ("--no-web-open-browser", "--web-port", str(free_port())) if tool == "mitmweb" else ()
        return await start(
            *web, tool=tool, codex_upstream=standin.upstream, codex_auth_file=login_file, codex_stop_timeout=bound
        )

    return serve


async def rest_of(pieces: AsyncIterator[str]) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE):
        came = ""
        with contextlib.suppress(httpx2.RemoteProtocolError):  # one that is cut off does not end cleanly
            async for piece in pieces:
                came += piece
        return events(came)


async def first_of(pieces: AsyncIterator[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        assert "response.created" in await anext(pieces)


@pytest.mark.parametrize("tool", ["mitmdump", "mitmweb"])
async def test_a_running_answer_goes_on_to_its_end_and_nothing_new_is_taken(
    tool: str, serve: Serve, standin: Standin
) -> None:
    proxy = await serve(tool=tool)
    standin.hold()
    async with new_client(proxy) as client, client.stream("POST", "/responses", json=QUESTION) as response:
        pieces = response.aiter_text()
        await first_of(pieces)
        proxy.process.terminate()
        await proxy.logged("Stopping: waiting for 1 answer, 600 s at most")
        await proxy.logged(r"at 127.0.0.1:\d+ stopped")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.ports[0])
        standin.release()
        assert (await rest_of(pieces))[-1]["type"] == "response.completed"

    assert await proxy.ended() == 0
    assert "Stopped: all answers were sent." in proxy.log


async def test_an_answer_that_comes_whole_is_waited_for_too(serve: Serve, standin: Standin) -> None:
    proxy = await serve()
    standin.hold(before_headers=True)
    async with new_client(proxy) as client:
        asking = asyncio.create_task(client.post("/responses", json={**QUESTION, "stream": False}))
        await asyncio.wait_for(standin.held.wait(), PATIENCE)
        proxy.process.terminate()
        await proxy.logged("Stopping")
        standin.release()
        answer = await asyncio.wait_for(asking, PATIENCE)

    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert await proxy.ended() == 0


async def test_connections_kept_open_are_closed_and_the_next_request_on_a_busy_one_is_refused(
    serve: Serve, standin: Standin
) -> None:
    proxy = await serve()
    idle_reader, idle = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    idle.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b" 200 " in await idle_reader.readline()
    standin.hold()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
    body = b'{"model": "gpt-6-sol", "input": "hi", "stream": true}'
    request = b"POST /responses HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    writer.write(request)
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    proxy.process.terminate()
    await asyncio.wait_for(idle_reader.read(), PATIENCE)
    writer.write(request)
    standin.release()
    said = await asyncio.wait_for(reader.read(), PATIENCE)
    idle.close()
    writer.close()

    whole, _, refused = said.partition(b"0\r\n\r\n")
    assert b"response.completed" in whole
    assert b" 503 " in refused.splitlines()[0]
    assert len(standin.requests) == 1
    assert await proxy.ended() == 0


async def test_what_takes_too_long_is_told_so_and_cut_off(serve: Serve, standin: Standin) -> None:
    proxy = await serve("0.3")
    standin.hold()
    standin.hold(before_headers=True)
    async with new_client(proxy) as client, client.stream("POST", "/responses", json=QUESTION) as response:
        pieces = response.aiter_text()
        await first_of(pieces)
        standin.held.clear()
        asking = asyncio.create_task(client.post("/responses", json={**QUESTION, "stream": False}))
        await asyncio.wait_for(standin.held.wait(), PATIENCE)
        proxy.process.terminate()
        last = (await rest_of(pieces))[-1]
        whole = await asyncio.wait_for(asking, PATIENCE)

    assert last["type"] == "response.failed"
    assert "The proxy is being stopped" in str(last)
    assert (whole.status_code, "The proxy is being stopped" in whole.text) == (503, True)
    assert await proxy.ended() == 0
    assert "Stopped: 2 answers cut off." in proxy.log


@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
async def test_asked_a_second_time_it_ends_at_once(again: signal.Signals, serve: Serve, standin: Standin) -> None:
    proxy = await serve()
    standin.hold()
    async with new_client(proxy) as client, client.stream("POST", "/responses", json=QUESTION) as response:
        pieces = response.aiter_text()  # let go of, it would hang up
        await first_of(pieces)
        proxy.process.terminate()
        await proxy.logged("Stopping")
        proxy.process.send_signal(again)
        assert await proxy.ended() == 0


async def test_ctrl_c_ends_it_at_once(serve: Serve, standin: Standin) -> None:
    proxy = await serve()
    standin.hold()
    async with new_client(proxy) as client, client.stream("POST", "/responses", json=QUESTION) as response:
        pieces = response.aiter_text()
        await first_of(pieces)
        proxy.process.send_signal(signal.SIGINT)
        assert await proxy.ended() == 0
        with pytest.raises(httpx2.RemoteProtocolError):
            async for _ in pieces:
                pass


async def test_with_nothing_running_there_is_nothing_to_wait_for(serve: Serve) -> None:
    proxy = await serve()
    async with new_client(proxy) as client:
        assert (await client.get("/")).status_code == 200
        proxy.process.terminate()
        assert await proxy.ended() == 0

    assert "Stopping" not in proxy.log
