"""A conversation of a client that names no session keeps its place at the backend's prompt cache."""

import copy
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from standin import Standin

from ..places import NANOBOT, SKILLS
from .harness import PATIENCE, Proxy, Start, events, new_client

FIRST: dict[str, Any] = NANOBOT["first_turn"]["body"]


async def loop(client: httpx2.AsyncClient, standin: Standin, turns: int = 10) -> list[dict[str, Any]]:
    """A tool loop as nanobot goes through it; the usage of each turn."""
    body = copy.deepcopy(FIRST)
    # The length that its instructions really have.
    body["instructions"] += "Be careful, and say what you did. " * 40
    told = []
    for turn in range(turns):
        standin.answer(tool=("get_weather", {"city": f"Oslo {turn}"}))
        answer = await client.post("/responses", json=body, headers={"user-agent": "Go-http-client/1.1"})
        last = events(answer.text)[-1]["response"]
        told.append(last["usage"])
        for item in last["output"]:
            body["input"].append(item)
            if item["type"] == "function_call":
                result = {"type": "function_call_output", "call_id": item["call_id"], "output": f"{turn} degrees " * 20}
                body["input"].append(result)
    return told


def share(told: list[dict[str, Any]]) -> float:
    """Of all input tokens those that came from the cache."""
    cached: int = sum(each["input_tokens_details"]["cached_tokens"] for each in told)
    whole: int = sum(each["input_tokens"] for each in told)
    return cached / whole


@pytest.mark.parametrize(("affinity", "least", "most"), [("true", 0.8, 1.0), ("false", 0.0, 0.0)])
async def test_a_ten_turn_tool_loop_of_nanobots(
    affinity: str, least: float, most: float, start: Start, standin: Standin, login_file: Path
) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_affinity=affinity)
    async with new_client(proxy) as client:
        told = await loop(client, standin)

    assert least <= share(told) <= most
    keys = {(seen.json.get("prompt_cache_key"), seen.header("session-id")) for seen in standin.requests}
    assert len(keys) == 1 and [seen.refusal for seen in standin.requests] == [None] * 10
    ((key, session),) = keys
    assert key == session and bool(key) == (affinity == "true")


OWN: list[tuple[dict[str, str], dict[str, Any], str, str]] = [
    ({"session-id": "mine"}, {"prompt_cache_key": "key"}, "mine", "key"),
    ({"session-id": "mine"}, {}, "mine", "mine"),
    ({}, {"prompt_cache_key": "key"}, "key", "key"),
    ({"x-session-affinity": "ses_1", "x-session-id": "ses_1"}, {}, "ses_1", "ses_1"),
    ({"x-session-id": "ses_1"}, {"prompt_cache_key": "key"}, "key", "key"),
]  # fmt: skip


async def test_what_the_client_says_itself_stays(
    client: httpx2.AsyncClient, standin: Standin, subtests: pytest.Subtests
) -> None:
    for headers, more, session, key in OWN:
        with subtests.test(headers=headers, more=more):
            await client.post("/responses", json={"model": "gpt-6-sol", "input": "hi", **more}, headers=headers)
            seen = standin.requests[-1]
            assert (seen.header("session-id"), seen.json["prompt_cache_key"]) == (session, key)
    await client.post("/responses", json={"model": "gpt-6-sol", "input": "hi"}, headers={"session_id": "old name"})
    assert standin.requests[-1].header("session-id") is None and standin.requests[-1].header("session_id") == "old name"


async def test_conversations_callers_and_models_have_keys_of_their_own(proxy: Proxy, standin: Standin) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("me", {}), ("me", {}), ("you", {}), ("me", {"input": "other"}), ("me", {"model": "gpt-6-luna"}), ("me", {"instructions": "x"}),
    ]  # fmt: skip
    async with httpx2.AsyncClient(base_url=proxy.url, trust_env=False, timeout=PATIENCE) as client:
        for key, more in asked:
            body = {"model": "gpt-6-sol", "input": "hi", **more}
            await client.post("/responses", json=body, headers={"authorization": f"Bearer {key}"})
    keys = [seen.json["prompt_cache_key"] for seen in standin.requests]
    assert keys[0] == keys[1] and len({*keys}) == 5


async def test_a_conversation_that_was_put_back_keeps_its_key(client: httpx2.AsyncClient, standin: Standin) -> None:
    first = (await client.post("/responses", json={"model": "gpt-6-sol", "input": "hi"})).json()
    await client.post("/responses", json={"model": "gpt-6-sol", "input": "and?", "previous_response_id": first["id"]})

    assert len({seen.json["prompt_cache_key"] for seen in standin.requests}) == 1


async def test_with_patch_store_there_is_none(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_patch="store")
    body = {"model": "gpt-6-sol", "instructions": "", "stream": True, "input": [{"role": "user", "content": "hi"}]}
    async with new_client(proxy) as client:
        await client.post("/responses", json=body)
    assert standin.requests[0].refusal is None and standin.requests[0].header("session-id") is None
    assert "prompt_cache_key" not in standin.requests[0].json


async def chat_of_skills(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """The captured chat of nanobot's, whose instructions list its skills in another order in each request; the usage of each turn."""
    told = []
    for turn in SKILLS["turns"]:
        body = {**SKILLS["body"], "instructions": turn["instructions"], "input": SKILLS["input"][: turn["items"]]}
        answer = await client.post("/responses", json=body, headers={"user-agent": "Go-http-client/1.1"})
        told.append(events(answer.text)[-1]["response"]["usage"])
    return told


@pytest.mark.parametrize(("affinity", "least", "most"), [("true", 0.89, 1.0), ("false", 0.0, 0.0)])
async def test_a_chat_of_nanobots_with_skills_is_one_session(
    affinity: str, least: float, most: float, start: Start, login_file: Path
) -> None:
    async with Standin(trust_encrypted=("gAAAA",)) as standin:
        login_file.write_text(json.dumps(standin.login()))
        proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_affinity=affinity)
        async with new_client(proxy) as client:
            told = await chat_of_skills(client)
        sent = [seen.json for seen in standin.requests]

    assert least <= share(told) <= most
    asked = [turn["instructions"] for turn in SKILLS["turns"]]
    assert len({each["instructions"] for each in sent}) == (1 if affinity == "true" else len({*asked}))
    assert sent[0]["instructions"] == asked[0] and len({each.get("prompt_cache_key") for each in sent}) == 1
    assert ("lines in the order first seen" in proxy.log) is (affinity == "true")
