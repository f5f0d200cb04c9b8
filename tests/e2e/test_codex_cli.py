"""The official Codex CLI as the client: in the form it sends over HTTP (docs/backend.md, 2), compressed, with its own headers."""

import json
from typing import Any

import httpx2
import zstandard

from standin import Standin

from .harness import PATIENCE, Proxy

UA = "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)"
SESSION = "01a1f93a-3174-7be2-92d8-d868b3ac68ee"
OWN = {
    "version": "0.169.0",
    "x-codex-beta-features": "remote_compaction_v2",
    "x-codex-window-id": f"{SESSION}:0",
    "x-codex-turn-metadata": '{"turn_id":"1"}',
    "x-openai-internal-codex-responses-lite": "true",
    "x-codex-routing-hint": "model=gpt-6.1-sol",
    "x-client-request-id": SESSION,
    "session-id": SESSION,
    "thread-id": SESSION,
    "originator": "codex_exec",
    "user-agent": UA,
}
TOOL = {"type": "function", "name": "exec", "parameters": {"type": "object", "properties": {}}}
LITE: dict[str, Any] = {
    "model": "gpt-6.1-sol",
    "stream": True,
    "input": [
        {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [TOOL]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "developer",
            "content": [{"type": "input_text", "text": "Be brief."}],
        },
        {"type": "message", "id": "msg_2", "role": "user", "content": [{"type": "input_text", "text": "say hi"}]},
        {"type": "configuration_update", "reasoning": {"effort": "low"}},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low", "context": "all_turns"},
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": SESSION,
    "text": {"verbosity": "low"},
    "client_metadata": {"session_id": SESSION},
}


async def send(proxy: Proxy, headers: dict[str, str], body: bytes) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=proxy.url, timeout=PATIENCE, trust_env=False) as client:
        client.headers.clear()
        return await client.post("/v1/responses", headers={"content-type": "application/json", **headers}, content=body)


async def test_its_request_goes_up_as_it_is_under_our_login(proxy: Proxy, standin: Standin) -> None:
    plain = json.dumps(LITE).encode()
    answer = await send(proxy, {**OWN, "content-encoding": "zstd"}, zstandard.compress(plain))

    assert answer.status_code == 200, answer.text
    seen = standin.requests[0]
    headers = {name.lower(): value for name, value in seen.headers}
    assert seen.body == plain
    assert headers["content-encoding"] == "zstd"
    assert {name: headers[name] for name in OWN} == OWN
    # It sends none over HTTP (docs/backend.md, 2).
    assert "openai-beta" not in headers
    assert len([name for name, _ in seen.headers if name.lower() == "authorization"]) == 1
    line = (await proxy.logged(r"POST /v1/responses .*")).group()
    assert "changed" not in line


async def test_the_older_generation_of_session_headers_passes_too(proxy: Proxy, standin: Standin) -> None:
    older = {
        "originator": "codex_cli_rs",
        "user-agent": "codex_cli_rs/0.80.0 (x)",
        "session_id": "s",
        "conversation_id": "c",
    }
    body = {"model": "gpt-6-sol", "input": [], "instructions": "x", "stream": True, "store": False}
    await send(proxy, older, json.dumps(body).encode())

    headers = {name.lower(): value for name, value in standin.requests[0].headers}
    assert {name: headers[name] for name in older} == older


async def test_who_only_says_so_half_is_not_the_official_client(proxy: Proxy, standin: Standin) -> None:
    claimed = {"originator": "codex_cli_rs", "user-agent": "python-requests/2", "version": "0.1.0"}
    answer = await send(proxy, claimed, json.dumps({"model": "gpt-6-sol", "input": "hi", "stream": True}).encode())

    assert answer.status_code == 200
    headers = {name.lower(): value for name, value in standin.requests[0].headers}
    assert headers["originator"] == "nanobot-proxy"
    assert "version" not in headers


async def test_a_body_for_which_the_backend_has_no_decoder_goes_up_plain(proxy: Proxy, standin: Standin) -> None:
    import brotli  # type: ignore[import-untyped]

    body = {
        "model": "gpt-6-sol",
        "input": [],
        "instructions": "x",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
    }
    answer = await send(proxy, {"content-encoding": "br"}, brotli.compress(json.dumps(body).encode()))

    assert answer.status_code in (200, 400)
    headers = {name.lower(): value for name, value in standin.requests[0].headers}
    assert "content-encoding" not in headers
    assert standin.requests[0].json == body
