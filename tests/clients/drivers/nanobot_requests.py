"""nanobot's requests as they were recorded, header by header, and read as nanobot reads: the last event alone."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
from drive import IMAGE, Weather, drive, get_weather, tools_said

CAPTURES = json.loads(Path("../captures/nanobot-63c9c55.json").read_text())["requests"]
URL = re.findall(r"OPENAI_BASE_URL=(\S+)", Path(os.environ["CONFIGURATION"]).read_text())[0]
LAST = ("response.completed", "response.failed", "response.incomplete")
SOL = {"model": "gpt-6-sol"}


class Failed(Exception):
    pass


def events(name: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    request = CAPTURES[name]
    headers = [(key, value) for key, value in request["headers"] if key not in ("Host", "Content-Length")]
    with httpx2.Client(base_url=URL, timeout=60, trust_env=False) as client:
        client.headers.clear()
        content = json.dumps(body, ensure_ascii=False).encode()
        with client.stream("POST", request["request_line"].split()[1], headers=headers, content=content) as answer:
            if not answer.is_success:
                raise Failed(json.loads(answer.read())["error"]["message"])
            yield from (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {"))


def output(name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    last = next(event for event in events(name, body) if event["type"] in LAST)
    if error := last["response"]["error"]:
        raise Failed(f"{error['code']}: {error['message']}")
    return last["response"]["output"]


def said(items: list[dict[str, Any]]) -> str:
    return "".join(part["text"] for item in items for part in item.get("content") or ())


def text() -> Any:
    return {"text": said(output("thread_title", CAPTURES["thread_title"]["body"] | SOL))}


def tools() -> Any:
    body = CAPTURES["first_turn"]["body"] | SOL
    while True:
        items = output("first_turn", body)
        calls = [item for item in items if item["type"] == "function_call"]
        if not calls:
            return tools_said(said(items))
        outputs = [
            {
                "type": "function_call_output",
                "call_id": call["call_id"],
                "output": get_weather(**json.loads(call["arguments"])),
            }
            for call in calls
        ]
        body = {**body, "input": [*body["input"], *items, *outputs]}


def structured() -> Any:
    body = CAPTURES["structured_output"]["body"] | SOL
    schema = {**Weather.model_json_schema(), "additionalProperties": False}
    return json.loads(
        said(output("structured_output", {**body, "text": {"format": {**body["text"]["format"], "schema": schema}}}))
    )


def image() -> Any:
    sent = json.dumps(CAPTURES["image"]["body"] | SOL)
    return {"text": said(output("image", json.loads(re.sub(r'"data:image[^"]*"', f'"{IMAGE}"', sent))))}


def cancel() -> Any:
    running = events("first_turn", CAPTURES["first_turn"]["body"] | SOL)
    piece = next(event["delta"] for event in running if event["type"] == "response.output_text.delta")
    running.close()  # type: ignore[attr-defined]
    return {"text": piece}


drive(text, tools, structured, image, cancel)
