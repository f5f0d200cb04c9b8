"""Chat completions as the `openai` SDK and curl ask for them, translated to the Responses API and back."""

import asyncio
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import openai
import pydantic
import pytest

from standin import Standin
from standin.answers.items import AnswerContent

from ..places import ROOT
from .harness import PATIENCE, Proxy, Start, environment, events

TOOL: Any = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}}  # fmt: skip
IMAGE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HELLO: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]


async def test_not_streaming(sdk: openai.AsyncOpenAI, proxy: Proxy, standin: Standin) -> None:
    standin.answer(text="Grüße — 后端")
    answer = await sdk.chat.completions.with_raw_response.create(
        model="gpt-4.1", messages=HELLO, temperature=0.1, max_tokens=10, user="me", reasoning_effort="low"
    )
    completion = answer.parse()

    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["content-type"] == "application/json"
    assert completion.id.startswith("chatcmpl-") and completion.object == "chat.completion"
    (choice,) = completion.choices
    assert (choice.message.content, choice.finish_reason) == ("Grüße — 后端", "stop")
    assert completion.usage and completion.usage.total_tokens
    assert completion.usage.completion_tokens_details
    assert "system_fingerprint" not in json.loads(answer.content)
    sent = standin.requests[0].json
    assert (sent["model"], sent["instructions"]) == ("gpt-6-luna", "Be kind.")
    assert sent["reasoning"]["effort"] == "low"
    told = (await proxy.logged(r"POST /v1/chat/completions .*"))[0]
    assert "chat completion translated" in told and "-max_tokens" in told and "tokens in" in told


async def test_streaming_as_openai_streams(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    standin.answer(text="Grüße — 后端 and more")
    stream = await sdk.chat.completions.create(
        model="gpt-6-sol", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    first, *middle, finish, usage = chunks
    assert first.choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in middle) == "Grüße — 后端 and more"
    assert finish.choices[0].finish_reason == "stop"
    assert usage.choices == [] and usage.usage and usage.usage.prompt_tokens_details
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


async def test_a_tool_loop_of_three_rounds_keeps_its_reasoning(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    standin.answers(
        AnswerContent(tool=("get_weather", {"city": "Oslo"})),
        AnswerContent(text="One more.", tool=("get_weather", {"city": "Bergen"})),
        AnswerContent(text="Rain in both."),
    )
    messages: list[Any] = [*HELLO]
    said = []
    for _ in range(3):
        async with sdk.chat.completions.stream(model="gpt-6-sol", messages=messages, tools=[TOOL]) as stream:
            message = (await stream.get_final_completion()).choices[0].message
        said.append(message.content)
        # As the stream helper gives it, with `parsed`, `refusal` and the like.
        messages.append(message.model_dump())
        for call in message.tool_calls or []:
            assert json.loads(call.function.arguments)["city"] in ("Oslo", "Bergen")
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "rain"})

    assert said == [None, "One more.", "Rain in both."]
    assert [seen.refusal for seen in standin.requests] == [None, None, None]
    kinds = [item["type"] for item in standin.requests[2].json["input"]]
    assert kinds == [
        "message",
        "reasoning", "function_call", "function_call_output",
        "reasoning", "message", "function_call", "function_call_output",
    ]  # fmt: skip
    assert all(item["encrypted_content"] for item in standin.requests[2].json["input"] if item["type"] == "reasoning")


class Weather(pydantic.BaseModel):
    city: str
    degrees: int


async def test_structured_output(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    whole = await sdk.chat.completions.parse(model="gpt-6-sol", messages=HELLO, response_format=Weather)
    async with sdk.chat.completions.stream(model="gpt-6-sol", messages=HELLO, response_format=Weather) as stream:
        streamed = await stream.get_final_completion()

    for completion in (whole, streamed):
        assert isinstance(completion.choices[0].message.parsed, Weather)
    form = standin.requests[0].json["text"]["format"]
    assert (form["type"], form["name"], form["strict"]) == ("json_schema", "Weather", True)


async def test_images_and_reasoning(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    parts: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}},
    ]
    answer = await sdk.chat.completions.create(
        model="gpt-6-sol",
        messages=[{"role": "user", "content": parts}],
        extra_body={"reasoning": {"summary": "auto"}},
    )

    assert standin.requests[0].json["input"][0]["content"][1] == {
        "type": "input_image",
        "image_url": IMAGE,
        "detail": "low",
    }
    assert "Thinking" in answer.choices[0].message.model_extra["reasoning_content"]  # type: ignore[index]


async def test_errors_before_the_stream_are_the_sdks_own(
    sdk: openai.AsyncOpenAI, standin: Standin, subtests: pytest.Subtests
) -> None:
    kinds: list[tuple[str, type[Exception]]] = [
        ("usage-limit:3600", openai.RateLimitError),
        ("model-refused", openai.NotFoundError),
        ("json-500", openai.InternalServerError),
    ]
    for stream in (True, False):
        for failure, kind in kinds:
            with subtests.test(stream=stream, failure=failure):
                standin.fail(failure, times=None)
                with pytest.raises(kind):
                    await sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO, stream=stream)
                standin.recover()
    with pytest.raises(openai.BadRequestError, match="one answer for each request"):
        await sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO, n=2)


IN_STREAM = (
    "failed:server_is_overloaded",
    "failed-late",
    "error-event-flat",
    "error-event-nested",
    "cut-clean",
    "cut-close",
    "reset",
    "reset-mid-line",
)


