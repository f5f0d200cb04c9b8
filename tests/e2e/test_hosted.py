"""What is more than text: tools that run at the backend, images and files in and out, a conversation made shorter."""

import base64
import os
from typing import Any

import httpx2
import openai
import pytest

from standin import Standin

from .harness import Proxy, events

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
USER: dict[str, Any] = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_search_and_an_image_made_at_the_backend(
    sdk: openai.AsyncOpenAI, standin: Standin, streamed: bool
) -> None:
    image = base64.b64encode(os.urandom(2 << 20)).decode()
    answered: Any = [
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "Oslo"}},
        {"type": "image_generation_call", "status": "completed", "result": image, "output_format": "png"},
        {"type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Here.", "annotations": [
            {"type": "url_citation", "url": "https://oslo.example", "title": "Oslo", "start_index": 0, "end_index": 5}
        ]}]},
    ]  # fmt: skip
    standin.answer(items=answered)
    asked: Any = {
        "model": "gpt-6-sol", "input": "Draw Oslo.",
        "tools": [{"type": "web_search_preview"}, {"type": "image_generation", "output_format": "png"}],
    }  # fmt: skip
    kinds: list[str] = []
    if streamed:
        async with sdk.responses.stream(**asked) as stream:
            kinds = [event.type async for event in stream]
            answer: Any = await stream.get_final_response()
    else:
        answer = await sdk.responses.create(**asked)

    assert standin.requests[0].refusal is None
    assert [tool["type"] for tool in standin.requests[0].json["tools"]] == ["web_search", "image_generation"]
    assert [item.type for item in answer.output] == [item["type"] for item in answered]
    assert answer.output[1].result == image and answer.output[2].content[0].annotations[0].title == "Oslo"
    assert not streamed or {"response.web_search_call.searching", "response.image_generation_call.partial_image"} <= {
        *kinds
    }

    # What stands in an answer can be referred to, or sent back as it is.
    again = [item.model_dump(exclude_unset=True) for item in answer.output]
    await sdk.responses.create(
        model="gpt-6-sol",
        input=[{"role": "user", "content": "Draw Oslo."}, *again, {"role": "user", "content": "More."}],
    )
    await sdk.responses.create(model="gpt-6-sol", input="More.", previous_response_id=answer.id)
    assert [seen.refusal for seen in standin.requests] == [None] * 3
    assert [seen.json["input"][2]["result"] == image for seen in standin.requests[1:]] == [True, True]


async def test_images_and_files_go_up_as_they_are(client: httpx2.AsyncClient, standin: Standin) -> None:
    pdf = base64.b64encode(b"%PDF-1.7 " + os.urandom(200_000)).decode()
    parts = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "high"},
        {"type": "input_image", "image_url": "https://pictures.example/cat.png"},
        {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{pdf}"},
    ]
    call = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "call_1", "output": parts[1:3]}
    sent = [{"type": "message", "role": "user", "content": parts}, call, result]
    answer = await client.post("/v1/responses", json={"model": "gpt-6-sol", "input": sent})

    assert answer.status_code == 200 and standin.requests[0].refusal is None
    assert standin.requests[0].json["input"] == sent


async def test_a_conversation_made_shorter(sdk: openai.AsyncOpenAI, standin: Standin) -> None:
    first = await sdk.responses.create(model="gpt-4.1", input="hi")
    shorter: Any = await sdk.responses.compact(
        model="gpt-4.1", input=[{"role": "user", "content": "and?"}], previous_response_id=first.id
    )
    assert [seen.refusal for seen in standin.requests] == [None, None]
    sent = standin.requests[1]
    assert (sent.path, sent.header("accept")) == ("/backend-api/codex/responses/compact", "application/json")
    assert sent.json.keys() == {"model", "input", "parallel_tool_calls", "prompt_cache_key"}
    assert (sent.json["model"], len(sent.json["input"])) == ("gpt-6-luna", 4)
    assert len(shorter.output) == 3 and shorter.output[-1].type == "compaction"

    # What comes back goes up in the place of the conversation.
    again = [item.model_dump(exclude_unset=True, warnings=False) for item in shorter.output]
    await sdk.responses.create(model="gpt-4.1", input=[*again, {"role": "user", "content": "Go on."}])
    assert standin.requests[2].refusal is None


