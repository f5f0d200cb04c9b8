"""The account's models: listed, looked up, understood in names; and what goes up where a client says nothing."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from standin import Standin
from standin.world.catalogue import MODELS, Model

from .harness import PATIENCE, QUESTION, Proxy, Start, new_client


def asked(standin: Standin) -> list[str]:
    """What came to the backend: the models of turns, and `models` for each request for the list."""
    return [seen.json["model"] if seen.method == "POST" else seen.path.rpartition("/")[2] for seen in standin.requests]


async def ids(client: httpx2.AsyncClient) -> list[str]:
    response = await client.get("/v1/models")
    assert response.status_code == 200, response.text
    return [each["id"] for each in response.json()["data"]]


async def turn(client: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await client.post("/v1/responses", json={**QUESTION, **body})


async def test_the_list_is_in_openais_shape_and_kept(client: httpx2.AsyncClient, standin: Standin) -> None:
    response = await client.get("/v1/models")
    listed = response.json()
    assert listed["object"] == "list"
    assert [each["id"] for each in listed["data"]] == [model.slug for model in MODELS if model.visible]
    assert listed["data"][0]["context_length"] == 500_000
    assert response.headers["etag"] == response.headers["x-models-etag"]
    assert set(await ids(client)) >= {"gpt-6-sol", "gpt-5.5"}
    seen = standin.requests[0]
    assert (asked(standin), seen.query) == (["models"], "client_version=999.0.0")
    assert (seen.header("originator"), seen.refusal) == ("nanobot-proxy", None)


async def test_the_codex_cli_gets_the_backends_own(client: httpx2.AsyncClient, proxy: Proxy, standin: Standin) -> None:
    raw = await client.get("/v1/models?client_version=0.169.0")
    headers = {name: value for name, value in standin.requests[0].headers if name not in ("host", "connection")}
    async with httpx2.AsyncClient(trust_env=False) as direct:
        own = await direct.get(f"{standin.upstream}/models?client_version=0.169.0", headers=headers)
    assert (raw.content, raw.headers["etag"]) == (own.content, own.headers["etag"])


async def test_one_model_or_openais_404(proxy: Proxy) -> None:
    async with openai.AsyncOpenAI(base_url=proxy.url + "/v1", api_key="x", max_retries=0, timeout=PATIENCE) as sdk:
        assert "gpt-6-sol" in [model.id async for model in await sdk.models.list()]
        for name in ("gpt-6-sol", "gpt-6-sol-high", "openai/gpt-6-sol", "gpt-4.1", "codex-auto-review"):
            assert (await sdk.models.retrieve(name)).id == name
        with pytest.raises(openai.NotFoundError) as e:
            await sdk.models.retrieve("gpt-6-soll")
        assert e.value.code == "model_not_found" and "subscription: gpt-6-sol," in e.value.message


async def test_the_list_follows_the_mark_on_the_turns_answers(client: httpx2.AsyncClient, standin: Standin) -> None:
    assert "gpt-7" not in await ids(client)
    await turn(client)
    standin.models = (Model("gpt-7", "low", ("low",), "0.1.0"), *MODELS)
    assert (await turn(client, model="gpt-7")).status_code == 200
    # The turn's answer has brought the mark, and the new list is on its way.
    async with asyncio.timeout(PATIENCE):
        while "gpt-7" not in await ids(client):
            pass
    # Once for the list, once for its new mark; the turn with the same mark asked for nothing.
    assert sorted(asked(standin)) == ["gpt-6-sol", "gpt-7", "models", "models"]


async def test_the_last_good_list_serves_while_the_backend_is_down(
    client: httpx2.AsyncClient, proxy: Proxy, standin: Standin
) -> None:
    standin.fail("models-500")
    first = await client.get("/v1/models")
    assert (first.status_code, first.json()["error"]["type"]) == (500, "server_error")
    good = await ids(client)
    standin.fail("models-500", "models-empty", times=None)
    standin.models = MODELS[:5]
    await turn(client)
    await proxy.logged(r"The list of models can't be fetched: .*The last one stays in use")
    assert await ids(client) == good


async def test_nothing_listed_is_told(client: httpx2.AsyncClient, standin: Standin) -> None:
    standin.fail("models-empty")
    response = await client.get("/v1/models")
    assert (response.status_code, response.json()["error"]["code"]) == (502, "no_models")
    assert "codex_client_version" in response.json()["error"]["message"]


async def test_a_model_of_another_plan_is_left_out_and_its_refusal_explained(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    standin.models = (*MODELS, Model("gpt-6-pro", "low", ("low",), "0.1.0", plans=("pro",), shown_to_all=True))
    assert "gpt-6-pro" not in await ids(client)
    for response in (await client.get("/v1/models/gpt-6-pro"), await turn(client, model="gpt-6-pro")):
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["type"]) == (404, "model_not_found", "invalid_request_error")
        assert "available to other plans than this login's (plus). Similar" in error["message"]


async def test_the_codex_cli_keeps_the_status_it_knows(proxy: Proxy) -> None:
    headers = {"originator": "codex_exec", "user-agent": "codex_exec/0.169.0 (Debian 12)"}
    async with new_client(proxy) as client:
        response = await client.post("/v1/responses", json={**QUESTION, "model": "gpt-9"}, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "model_not_found")


NAMES: list[tuple[dict[str, Any], str, dict[str, str] | None]] = [
    ({"model": "gpt-6-sol-high"}, "gpt-6-sol", {"effort": "high"}),
    ({"model": "gpt-6-sol:low", "reasoning": {"effort": "high"}}, "gpt-6-sol", {"effort": "low"}),
    ({"model": "openai/gpt-6-luna(xhigh)"}, "gpt-6-luna", {"effort": "xhigh"}),
    ({"model": "gpt-6-sol-ultra"}, "gpt-6-sol", {"effort": "max"}),
    ({"model": "letta/gpt-5.5"}, "gpt-5.5", None),
]


async def test_names_with_an_effort_and_a_provider(client: httpx2.AsyncClient, proxy: Proxy, standin: Standin) -> None:
    for body, _, _ in NAMES:
        assert (await turn(client, **body)).status_code == 200
    turns = [seen.json for seen in standin.requests if seen.method == "POST"]
    assert [(each["model"], each.get("reasoning")) for each in turns] == [(model, effort) for _, model, effort in NAMES]
    assert asked(standin).count("models") == 1
    await proxy.logged(r"gpt-6-sol:low → gpt-6-sol 200 .*reasoning.effort high → low")


async def test_a_plain_name_asks_for_no_list_and_an_unknown_one_goes_up(
    client: httpx2.AsyncClient, standin: Standin
) -> None:
    standin.models = (*MODELS, Model("gpt-hidden-new", "low", ("low",), "0.1.0", visible=False))
    await turn(client)
    assert (await turn(client, model="gpt-hidden-new")).status_code == 200
    assert asked(standin) == ["gpt-6-sol", "gpt-hidden-new"]


async def test_without_a_list_to_be_had_everything_goes_up(client: httpx2.AsyncClient, standin: Standin) -> None:
    standin.fail("models-500", times=None)
    assert (await turn(client)).status_code == 200
    response = await turn(client, model="gpt-6-sol-high")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "model_not_found")
    assert asked(standin) == ["gpt-6-sol", "models", "gpt-6-sol-high"]


async def test_a_list_that_does_not_come_holds_no_plain_turn_up(client: httpx2.AsyncClient, standin: Standin) -> None:
    standin.hold(kind="models", before_headers=True)
    waiting = asyncio.create_task(turn(client, model="gpt-6-sol-high"))
    listing = asyncio.create_task(client.get("/v1/models"))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    assert (await turn(client)).status_code == 200
    assert not waiting.done() and not listing.done()
    standin.release()
    assert (await waiting).status_code == 200 and (await listing).status_code == 200
    # Both waited for the same request.
    assert asked(standin).count("models") == 1


async def test_variants_and_a_default_where_the_person_wants_them(
    start: Start, standin: Standin, login_file: Path
) -> None:
    options = {"codex_upstream": standin.upstream, "codex_auth_file": login_file}
    proxy = await start(**options, codex_model_variants="true", codex_model_default="gpt-6-luna:low")
    async with new_client(proxy) as client:
        assert (await turn(client, model="gpt-4.1")).status_code == 200
        assert (await turn(client, model="gpt-6-sol")).status_code == 200
        assert {"gpt-6-sol", "gpt-6-sol-low", "gpt-6-sol-ultra", "gpt-6-luna-max"} <= set(await ids(client))
    assert asked(standin) == ["models", "gpt-6-luna", "gpt-6-sol"]
    assert standin.requests[1].json["reasoning"] == {"effort": "low"}


async def test_a_default_is_not_for_a_model_that_is_merely_newer(
    start: Start, standin: Standin, login_file: Path
) -> None:
    # The list is of an older version, and so does not have it.
    standin.models = (Model("gpt-7-sol", "low", ("low",), "0.180.0"), *MODELS)
    proxy = await start(
        codex_upstream=standin.upstream, codex_auth_file=login_file, codex_model_default="gpt-6-luna",
        codex_client_version="0.171.0",
    )  # fmt: skip
    async with new_client(proxy) as client:
        assert "gpt-7-sol" not in await ids(client)
        assert (await turn(client, model="gpt-7-sol")).status_code == 200
        assert (await turn(client, model="claude-opus")).status_code == 200
        refused = await turn(client, model="gpt-8")
    assert [name for name in asked(standin) if name != "models"] == ["gpt-7-sol", "gpt-6-luna", "gpt-8"]
    assert "newer than codex_client_version=0.171.0" in refused.json()["error"]["message"]


async def test_names_of_no_subscription_in_chat_and_in_the_list(client: httpx2.AsyncClient, standin: Standin) -> None:
    chat = {"model": "openai/gpt-5.4-nano", "messages": [{"role": "user", "content": "hi"}]}
    answer = await client.post("/v1/chat/completions", json=chat)
    assert (answer.status_code, answer.json()["model"]) == (200, "gpt-6-luna")
    assert (await client.get("/v1/models/gpt-5-mini")).json()["parent"] == "gpt-6-luna"
    assert asked(standin) == ["models", "gpt-6-luna"]


@pytest.mark.parametrize("path", ["responses", "chat/completions", "responses/compact"])
@pytest.mark.parametrize("model", [{}, {"model": None}, {"model": ""}], ids=["absent", "null", "empty"])
async def test_a_missing_model_is_refused_here_in_openais_words(
    client: httpx2.AsyncClient, standin: Standin, path: str, model: dict[str, Any]
) -> None:
    said = {"messages": [{"role": "user", "content": "hi"}]} if path.startswith("chat") else {"input": "hi"}
    response = await client.post(f"/v1/{path}", json={**said, **model})
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", "model")
    assert error["message"].startswith("Missing required parameter: 'model'.") and standin.requests == []


async def test_what_a_client_does_not_say(start: Start, standin: Standin, login_file: Path, tmp_path: Path) -> None:
    standin.models = (*MODELS, Model("gpt-low", "low", ("low",), "0.1.0"))
    text = tmp_path / "instructions.md"
    text.write_text("Be brief — ü.")
    proxy = await start(
        codex_upstream=standin.upstream, codex_auth_file=login_file, codex_effort="high", codex_summary="auto",
        codex_verbosity="low", codex_instructions=text,
    )  # fmt: skip
    async with new_client(proxy) as client:
        await client.get("/models")
        await turn(client)
        text.write_text("Be long.")
        await turn(client, model="gpt-low", reasoning={"summary": "detailed"}, text={"verbosity": "high"})
        await turn(client, instructions="Mine.", reasoning={"effort": "low"})
    first, second, third = [seen.json for seen in standin.requests if seen.method == "POST"]
    assert first["instructions"] == "Be brief — ü." and first["text"] == {"verbosity": "low"}
    assert first["reasoning"] == {"effort": "high", "summary": "auto"}
    assert second["instructions"] == "Be long." and second["text"] == {"verbosity": "high"}
    assert second["reasoning"] == {"summary": "detailed"}
    assert third["instructions"] == "Mine." and third["reasoning"] == {"effort": "low", "summary": "auto"}
    await proxy.logged(r"reasoning\.effort set to high")


async def test_the_models_own_instructions(start: Start, standin: Standin, login_file: Path) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_instructions="model")
    async with new_client(proxy) as client:
        await turn(client)
        await turn(client, instructions="Mine.")
    first, second = [seen.json for seen in standin.requests if seen.method == "POST"]
    assert first["instructions"].startswith("You are a careful assistant") and second["instructions"] == "Mine."


async def test_instructions_from_an_address(start: Start, standin: Standin, login_file: Path, tmp_path: Path) -> None:
    asked_of_web: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_of_web.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 8\r\n\r\nOfficial')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/official.md"
    options = {"codex_upstream": standin.upstream, "codex_auth_file": login_file, "codex_instructions": url}
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    async with server:
        async with new_client(await start(**options, env=env)) as client:
            await turn(client)
    # The next start has no server to ask.
    async with new_client(await start(**options, env=env)) as client:
        await turn(client)
    assert [seen.json["instructions"] for seen in standin.requests] == ["Official"] * 2
    assert len(asked_of_web) == 1 and b"uthorization" not in asked_of_web[0]
    (kept,) = (tmp_path / "state" / "codex-proxy").glob("instructions-*.json")
    assert json.loads(kept.read_text())["etag"] == '"1"' and kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "options, says",
    [
        ({"codex_instructions": "nope.md"}, "codex_instructions: nope.md can't be read"),
        ({"codex_model_variants": "yes"}, "codex_model_variants=yes; allowed: true, false"),
    ],
)
async def test_a_wrong_option_ends_the_start_with_a_word(start: Start, options: dict[str, str], says: str) -> None:
    proxy = await start(**options, wait=False)
    assert await proxy.ended() != 0
    assert says in proxy.log and "listening" not in proxy.log


async def test_a_dry_run_has_names_to_choose_from(start: Start, standin: Standin) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_dry_run="true", codex_effort="low")
    async with new_client(proxy) as client:
        assert "gpt-6-sol" in await ids(client)
        assert (await client.get("/v1/models/openai/gpt-6-sol")).json()["id"] == "openai/gpt-6-sol"
        assert (await client.get("/v1/models?client_version=1")).json()["models"]
        assert (await turn(client, model="gpt-6-sol-high")).status_code == 200
    assert standin.requests == []
