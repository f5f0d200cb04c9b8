"""The `openai` SDK and curl, as their own users use them."""

import asyncio
import json
import re
import shutil
import subprocess
from typing import Any

import openai
import pytest

from standin import Standin

from .harness import PATIENCE, Proxy


async def test_responses_streaming(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    standin.answer(text="Grüße — 后端")
    async with sdk.responses.stream(model="gpt-6-sol", input="hi") as stream:
        deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()

    assert "".join(deltas) == "Grüße — 后端"
    assert final.output_text == "Grüße — 后端"


async def test_responses_not_streaming(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    standin.answer(text="Grüße — 后端")
    answer = await sdk.responses.create(model="gpt-4.1", input="hi", temperature=0.1, max_output_tokens=10, user="me")

    assert answer.output_text == "Grüße — 后端"
    assert answer.usage and answer.usage.total_tokens
    assert standin.requests[0].json["model"] == "gpt-6-luna"


async def test_a_conversation_sent_back_item_by_item(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    tool: Any = {"type": "function", "name": "get_weather", "strict": True, "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
    }}  # fmt: skip
    conversation: list[Any] = [{"role": "user", "content": "Weather in Oslo?"}]
    async with sdk.responses.stream(model="gpt-6-sol", input=conversation, tools=[tool]) as stream:
        first = await stream.get_final_response()
    # The stream helper adds `parsed_arguments` and `status` to what it gives back.
    conversation += [item.model_dump() for item in first.output]
    call = next(item for item in first.output if item.type == "function_call")
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"})
    second = await sdk.responses.create(model="gpt-6-sol", input=conversation, tools=[tool])

    assert "12 degrees" in second.output_text
    assert [seen.refusal for seen in standin.requests] == [None, None]


ERRORS = [
    ("usage-limit:3600", openai.RateLimitError, "limit"),
    ("model-refused", openai.NotFoundError, "gpt-6-sol"),
    ("cloudflare", openai.PermissionDeniedError, "Cloudflare"),
    ("json-500", openai.InternalServerError, "error"),
    ("close-before-answer", openai.InternalServerError, "closed the connection"),
]


async def test_an_error_is_the_sdks_own(sdk: openai.AsyncOpenAI, standin: Standin, subtests: pytest.Subtests) -> None:
    for stream in [True, False]:
        for failure, kind, says in ERRORS:
            with subtests.test(stream=stream, failure=failure):
                # As often as it is asked: on a kept connection the first one is repeated, and not noticed.
                standin.fail(failure, times=None)
                with pytest.raises(kind, match=re.escape(says)):
                    await sdk.responses.create(model="gpt-6-sol", input="hi", stream=stream)
                standin.recover()


async def test_a_stream_cut_by_a_reset_is_seen(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    standin.fail("reset")
    stream = await sdk.responses.create(model="gpt-6-sol", input="hi", stream=True)
    with pytest.raises(openai.APIError, match="broke off the stream") as told:
        [event async for event in stream]
    assert told.value.code == "stream_broken"


@pytest.fixture
def curl() -> str:
    found = shutil.which("curl")
    if not found:
        pytest.skip("curl is not installed")
    return found


async def test_curl(curl: str, proxy: Proxy, standin: Standin) -> None:
    standin.answer(text="to curl")
    for stream in (True, False):
        body = json.dumps({"model": "gpt-6-sol", "input": "hi", "stream": stream})
        process = await asyncio.create_subprocess_exec(
            curl, "-sS", "--fail-with-body", "-N", "-m", str(PATIENCE), f"{proxy.url}/v1/responses", "-d", body,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, err
        assert ("event: response.completed" in out.decode()) == stream
        assert "to curl" in out.decode()
