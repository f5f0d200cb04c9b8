"""What the Python drivers share. A driver reads the name of a scenario a line and prints what its user sees, JSON, a line."""

import asyncio
import base64
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

MODEL = "gpt-6-sol"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGE = "data:image/png;base64," + base64.b64encode(PNG).decode()
CITIES = "Compare the weather of three cities."

called: list[str] = []


class Weather(BaseModel):
    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather of a city, now."""
    called.append(city)
    return f"{city}: 12 °C"


WEATHER_PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def tools_said(text: str) -> dict[str, Any]:
    """Of a tool loop: its last text, and the tools that were called meanwhile."""
    said = {"text": text, "called": list(called)}
    called.clear()
    return said


def drive(*scenarios: Callable[[], Any]) -> None:
    """Run scenarios until the input ends; each is a function, or a coroutine function, that gives what is to be printed."""
    asyncio.run(_drive({each.__name__: each for each in scenarios}))


async def _drive(scenarios: dict[str, Callable[[], Any]]) -> None:
    # Some clients print advice of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    while line := await asyncio.to_thread(sys.stdin.readline):
        scenario = scenarios[line.strip()]
        try:
            seen = await (scenario() if inspect.iscoroutinefunction(scenario) else asyncio.to_thread(scenario))
        except Exception as e:
            seen = told(e)
        print(json.dumps(seen), file=answers, flush=True)


def told(error: BaseException) -> dict[str, Any]:
    """An exception as its user meets it: by name and text; of a program's failure only the text."""
    kind = type(error)
    if kind.__module__ == "__main__":
        return {"error": "", "says": str(error)}
    module = kind.__module__.partition(".")[0]
    return {"error": f"{module}.{kind.__name__}", "says": str(error)}