async def test_what_only_a_turn_has_is_taken_off_a_compaction(client: httpx2.AsyncClient, standin: Standin) -> None:
    more = {
        "stream": True,
        "store": True,
        "include": [],
        "temperature": 1,
        "service_tier": "fast",
        "instructions": "Short.",
    }
    answer = await client.post("/v1/responses/compact", json={"model": "gpt-6-sol", "input": [USER], **more})

    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert (
        standin.requests[0].json["service_tier"] == "priority" and standin.requests[0].json["instructions"] == "Short."
    )
    assert not {"stream", "store", "include", "temperature"} & standin.requests[0].json.keys()


async def test_where_its_endpoint_is_gone_a_turn_makes_it_shorter(
    sdk: openai.AsyncOpenAI, standin: Standin, proxy: Proxy
) -> None:
    """Its endpoint is asked once, and the answer is the SDK's either way (docs/backend.md, 1.1)."""
    standin.fail("no-compact", times=None)
    first = await sdk.responses.create(model="gpt-6-sol", input="hi")
    for _ in range(2):
        shorter: Any = await sdk.responses.compact(
            model="gpt-6-sol", input=[{"role": "user", "content": "and?"}], previous_response_id=first.id
        )
        assert (shorter.object, shorter.id[:5], [item.type for item in shorter.output]) == (
            "response.compaction", "resp_", ["message", "message", "compaction"],
        )  # fmt: skip
        assert [part.text for item in shorter.output[:2] for part in item.content] == ["hi", "and?"]
        assert shorter.created_at > 0 and shorter.usage.total_tokens > 0
    asked = [seen.path.rpartition("/")[2] for seen in standin.requests]
    assert asked == ["responses", "compact", "responses", "responses"]
    for seen in standin.requests[2:]:
        assert (seen.refusal, seen.header("accept")) == (None, "text/event-stream")
        assert (seen.json["store"], seen.json["stream"]) == (False, True)
        assert seen.json["input"][-1] == {"type": "compaction_trigger"}
    await proxy.logged(r"/v1/responses/compact .* 200 .*compaction_trigger at its end.*asked by a turn")

    again = [item.model_dump(exclude_unset=True, warnings=False) for item in shorter.output]
    await sdk.responses.create(model="gpt-6-sol", input=[*again, {"role": "user", "content": "Go on."}])
    assert standin.requests[-1].refusal is None


async def test_whatever_the_client_says_of_streams_a_compaction_by_a_turn_is_one_object(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    standin.fail("no-compact", times=None)
    long = {"role": "user", "content": "many words " * 20_000}
    for _ in range(2):
        body = {"model": "gpt-6-sol", "input": [long], "stream": True}
        answer = await client.post("/v1/responses/compact", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json()["output"][0]["content"][0]["text"] == long["content"]
    assert [seen.header("content-encoding") for seen in standin.requests] == ["zstd", None, "zstd"]


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ("not-found", 404, "compact_unavailable"), ("usage-limit", 429, "usage_limit_reached"),
        ("model-refused", 404, "model_not_found"), ("failed:context_length_exceeded", 400, "context_length_exceeded"),
        ("cut-close", 502, None),
    ],
)  # fmt: skip
async def test_a_turn_that_does_not_make_it_shorter_says_why(
    client: httpx2.AsyncClient, standin: Standin, failure: str, status: int, code: str | None
) -> None:
    body = {"model": "gpt-6-sol", "input": [USER]}
    standin.fail("no-compact")
    standin.fail(failure, times=None)
    for _ in range(2):
        answer = await client.post("/v1/responses/compact", json=body)
        error = answer.json()["error"]
        assert (answer.status_code, code or error["code"]) == (status, error["code"]), error


async def test_the_official_way_to_make_it_shorter_goes_through(client: httpx2.AsyncClient, standin: Standin) -> None:
    """An item at the end of a turn's input (docs/backend.md, 1.1)."""
    body = {"model": "gpt-6-sol", "input": [USER, {"type": "compaction_trigger"}], "stream": True}
    last = events((await client.post("/v1/responses", json=body)).text)[-1]["response"]

    assert standin.requests[0].refusal is None
    assert [item["type"] for item in last["output"]] == ["compaction"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_would_be_stored_elsewhere_is_not_here(method: str, client: httpx2.AsyncClient) -> None:
    answer = await client.request(method, "/v1/responses/resp_1")
    assert answer.status_code == 404 and "nothing is stored" in answer.json()["error"]["message"]
