"""Clients that believe their answers are stored: what they refer to is put back, or refused with what to set."""

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from standin import Standin

from .harness import PATIENCE, Proxy, Start, ask, events, new_client

TOOL: Any = {"type": "function", "name": "get_weather", "strict": True, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
}}  # fmt: skip


def kinds(standin: Standin) -> list[str]:
    """What the last request's input consisted of."""
    return [item.get("type") or item["role"] for item in standin.requests[-1].json["input"]]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_tool_loop_by_previous_response_id(sdk: openai.AsyncOpenAI, standin: Standin, streamed: bool) -> None:
    previous: Any = openai.omit
    sent: Any = "Weather in Oslo?"
    for turn in range(3):
        standin.answer(tool=("get_weather", {"city": f"Oslo {turn}"}))
        asked: Any = {"model": "gpt-6-sol", "input": sent, "tools": [TOOL], "previous_response_id": previous}
        if streamed:
            async with sdk.responses.stream(**asked) as stream:
                answer: Any = await stream.get_final_response()
        else:
            answer = await sdk.responses.create(**asked)
        call = next(item for item in answer.output if item.type == "function_call")
        sent = [{"type": "function_call_output", "call_id": call.call_id, "output": f"{turn} degrees"}]
        previous = answer.id
    standin.answer(text="Cold.")
    last = await sdk.responses.create(model="gpt-6-sol", input=sent, tools=[TOOL], previous_response_id=previous)

    assert last.output_text == "Cold."
    assert [seen.refusal for seen in standin.requests] == [None] * 4
    assert kinds(standin) == ["message", *["reasoning", "function_call", "function_call_output"] * 3]
    outputs = [item.get("output") for item in standin.requests[-1].json["input"]]
    assert [one for one in outputs if one] == ["0 degrees", "1 degrees", "2 degrees"]


async def test_items_by_reference(client: httpx2.AsyncClient, standin: Standin) -> None:
    question = {"role": "user", "content": [{"type": "input_text", "text": "Weather in Oslo?"}]}
    standin.answer(text="A moment.", tool=("get_weather", {"city": "Oslo"}))
    first = events(
        (await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": [question], "stream": True})).text
    )
    output = first[-1]["response"]["output"]
    call_id = next(item["call_id"] for item in output if item["type"] == "function_call")
    references = [{"type": "item_reference", "id": item["id"]} for item in output]
    result = {"type": "function_call_output", "call_id": call_id, "output": "12 degrees"}
    standin.answer(text="12 degrees.")
    second = await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": [question, *references, result]})

    assert second.status_code == 200
    assert [item.get("type", "message") for item in standin.requests[-1].json["input"]] == [
        "message", "reasoning", "message", "function_call", "function_call_output",
    ]  # fmt: skip
    assert standin.requests[-1].json["input"][1]["encrypted_content"]


async def test_who_reads_the_last_event_can_refer_to_it_at_once(proxy: Proxy, standin: Standin) -> None:
    """On another connection, while the first answer's is still open."""
    standin.answer(text="One.", pieces=lambda data: [data, b": the end\n\n"])
    standin.fail("silence:3")
    async with new_client(proxy) as one, new_client(proxy) as other:
        async with one.stream(
            "POST", "/v1/responses", json={"model": "gpt-6-sol", "input": "hi", "stream": True}
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: ") and '"response.completed"' in line:
                    name = json.loads(line[6:])["response"]["id"]
                    body = {"model": "gpt-6-sol", "input": "and?", "previous_response_id": name}
                    assert (await other.post("/v1/responses", json=body)).status_code == 200
                    break


async def test_what_is_not_known_is_refused_with_what_to_set(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    with pytest.raises(openai.BadRequestError) as e:
        await sdk.responses.create(model="gpt-6-sol", input="hi", previous_response_id="resp_unknown")
    assert (e.value.code, e.value.param) == ("previous_response_not_found", "previous_response_id")
    assert "use_previous_response_id=False" in e.value.message
    with pytest.raises(openai.BadRequestError) as e:
        await sdk.responses.create(model="gpt-6-sol", input=[{"type": "item_reference", "id": "rs_unknown"}])
    assert (e.value.code, e.value.param) == ("item_not_found", "input")
    assert "store: false" in e.value.message
    assert standin.requests == []


NOT_KEPT: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("a client that says it stores nothing", {"store": False}, None, "dummy"),
    ("an answer that failed", {}, "failed-late", "dummy"),
    ("an answer that broke off", {}, "cut-clean", "dummy"),
    ("another caller", {}, None, "somebody else"),
]  # fmt: skip


async def test_what_is_not_kept(proxy: Proxy, standin: Standin, subtests: pytest.Subtests) -> None:
    for name, more, failure, key in NOT_KEPT:
        with subtests.test(name):
            if failure:
                standin.fail(failure)
            body = {"model": "gpt-6-sol", "input": "hi", "stream": True, **more}
            async with httpx2.AsyncClient(base_url=proxy.url, trust_env=False, timeout=PATIENCE) as client:
                client.headers["authorization"] = "Bearer dummy"
                first = await ask(client, "/v1/responses", body)
                response_id = events(first.text)[0]["response"]["id"]
                again = {"model": "gpt-6-sol", "input": "hi", "previous_response_id": response_id}
                second = await client.post("/v1/responses", json=again, headers={"authorization": f"Bearer {key}"})
            assert (second.status_code, second.json()["error"]["code"]) == (400, "previous_response_not_found")


async def test_without_memory_nothing_is_kept(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_memory="0")
    async with new_client(proxy) as client:
        first = await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": "hi"})
        body = {"model": "gpt-6-sol", "input": "hi", "previous_response_id": first.json()["id"]}
        assert (await client.post("/v1/responses", json=body)).status_code == 400
    wrong = await start(codex_memory="much", wait=False)
    assert await wrong.ended() == 1
    assert "codex_memory='much' is not a size" in wrong.log


async def test_a_dry_run_remembers_what_it_made_up(start: Start) -> None:
    """So that a client is seen as far as it would come."""
    proxy = await start(codex_dry_run="true")
    async with new_client(proxy) as client:
        for streamed in (True, False):
            body = {"model": "gpt-6-sol", "input": "hi", "stream": streamed}
            answer = await client.post("/v1/responses", json=body)
            first = events(answer.text)[-1]["response"] if streamed else answer.json()
            references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
            again = {"model": "gpt-6-sol", "input": references, "previous_response_id": first["id"]}
            assert (await client.post("/v1/responses", json=again)).status_code == 200
