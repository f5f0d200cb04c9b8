"""`openai` for Python, the Responses API, as its README shows it."""

# configuration
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:9090/v1", api_key="dummy")
# end of configuration

import json
from typing import Any

from drive import CITIES, IMAGE, MODEL, WEATHER_PARAMETERS, Weather, drive, get_weather, tools_said


def text() -> Any:
    return {"text": client.responses.create(model=MODEL, input="Say hello.").output_text}


def stream() -> Any:
    events = client.responses.create(model=MODEL, input="Say hello.", stream=True)
    return {"pieces": [event.delta for event in events if event.type == "response.output_text.delta"]}


def helper() -> Any:
    with client.responses.stream(model=MODEL, input="Say hello.") as events:
        return {"pieces": [event.delta for event in events if event.type == "response.output_text.delta"]}


def tools() -> Any:
    tool: Any = {"type": "function", "name": "get_weather", "strict": True, "parameters": WEATHER_PARAMETERS}
    conversation: list[Any] = [{"role": "user", "content": CITIES}]
    while True:
        response = client.responses.create(model=MODEL, input=conversation, tools=[tool])
        conversation += response.output
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return tools_said(response.output_text)
        for call in calls:
            output = get_weather(**json.loads(call.arguments))
            conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": output})


def structured() -> Any:
    parsed = client.responses.parse(model=MODEL, input="The weather in Oslo?", text_format=Weather).output_parsed
    assert parsed
    return parsed.model_dump()


def image() -> Any:
    content: Any = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": IMAGE}]
    return {"text": client.responses.create(model=MODEL, input=[{"role": "user", "content": content}]).output_text}


def cancel() -> Any:
    with client.responses.create(model=MODEL, input="Say hello.", stream=True) as events:
        return {"text": next(event.delta for event in events if event.type == "response.output_text.delta")}


def models() -> Any:
    return {"models": [model.id for model in client.models.list()], "one": client.models.retrieve(MODEL).id}


drive(text, stream, helper, tools, structured, image, cancel, models)