async def test_an_error_inside_the_stream_is_raised(proxy: Proxy, standin: Standin, subtests: pytest.Subtests) -> None:
    for failure in IN_STREAM:
        with subtests.test(failure=failure):
            async with openai.AsyncOpenAI(
                base_url=proxy.url + "/v1", api_key="dummy", timeout=PATIENCE, max_retries=0
            ) as sdk:
                standin.fail(failure)
                stream = await sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO, stream=True)
                chunks = []
                with pytest.raises(openai.APIError) as e:
                    async for chunk in stream:
                        chunks.append(chunk)
                assert e.value.body and "message" in e.value.body  # type: ignore[operator]
                assert not any(choice.finish_reason for chunk in chunks for choice in chunk.choices)
                standin.fail(failure)
                with pytest.raises(openai.APIStatusError) as whole:
                    await sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO)
                assert whole.value.status_code >= 429


async def test_an_incomplete_answer_says_why(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    standin.fail("incomplete")
    answer = await sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO)

    assert answer.choices[0].finish_reason == "length"


async def test_a_stop_text_ends_the_answer_and_the_backends_connection(
    client: httpx2.AsyncClient, proxy: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    for stream in (True, False):
        with subtests.test(stream=stream):
            deltas = ["one t", "wo #", "## th", "ree", *"so it goes on and on and on and on".split()]
            standin.answer(text="".join(deltas), deltas=deltas)
            standin.fail(f"silence:{PATIENCE * 2}")
            asked = {"model": "gpt-6-sol", "messages": HELLO, "stop": ["###", "never"], "stream": stream}
            # To the end of its body, which comes because the proxy ends it.
            response = await client.post("/v1/chat/completions", json=asked)
            await standin.wait_for_client_gone(1)

            if stream:
                told = events(response.text)
                text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in told)
                assert [chunk["choices"][0]["finish_reason"] for chunk in told][-2:] == [None, "stop"]
                assert response.text.endswith("data: [DONE]\n\n")
            else:
                (choice,) = response.json()["choices"]
                text = choice["message"]["content"]
                assert choice["finish_reason"] == "stop" and "usage" not in response.json()
                assert int(response.headers["content-length"]) == len(response.content)
            assert text == "one two "
    told_of = (await proxy.logged(r"POST .*stop string"))[0]
    assert "stop honoured by the proxy" in told_of and "server closed" not in told_of


async def test_a_client_that_hangs_up_ends_the_backends_connection(
    proxy: Proxy, standin: Standin, subtests: pytest.Subtests
) -> None:
    """Before the answer began, and within it; whether or not anything is being written to the client."""
    for path, key in (("/v1/chat/completions", "messages"), ("/v1/responses", "input")):
        for stream, before_headers in itertools.product((True, False), repeat=2):
            with subtests.test(path=path, stream=stream, before_headers=before_headers):
                standin.hold(before_headers=before_headers)
                body = json.dumps({"model": "gpt-6-sol", "stream": stream, key: HELLO})
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.ports[0])
                head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write((head + body).encode())
                async with asyncio.timeout(PATIENCE):
                    await standin.held.wait()
                writer.close()
                await standin.wait_for_client_gone(1)
                standin.release()


@pytest.mark.parametrize("name", ["chat.py", "stream_chat.py"])
async def test_the_examples_run(proxy: Proxy, standin: Standin, tmp_path: Path, name: str) -> None:
    standin.answer(text="Because of Rayleigh.")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "docs" / "examples" / name), "Why?",
        stdout=subprocess.PIPE, env=environment(tmp_path, OPENAI_BASE_URL=proxy.url + "/v1"),
    )  # fmt: skip
    out, _ = await process.communicate()

    assert process.returncode == 0
    assert out.decode().startswith("Because of Rayleigh.\n")
    assert standin.requests[0].json["input"][0]["content"][0]["text"] == "Why?"


async def test_curl_sees_chunks_and_the_word_at_their_end(proxy: Proxy, standin: Standin) -> None:
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("curl is not installed")
    standin.answer(text="to curl")
    body = json.dumps({"model": "gpt-6-sol", "messages": HELLO, "stream": True})
    process = await asyncio.create_subprocess_exec(
        curl, "-sS", "--fail-with-body", "-N", "-m", str(PATIENCE), f"{proxy.url}/v1/chat/completions", "-d", body,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    frames = out.decode().split("\n\n")

    assert frames[-2:] == ["data: [DONE]", ""]
    assert all(frame.startswith("data: {") for frame in frames[:-2])
    assert "event:" not in out.decode() and "response." not in out.decode()


async def test_who_waits_for_the_whole_answer_waits_as_long_as_it_grows(
    start: Start, standin: Standin, login_file: Path
) -> None:
    proxy = await start(
        codex_upstream=standin.upstream,
        codex_issuer=standin.issuer,
        codex_auth_file=login_file,
        codex_connect_timeout="0.3",
        codex_idle_timeout="0.6",
    )
    async with openai.AsyncOpenAI(base_url=proxy.url + "/v1", api_key="dummy", timeout=PATIENCE, max_retries=0) as sdk:
        standin.answer(text="slow", reasoning=False)
        standin.fail("slow:0.2")
        answer = await sdk.chat.completions.create(model="gpt-6-sol", messages=HELLO)

    assert answer.choices[0].message.content == "slow"
