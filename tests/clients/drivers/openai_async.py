"""`openai` for Python with asyncio: both APIs' streaming helpers, and a task that is cancelled."""

# configuration
from openai import AsyncOpenAI

client = AsyncOpenAI(base_url="http://127.0.0.1:9090/v1", api_key="dummy")
# end of configuration

import asyncio
import json
from typing import Any

from drive import CITIES, IMAGE, MODEL, WEATHER_PARAMETERS, Weather, drive, get_weather, tools_said

HELLO: Any = [{"role": "user", "content": "Say hello."}]


async def text() -> Any:
    return {"text": (await client.responses.create(model=MODEL, input="Say hello.")).output_text}


async def stream() -> Any:
    async with client.chat.completions.stream(model=MODEL, messages=HELLO) as events:
        return {"pieces": [event.delta async for event in events if event.type == "content.delta"]}


async def helper() -> Any:
    async with client.responses.stream(model=MODEL, input="Say hello.") as events:
        return {"pieces": [event.delta async for event in events if event.type == "response.output_text.delta"]}


async def tools() -> Any:
    tool: Any = {"type": "function", "name": "get_weather", "strict": True, "parameters": WEATHER_PARAMETERS}
    conversation: list[Any] = [{"role": "user", "content": CITIES}]
    while True:
        async with client.responses.stream(model=MODEL, input=conversation, tools=[tool]) as events:
            response = await events.get_final_response()
        # With what the helper adds to an item: `parsed_arguments`, `status`.
        conversation += [item.model_dump() for item in response.output]
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return tools_said(response.output_text)
        for call in calls:
            output = get_weather(**json.loads(call.arguments))
            conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


async def structured() -> Any:
    async with client.responses.stream(model=MODEL, input="The weather in Oslo?", text_format=Weather) as events:
        parsed = (await events.get_final_response()).output_parsed
    assert parsed
    return parsed.model_dump()


async def image() -> Any:
    content: Any = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": IMAGE}]
    response = await client.responses.create(model=MODEL, input=[{"role": "user", "content": content}])
    return {"text": response.output_text}


async def cancel() -> Any:
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def read() -> None:
        events = await client.responses.create(model=MODEL, input="Say hello.", stream=True)
        async for event in events:
            if event.type == "response.output_text.delta" and not begun.done():
                begun.set_result(event.delta)

    task = asyncio.create_task(read())
    said = await begun
    task.cancel()
    await asyncio.wait([task])
    return {"text": said}


drive(text, stream, helper, tools, structured, image, cancel)
