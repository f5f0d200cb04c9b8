"""The SDK of litellm: `responses`."""

# configuration
import litellm

proxy = {"model": "openai/gpt-6-sol", "api_base": "http://127.0.0.1:9090/v1", "api_key": "dummy"}
# end of configuration

import asyncio
import json
from typing import Any

from drive import CITIES, IMAGE, WEATHER_PARAMETERS, Weather, drive, get_weather, tools_said


def said(response: Any) -> str:
    return "".join(part.text for item in response.output if item.type == "message" for part in item.content)


def text() -> Any:
    return {"text": said(litellm.responses(input="Say hello.", **proxy))}


def stream() -> Any:
    events = litellm.responses(input="Say hello.", stream=True, **proxy)
    return {"pieces": [event.delta for event in events if event.type == "response.output_text.delta"]}


def tools() -> Any:
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER_PARAMETERS}
    conversation: list[Any] = [{"role": "user", "content": CITIES}]
    while True:
        response = litellm.responses(input=conversation, tools=[tool], **proxy)
        conversation += [item.model_dump() for item in response.output]
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return tools_said(said(response))
        for call in calls:
            output = get_weather(**json.loads(call.arguments))
            conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


def structured() -> Any:
    answer = said(litellm.responses(input="The weather in Oslo?", text_format=Weather, **proxy))
    return Weather.model_validate_json(answer).model_dump()


def image() -> Any:
    content = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": IMAGE}]
    return {"text": said(litellm.responses(input=[{"role": "user", "content": content}], **proxy))}


async def cancel() -> Any:
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        async for event in await litellm.aresponses(input="Say hello.", stream=True, **proxy):
            if event.type == "response.output_text.delta" and not begun.done():
                begun.set_result(event.delta)

    task = asyncio.create_task(read())
    said = await begun
    task.cancel()
    await asyncio.wait([task])
    return {"text": said}


drive(text, stream, tools, structured, image, cancel)
