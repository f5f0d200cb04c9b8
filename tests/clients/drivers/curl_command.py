"""curl, with the body that a person writes on the command line."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from drive import IMAGE, MODEL, WEATHER_PARAMETERS, drive

COMMAND = shlex.split(Path(os.environ["CONFIGURATION"]).read_text())
SCHEMA = {
    **WEATHER_PARAMETERS,
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
}


REFUSED = 22  # a status of 400 or more, with --fail-with-body


class Failed(Exception):
    pass


def curl(url: str, *body: Any) -> str:
    data = [part for each in body for part in ("-d", json.dumps(each))]
    done = subprocess.run([COMMAND[0], "-sS", "--fail-with-body", url, *data], capture_output=True, text=True)
    if done.returncode not in (0, REFUSED):
        raise Failed(done.stdout + done.stderr)
    if done.returncode:
        raise Failed(json.loads(done.stdout)["error"]["message"])
    return done.stdout


def said(**body: Any) -> str:
    response = json.loads(curl(COMMAND[1], {**json.loads(COMMAND[3]), **body}))
    return "".join(part["text"] for item in response["output"] for part in item.get("content") or ())


def text() -> Any:
    return {"text": said()}


def stream() -> Any:
    answer = curl(COMMAND[1], {**json.loads(COMMAND[3]), "stream": True})
    events = [json.loads(data) for data in re.findall(r"^data: (\{.*)$", answer, re.M)]
    return {"pieces": [event["delta"] for event in events if event["type"] == "response.output_text.delta"]}


def structured() -> Any:
    form = {"type": "json_schema", "name": "weather", "strict": True, "schema": SCHEMA}
    return json.loads(said(text={"format": form}))


def image() -> Any:
    content = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": IMAGE}]
    return {"text": said(input=[{"role": "user", "content": content}])}


def cancel() -> Any:
    body = json.dumps({**json.loads(COMMAND[3]), "stream": True})
    running = subprocess.Popen([COMMAND[0], "-sSN", COMMAND[1], "-d", body], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    deltas = (re.match(r'data: (\{"type":"response.output_text.delta".*)', line) for line in running.stdout)
    said = next(json.loads(delta[1])["delta"] for delta in deltas if delta)
    running.terminate()
    running.communicate()
    return {"text": said}


def models() -> Any:
    address = COMMAND[1].replace("/responses", "/models")
    listed = json.loads(curl(address))["data"]
    return {"models": [model["id"] for model in listed], "one": json.loads(curl(f"{address}/{MODEL}"))["id"]}


drive(text, stream, structured, image, cancel, models)
