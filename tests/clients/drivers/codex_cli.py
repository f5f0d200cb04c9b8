"""The official Codex CLI without its screen, `codex exec`."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from drive import CITIES, PNG, Weather, drive

# The program itself; what npm puts before it needs a node on the PATH.
CODEX = next(Path("node_modules/@openai").glob("codex-*/vendor/*/bin/codex")).resolve()
FOLDER = Path(tempfile.mkdtemp())
HOME, WORK = FOLDER / "home", FOLDER / "work"
HOME.mkdir()
WORK.mkdir()
shutil.copy(os.environ["CONFIGURATION"], HOME / "config.toml")
COMMAND = [CODEX, "exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
PIPES: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
RUN: dict[str, Any] = {**PIPES, "cwd": WORK, "env": os.environ | {"CODEX_HOME": str(HOME)}, "text": True}

begun: list[subprocess.Popen[str]] = []


class Failed(Exception):
    pass


def codex(*arguments: str) -> str:
    """Its last message."""
    done = subprocess.run([*COMMAND, *arguments], check=False, **RUN)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode:
        raise Failed([event["message"] for event in events if event["type"] == "error"][-1:] or done.stderr)
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    return str([item["text"] for item in items if item["type"] == "agent_message"][-1])


def text() -> Any:
    return {"text": codex("Say hello.")}


def broken() -> Any:
    return {"text": codex("-c", "model_providers.proxy.stream_max_retries=0", "Say hello.")}


def tools() -> Any:
    said = codex(CITIES)
    return {"text": said, "called": (WORK / "called").read_text().split()}


def structured() -> Any:
    schema = WORK / "schema.json"
    schema.write_text(json.dumps({**Weather.model_json_schema(), "additionalProperties": False}))
    return json.loads(codex("--output-schema", str(schema), "The weather in Oslo?"))


def image() -> Any:
    picture = WORK / "picture.png"
    picture.write_bytes(PNG)
    return {"text": codex("What is this?", "--image", str(picture))}


def turns() -> Any:
    codex("Say hello.")
    return {"text": codex("resume", "--last", "And again.")}


def cancel() -> Any:
    begun.append(subprocess.Popen([*COMMAND, "Say hello."], **RUN))
    return {"begun": True}


def interrupt() -> Any:
    running = begun.pop()
    running.send_signal(signal.SIGINT)
    running.communicate()
    return {}


drive(text, broken, tools, structured, image, turns, cancel, interrupt)
