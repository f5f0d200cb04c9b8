"""`python -m standin`."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx2

import standin
from standin import FAILURES

from .kit import good

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(standin.__file__).parent.parent)}


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "standin", *args]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=20)


def test_the_failures_are_listed() -> None:
    told = run("--list-failures")
    assert [line.split()[0] for line in told.stdout.splitlines()] == list(FAILURES)


def test_a_wrong_failure_is_told() -> None:
    told = run("--fail", "nonsense")
    assert told.returncode == 2
    assert "no failure 'nonsense'" in told.stderr


def test_a_certificate_needs_its_key() -> None:
    assert "go together" in run("--tls-cert", "a.pem").stderr


async def test_it_serves_until_it_is_stopped(tmp_path: Path) -> None:
    login = tmp_path / "sub" / "auth.json"
    args = ["--port", "0", "--write-login", str(login), "--fail", "html-502", "--verbose"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "standin", *args, env=ENVIRONMENT, stdout=pipe, stderr=pipe
    )
    assert process.stdout
    told = [(await process.stdout.readline()).decode() for _ in range(5)]
    try:
        assert stat.S_IMODE(login.stat().st_mode) == 0o600
        tokens = json.loads(login.read_text())["tokens"]
        options = dict(line.split("--set ")[1].rstrip(" \\\n").split("=") for line in told if "--set " in line)
        assert list(options) == ["codex_upstream", "codex_issuer", "codex_auth_file"]
        assert options["codex_auth_file"] == str(login)
        headers = {"authorization": f"Bearer {tokens['access_token']}", "chatgpt-account-id": tokens["account_id"]}
        async with httpx2.AsyncClient(headers=headers) as http:
            url = f"{options['codex_upstream']}/responses"
            assert [(await http.post(url, json=good())).status_code for _ in range(2)] == [502, 502]
            await http.post(f"{options['codex_issuer']}/_standin/recover")
            assert (await http.post(url, json=good())).status_code == 200
            assert (await http.post(url, json=good(store=True))).status_code == 400
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert "refused: POST /backend-api/codex/responses: 400 Store must be set to false" in errors.decode()
    assert tokens["access_token"] not in errors.decode()
