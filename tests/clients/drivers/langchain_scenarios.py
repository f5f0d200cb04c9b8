"""What is done with a `ChatOpenAI`, whichever API it speaks."""

from collections.abc import Callable
from typing import Any

from drive import CITIES, IMAGE, Weather, get_weather, tools_said
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI


def scenarios(model: ChatOpenAI) -> list[Callable[[], Any]]:
    def text() -> Any:
        return {"text": model.invoke("Say hello.").text}

    def stream() -> Any:
        return {"pieces": [chunk.text for chunk in model.stream("Say hello.") if chunk.text]}

    def tools() -> Any:
        weather = tool(get_weather)
        bound = model.bind_tools([weather])
        messages: list[Any] = [HumanMessage(CITIES)]
        while True:
            answer = bound.invoke(messages)
            messages.append(answer)
            if not answer.tool_calls:
                return tools_said(answer.text)
            for call in answer.tool_calls:
                messages.append(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]))

    def structured() -> Any:
        parsed: Any = model.with_structured_output(Weather).invoke("The weather in Oslo?")
        return parsed.model_dump()

    def image() -> Any:
        content: Any = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        return {"text": model.invoke([HumanMessage(content=content)]).text}

    def cancel() -> Any:
        chunks = model.stream("Say hello.")
        said = next(chunk.text for chunk in chunks if chunk.text)
        chunks.close()  # type: ignore[attr-defined]
        return {"text": said}

    return [text, stream, tools, structured, image, cancel]
