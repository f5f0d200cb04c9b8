"""The SDK of litellm: `completion`, which speaks chat completions."""

# configuration
import litellm

proxy = {"model": "openai/gpt-6-sol", "api_base": "http://127.0.0.1:9090/v1", "api_key": "dummy"}
# end of configuration

import json
from typing import Any

from drive import CITIES, IMAGE, WEATHER_PARAMETERS, Weather, drive, get_weather, tools_said

HELLO: Any = [{"role": "user", "content": "Say hello."}]


def text() -> Any:
    return {"text": litellm.completion(messages=HELLO, **proxy).choices[0].message.content}


def stream() -> Any:
    chunks = litellm.completion(messages=HELLO, stream=True, **proxy)
    return {"pieces": [piece for chunk in chunks if (piece := chunk.choices[0].delta.content)]}


def tools() -> Any:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER_PARAMETERS}}
    messages: list[Any] = [{"role": "user", "content": CITIES}]
    while True:
        message = litellm.completion(messages=messages, tools=[tool], **proxy).choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return tools_said(message.content)
        for call in message.tool_calls:
            output = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})


def structured() -> Any:
    answer = litellm.completion(messages=HELLO, response_format=Weather, **proxy).choices[0].message.content
    return Weather.model_validate_json(answer).model_dump()


def image() -> Any:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    answer = litellm.completion(messages=[{"role": "user", "content": content}], **proxy)
    return {"text": answer.choices[0].message.content}


async def cancel() -> Any:
    chunks = await litellm.acompletion(messages=HELLO, stream=True, **proxy)
    async for chunk in chunks:
        if piece := chunk.choices[0].delta.content:
            await chunks.aclose()
            return {"text": piece}


drive(text, stream, tools, structured, image, cancel)
