"""The OpenAI Agents SDK, with the Responses API it uses by itself."""

# configuration
from agents import set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI

set_default_openai_client(AsyncOpenAI(base_url="http://127.0.0.1:9090/v1", api_key="dummy"), use_for_tracing=False)
set_tracing_disabled(True)  # it would send what is said to OpenAI's platform
# end of configuration

from typing import Any

from agents import Agent, Runner, function_tool

from drive import CITIES, IMAGE, MODEL, Weather, drive, get_weather, tools_said

agent = Agent(name="Assistant", instructions="Be brief.", model=MODEL)


async def text() -> Any:
    return {"text": (await Runner.run(agent, "Say hello.")).final_output}


async def deltas(result: Any) -> Any:
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta


async def stream() -> Any:
    return {"pieces": [piece async for piece in deltas(Runner.run_streamed(agent, "Say hello."))]}


async def tools() -> Any:
    able = Agent(name="Weather", model=MODEL, tools=[function_tool(get_weather)])
    return tools_said((await Runner.run(able, CITIES)).final_output)


async def structured() -> Any:
    typed = Agent(name="Typed", model=MODEL, output_type=Weather)
    return (await Runner.run(typed, "The weather in Oslo?")).final_output.model_dump()


async def image() -> Any:
    content = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": IMAGE}]
    return {"text": (await Runner.run(agent, [{"role": "user", "content": content}])).final_output}


async def cancel() -> Any:
    result = Runner.run_streamed(agent, "Say hello.")
    async for piece in deltas(result):
        result.cancel()
        return {"text": piece}


drive(text, stream, tools, structured, image, cancel)
