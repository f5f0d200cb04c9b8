"""What is done with an agent of pydantic-ai, whichever API its model speaks."""

from collections.abc import Callable
from typing import Any

from drive import CITIES, PNG, Weather, get_weather, tools_said
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.models import Model


def scenarios(model: Model) -> list[Callable[[], Any]]:
    agent = Agent(model, instructions="Be brief.")

    async def text() -> Any:
        return {"text": (await agent.run("Say hello.")).output}

    async def stream() -> Any:
        async with agent.run_stream("Say hello.") as result:
            return {"pieces": [piece async for piece in result.stream_text(delta=True, debounce_by=None)]}

    async def tools() -> Any:
        return tools_said((await Agent(model, tools=[get_weather]).run(CITIES)).output)

    async def structured() -> Any:
        return (await Agent(model, output_type=Weather).run("The weather in Oslo?")).output.model_dump()

    async def image() -> Any:
        return {"text": (await agent.run(["What is this?", BinaryContent(PNG, media_type="image/png")])).output}

    async def cancel() -> Any:
        async with agent.run_stream("Say hello.") as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                return {"text": piece}

    return [text, stream, tools, structured, image, cancel]
