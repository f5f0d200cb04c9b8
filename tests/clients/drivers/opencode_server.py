"""OpenCode without its screen: `opencode serve`, which its screen talks to."""

import base64
import os
import re
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
from drive import CITIES, PNG, drive

# The program itself; what npm puts before it wants to be run once by npm.
OPENCODE = next(Path("node_modules").glob("opencode-*/bin/opencode")).resolve()
FOLDER = Path(tempfile.mkdtemp())
HOME, WORK = FOLDER / "home", FOLDER / "work"
HOME.mkdir()
WORK.mkdir()
OWN = {
    "HOME": str(HOME),
    "OPENCODE_CONFIG": os.environ["CONFIGURATION"],
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "npm_config_offline": "true",  # it installs packages for plugins, of which there are none
}
serving = subprocess.Popen(
    [OPENCODE, "serve", "--port", "0", "--pure"],
    cwd=WORK, env=os.environ | OWN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
)  # fmt: skip
assert serving.stdout
URL = next(found[0] for line in serving.stdout if (found := re.search(r"http://\S+", line)))
threading.Thread(target=serving.stdout.read, daemon=True).start()
client = httpx2.Client(base_url=URL, timeout=60, trust_env=False)
running: list[str] = []


class Failed(Exception):
    pass


def session() -> str:
    # With a title, or it asks the model for one.
    created = client.post(
        "/session", json={"title": "Hello", "permission": [{"permission": "*", "pattern": "*", "action": "allow"}]}
    )
    return str(created.raise_for_status().json()["id"])


def said(name: str) -> str:
    """What it says at last, or what it shows of a failure while it waits to try again."""
    while True:
        waiting = client.get("/session/status").json().get(name) or {}
        told = client.get(f"/session/{name}/message").json()
        answer = told[-1]["info"] if told else {}
        error = answer.get("error") or {}
        if waiting.get("type") == "retry":
            client.post(f"/session/{name}/abort")
            raise Failed(waiting["message"])
        if error:
            raise Failed(error.get("data", {}).get("message") or error["name"])
        if answer.get("role") == "assistant" and answer["time"].get("completed") and not waiting:
            return "".join(part["text"] for part in told[-1]["parts"] if part["type"] == "text")
        time.sleep(0.05)


def ask(name: str, *parts: Any) -> None:
    client.post(f"/session/{name}/prompt_async", json={"parts": [*parts]}).raise_for_status()


def opencode(text: str, *parts: Any, name: str = "") -> str:
    name = name or session()
    ask(name, {"type": "text", "text": text}, *parts)
    return said(name)


def text() -> Any:
    return {"text": opencode("Say hello.")}


def tools() -> Any:
    return {"text": opencode(CITIES), "called": (WORK / "called").read_text().split()}


def image() -> Any:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    return {"text": opencode("What is this?", {"type": "file", "mime": "image/png", "filename": "p.png", "url": url})}


def turns() -> Any:
    name = session()
    opencode("Say hello.", name=name)
    time.sleep(0.2)
    return {"text": opencode("And again.", name=name)}


def cancel() -> Any:
    running.append(session())
    ask(running[-1], {"type": "text", "text": "Say hello."})
    return {"begun": True}


def interrupt() -> Any:
    client.post(f"/session/{running.pop()}/abort")
    return {}


drive(text, tools, image, turns, cancel, interrupt)
