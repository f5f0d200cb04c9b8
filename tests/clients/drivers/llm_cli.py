"""Simon Willison's `llm` on the command line."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from drive import CITIES, PNG, drive

LLM = Path(sys.executable).with_name("llm")
HOME = Path(tempfile.mkdtemp())
shutil.copy(os.environ["CONFIGURATION"], HOME / "extra-openai-models.yaml")
FUNCTIONS = '''
def get_weather(city: str) -> str:
    """The weather of a city, now."""
    print(city, file=open("called", "a"))
    return f"{city}: 12 °C"
'''


OWN = os.environ | {"LLM_USER_PATH": str(HOME)}


class Failed(Exception):
    pass


def llm(*arguments: str, **more: Any) -> str:
    command = [LLM, "-m", "codex", *arguments]
    done = subprocess.run(command, env=OWN, stdin=subprocess.DEVNULL, capture_output=True, text=True, **more)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return done.stdout.removesuffix("\n")


def text() -> Any:
    return {"text": llm("--no-stream", "Say hello.")}


def stream() -> Any:
    return {"pieces": [llm("Say hello.")]}


def tools() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        said = llm("--functions", FUNCTIONS, CITIES, cwd=folder)
        return {"text": said, "called": (Path(folder) / "called").read_text().split()}


def structured() -> Any:
    return json.loads(llm("--schema", "city, degrees int", "The weather in Oslo?"))


def image() -> Any:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(PNG)
        file.flush()
        return {"text": llm("What is this?", "-a", file.name)}


def turns() -> Any:
    llm("Say hello.")
    return {"text": llm("-c", "And again.")}


def cancel() -> Any:
    running = subprocess.Popen(
        [LLM, "-m", "codex", "Say hello."], env=OWN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert running.stdout
    said = running.stdout.read(1)
    running.terminate()
    return {"text": (said + running.communicate()[0]).decode()}


drive(text, stream, tools, structured, image, turns, cancel)
