"""`openai` for Python, chat completions, as its README shows it."""

# configuration
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:9090/v1", api_key="dummy")
# end of configuration

import json
from typing import Any

from drive import CITIES, IMAGE, MODEL, WEATHER_PARAMETERS, Weather, drive, get_weather, tools_said

HELLO: Any = [{"role": "user", "content": "Say hello."}]


def text() -> Any:
    return {"text": client.chat.completions.create(model=MODEL, messages=HELLO).choices[0].message.content}


def stream() -> Any:
    chunks = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    return {"pieces": [piece for chunk in chunks if chunk.choices and (piece := chunk.choices[0].delta.content)]}


def helper() -> Any:
    with client.chat.completions.stream(model=MODEL, messages=HELLO) as events:
        return {"pieces": [event.delta for event in events if event.type == "content.delta"]}


def tools() -> Any:
    tool: Any = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_PARAMETERS}}
    messages: list[Any] = [{"role": "user", "content": CITIES}]
    while True:
        message = client.chat.completions.create(model=MODEL, messages=messages, tools=[tool]).choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return tools_said(message.content or "")
        for call in message.tool_calls:
            assert call.type == "function"
            output = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})


def structured() -> Any:
    completion = client.chat.completions.parse(model=MODEL, messages=HELLO, response_format=Weather)
    parsed = completion.choices[0].message.parsed
    assert parsed
    return parsed.model_dump()


def image() -> Any:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    messages: Any = [{"role": "user", "content": content}]
    return {"text": client.chat.completions.create(model=MODEL, messages=messages).choices[0].message.content}


def cancel() -> Any:
    with client.chat.completions.create(model=MODEL, messages=HELLO, stream=True) as chunks:
        pieces = (chunk.choices[0].delta.content for chunk in chunks if chunk.choices)
        return {"text": next(filter(None, pieces))}


drive(text, stream, helper, tools, structured, image, cancel)
