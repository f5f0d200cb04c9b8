"""The real nanobot's requests (tests/captures), read the way nanobot reads: only the last event's `output`."""

import json
from typing import Any

import httpx2
import pytest

from standin import Standin

from ..places import NANOBOT
from .harness import PATIENCE, Proxy, events

RESPONSES = [name for name, request in NANOBOT.items() if request["request_line"].startswith("POST /responses")]


def output_as_nanobot_reads_it(body: str) -> list[dict[str, Any]]:
    """The output of the last event, and nothing else of the stream."""
    last = [event for event in events(body) if event["type"] == "response.completed"]
    assert len(last) == 1
    output: list[dict[str, Any]] = last[0]["response"]["output"]
    return output


async def send(proxy: Proxy, request: dict[str, Any], body: dict[str, Any]) -> httpx2.Response:
    """Send a captured request byte for byte as it was recorded, header by header."""
    headers = [(name, value) for name, value in request["headers"] if name != "Host"]
    path = request["request_line"].split()[1]
    async with httpx2.AsyncClient(base_url=proxy.url, timeout=PATIENCE, trust_env=False) as client:
        client.headers.clear()
        return await client.post(path, headers=headers, content=json.dumps(body, ensure_ascii=False).encode())


async def test_each_captured_request_is_answered(start: Any, login_file: Any, subtests: pytest.Subtests) -> None:
    async with Standin(trust_encrypted=("gAAAA",)) as standin:
        proxy = await start(
            codex_upstream=standin.upstream,
            codex_auth_file=str(write(login_file, standin)),
            codex_model_map="gpt-4*=gpt-6-luna",
        )
        for name in RESPONSES:
            with subtests.test(name):
                response = await send(proxy, NANOBOT[name], NANOBOT[name]["body"])

                assert response.status_code == 200, response.text
                last = output_as_nanobot_reads_it(response.text)[-1]
                assert last["type"] in ("message", "function_call")
        assert [seen.refusal for seen in standin.requests] == [None] * len(RESPONSES)


def write(path: Any, standin: Standin) -> Any:
    path.write_text(json.dumps(standin.login()))
    return path


async def test_the_tool_loop_runs_to_its_end(proxy: Proxy, standin: Standin) -> None:
    request, body = NANOBOT["first_turn"], dict(NANOBOT["first_turn"]["body"])
    calls = []
    for _ in range(5):
        response = await send(proxy, request, body)
        assert response.status_code == 200, response.text
        output = output_as_nanobot_reads_it(response.text)
        # nanobot sends reasoning, calls and messages back as it read them, with the tool's output behind.
        body["input"] = [*body["input"], *output]
        called = [item for item in output if item["type"] == "function_call"]
        if not called:
            break
        for call in called:
            calls.append(call["name"])
            told = {"type": "function_call_output", "call_id": call["call_id"], "output": "12 degrees and rain"}
            body["input"].append(told)

    assert calls == ["get_weather"]
    assert output[-1]["type"] == "message"
    assert "12 degrees and rain" in output[-1]["content"][0]["text"]
    assert [seen.refusal for seen in standin.requests] == [None, None]


async def test_nothing_of_nanobots_own_headers_goes_up(proxy: Proxy, standin: Standin) -> None:
    await send(proxy, NANOBOT["thread_title"], NANOBOT["thread_title"]["body"])

    names = sorted(name.lower() for name, _ in standin.requests[0].headers)
    expected = "accept accept-encoding authorization chatgpt-account-id content-length content-type host openai-beta"
    assert names == [*expected.split(), "originator", "session-id", "user-agent"]
    values = {name.lower(): value for name, value in standin.requests[0].headers}
    assert values["accept-encoding"] == "identity"
    assert values["originator"] == "nanobot-proxy"
    assert values["user-agent"].startswith("nanobot-proxy/")
    assert values["openai-beta"] == "responses=experimental"


async def test_a_title_is_written_without_an_option(start: Any, standin: Standin, login_file: Any) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file)
    for _ in range(2):
        response = await send(proxy, NANOBOT["thread_title"], NANOBOT["thread_title"]["body"])
        assert output_as_nanobot_reads_it(response.text)

    first = standin.models[0].slug
    assert [seen.json["model"] for seen in standin.requests if seen.method == "POST"] == [first] * 2
    await proxy.logged(rf"changed: model gpt-4\.1 → {first}")
    assert len([line for line in proxy.lines if f"{first} answers for gpt-4.1" in line]) == 1


async def test_a_title_with_the_aliases_off_names_the_models_there_are_and_the_line_to_type(
    start: Any, standin: Standin, login_file: Any
) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_model_aliases="false")
    response = await send(proxy, NANOBOT["thread_title"], NANOBOT["thread_title"]["body"])

    error = response.json()["error"]
    assert response.status_code == 404
    assert error["code"] == "model_not_found"
    assert "'gpt-4.1' model is not supported" in error["message"]
    assert "Similar models of this subscription: gpt-5.5, " in error["message"]
    assert error["message"].endswith("start the proxy with: --set codex_model_map=gpt-4.1=gpt-5.5")


async def test_nanobots_chat_completion_is_answered(proxy: Proxy, standin: Standin) -> None:
    response = await send(proxy, NANOBOT["chat_completions"], NANOBOT["chat_completions"]["body"])

    *chunks, usage = events(response.text)
    (called,) = [one for chunk in chunks for one in chunk["choices"][0]["delta"].get("tool_calls", []) if "id" in one]
    assert called["function"]["name"] == "get_weather"
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert usage["usage"]["prompt_tokens"] > 0
    assert response.text.endswith("data: [DONE]\n\n")
    assert [seen.refusal for seen in standin.requests] == [None]


@pytest.mark.parametrize("size", [700_000, 1_500_000])
async def test_every_event_fits_a_go_client_and_the_log_says_what_was_left_out(
    size: int, proxy: Proxy, standin: Standin
) -> None:
    image = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "A" * size}
    items: list[dict[str, Any]] = [
        image,
        {**image, "id": "ig_2"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "here"}]},
    ]
    standin.answer(items=items)
    response = await send(proxy, NANOBOT["first_turn"], NANOBOT["first_turn"]["body"])

    assert max(len(line) for line in response.content.split(b"\n")) < 1 << 20
    assert output_as_nanobot_reads_it(response.text)[-1]["content"][0]["text"] == "here"
    await proxy.logged(r"response\.completed: an image left out")
    assert ("response.output_item.done: an image left out" in proxy.log) is (size > 1 << 20)

    other = {**NANOBOT["first_turn"], "headers": [("Content-Type", "application/json"), ("User-Agent", "else/1")]}
    response = await send(proxy, other, NANOBOT["first_turn"]["body"])
    assert [item.get("result") for item in output_as_nanobot_reads_it(response.text)][:2] == ["A" * size] * 2
