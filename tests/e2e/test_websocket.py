"""`GET /responses` as a WebSocket: mitmdump between a WebSocket client and the strict stand-in."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mitmproxy import http, io
from wsproto.events import TextMessage

from standin import Standin

from ..websocket_client import Closed, Refused, WebSocket, connected, create
from .clients import codex
from .harness import PATIENCE, Proxy, Start, environment, write_login

KEY = {"authorization": "Bearer dummy"}


@pytest.fixture
async def socket(proxy: Proxy) -> AsyncIterator[WebSocket]:
    async with connected(f"{proxy.url}/v1/responses", KEY) as open_socket:
        yield open_socket


def messages(standin: Standin) -> list[dict[str, Any]]:
    return [seen.json for seen in standin.requests if seen.method == "WS"]


async def test_a_turn_is_patched_and_its_last_event_complete(socket: WebSocket, standin: Standin, proxy: Proxy) -> None:
    events = await socket.ask(model="gpt-4.1", temperature=1, input=[{"role": "system", "content": "Be brief."}])

    assert events[-1]["type"] == "response.completed", events[-1]
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["reasoning", "message"]
    assert messages(standin)[0]["model"] == "gpt-6-luna"
    line = (await proxy.logged(r"WebSocket /v1/responses turn 1 gpt-4.1 → gpt-6-luna completed .*")).group()
    assert "-temperature" in line and "first byte" in line and "tokens in" in line
    upgrade = standin.requests[0]
    assert upgrade.header("openai-beta") == "responses_websockets=2026-02-06"
    assert upgrade.header("originator") == "nanobot-proxy"
    assert "dummy" not in str(upgrade.headers)


async def test_a_warm_up_and_turns_with_the_new_items_only_are_left_as_they_are(
    socket: WebSocket, standin: Standin
) -> None:
    """As the Codex CLI does (docs/backend.md, 11): the output's call is not in the message, but in the response before it."""
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    own = {"store": False, "stream": True, "instructions": "", "include": ["reasoning.encrypted_content"]}
    whole = create(**own, tools=[tool], input=[], generate=False, prompt_cache_key="k")
    warm = (await socket.ask(whole))[-1]["response"]["id"]
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
    second = {**whole, "generate": True, "previous_response_id": warm, "input": [user]}
    answer = (await socket.ask(second))[-1]["response"]
    call = next(item for item in answer["output"] if item["type"] == "function_call")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "12 degrees"}
    third = {**whole, "generate": True, "previous_response_id": answer["id"], "input": [output]}
    events = await socket.ask(third)

    assert "12 degrees" in str(events[-1]["response"]["output"]), events[-1]
    assert messages(standin) == [whole, second, third]


async def test_a_turn_that_was_interrupted_at_a_call_goes_on(socket: WebSocket, standin: Standin) -> None:
    """With the new items alone, and with all of them: the call has no output, and the reasoning between no call."""
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
    asked = (await socket.ask(create(tools=[tool], input=[user])))[-1]["response"]
    call = next(item for item in asked["output"] if item["type"] == "function_call")
    on = await socket.ask(create(tools=[tool], input=[user], previous_response_id=asked["id"]))
    whole = await socket.ask(create(tools=[tool], input=[user, *asked["output"], user, asked["output"][0], user]))

    aborted = {"type": "function_call_output", "call_id": call["call_id"], "output": "aborted"}
    assert [events[-1]["type"] for events in (on, whole)] == ["response.completed"] * 2
    sent = [each["input"] for each in messages(standin)]
    assert sent[1] == [aborted, user]
    assert [each["type"] for each in sent[2]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]


async def test_what_follows_upon_a_turn_goes_by_the_same_cache_key(socket: WebSocket, standin: Standin) -> None:
    first = (await socket.ask(input="One."))[-1]["response"]["id"]
    await socket.ask(input="Two.", previous_response_id=first)

    one, two = messages(standin)
    assert one["prompt_cache_key"] == two["prompt_cache_key"]
    assert two["previous_response_id"] == first


async def test_a_response_of_another_connection_is_put_back_or_said_to_be_unknown(
    proxy: Proxy, standin: Standin
) -> None:
    async with connected(f"{proxy.url}/responses", KEY) as one:
        first = (await one.ask(input="Remember me."))[-1]["response"]["id"]
        then = (await one.ask(input="And me.", previous_response_id=first))[-1]["response"]["id"]
    async with connected(f"{proxy.url}/responses", KEY) as other:
        assert (await other.ask(input="Go on.", previous_response_id=then))[-1]["type"] == "response.completed"
        refused = (await other.ask(previous_response_id="resp_unknown"))[-1]

    again = messages(standin)[2]
    assert "previous_response_id" not in again
    assert [text in json.dumps(again["input"]) for text in ("Remember me.", "And me.", "Go on.")] == [True] * 3
    assert (refused["status"], refused["error"]["code"]) == (400, "previous_response_not_found")


@pytest.mark.parametrize("deflate", [True, False], ids=["deflate", "plain"])
@pytest.mark.parametrize(("size", "pieces"), [(70_000, 1), (2_000_000, 1), (2_000_000, 7)], ids=str)
async def test_large_messages_arrive_whole(
    size: int, pieces: int, deflate: bool, proxy: Proxy, standin: Standin
) -> None:
    """Changed or not, in one frame or several, with characters of several bytes at every place."""
    text = "ünï完🌦️" * (size // 18)
    standin.answer(text=text, deltas=3)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    own = {"instructions": "", "include": ["reasoning.encrypted_content"], "stream": True, "prompt_cache_key": "k"}
    async with connected(f"{proxy.url}/responses", KEY, deflate) as socket:
        for changed in (True, False):
            await socket.send(create(**own, input=[item], **({} if changed else {"store": False})), pieces)
            events = await socket.answer()
            assert events[-1]["response"]["output"][-1]["content"][0]["text"] == text
    assert [message["input"] for message in messages(standin)] == [[item], [item]]


async def test_a_ping_may_come_in_the_midst_of_a_message(socket: WebSocket, standin: Standin) -> None:
    text = json.dumps(create())
    for piece, is_last in ((text[:20], False), (text[20:], True)):
        await socket.ping(b"?")
        socket.raw(socket.ws.send(TextMessage(piece, message_finished=is_last)))
    assert (await socket.answer())[-1]["type"] == "response.completed"
    assert messages(standin)[0]["model"] == "gpt-6-sol"


BAD = [
    ("{broken", 400, "invalid_json"),
    ('["a list"]', 400, "not_an_object"),
    ("", 400, "empty_body"),
    (b"\x00\xff", 400, "invalid_json"),
    (json.dumps(create(conversation="conv_1")), 400, "not_supported"),
    ("x" * 300_000, 413, "body_too_large"),
]


async def test_what_can_not_be_patched_does_not_go_up(start: Start, standin: Standin, login_file: object) -> None:
    # With mitmproxy's own option off an upgraded connection would be passed on as bytes.
    proxy = await start(
        codex_upstream=standin.upstream, codex_auth_file=login_file, codex_body_limit="200k", websocket="false"
    )
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        for message, status, code in BAD:
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send(message))
            answer = await socket.receive()
            assert (answer["type"], answer["status"], answer["error"]["code"]) == ("error", status, code)
        assert messages(standin) == []
        assert (await socket.ask())[-1]["type"] == "response.completed"


async def test_errors_come_with_their_status_and_words(socket: WebSocket, standin: Standin, proxy: Proxy) -> None:
    standin.fail("usage-limit", "rate-limit", "failed")
    limit, rate, failed = [(await socket.ask())[-1] for _ in range(3)]

    assert limit["status"] == 429
    # By these the Codex CLI says its own sentence (docs/backend.md, 13).
    assert (limit["error"]["type"], limit["error"]["plan_type"]) == ("usage_limit_reached", "plus")
    assert limit["error"]["resets_at"] > 0
    assert (rate["status"], rate["error"]["code"]) == (429, "rate_limit_exceeded")
    assert failed["type"] == "response.failed"
    await proxy.logged("turn 1 gpt-6-sol usage_limit_reached")
    await proxy.logged("5-hour window: 100 % used")
    assert (await socket.ask())[-1]["type"] == "response.completed"


async def test_a_request_refused_while_another_is_answered_is_told_apart_from_it(
    socket: WebSocket, standin: Standin, proxy: Proxy
) -> None:
    standin.hold()
    await socket.send(create(input="One."))
    await asyncio.wait_for(standin.held.wait(), PATIENCE)
    refused = (await socket.ask(input="Two."))[-1]
    assert refused["error"]["code"] == "response_in_progress"
    standin.release()
    answered = (await socket.answer())[-1]["response"]
    await proxy.logged("turn 2 gpt-6-sol response_in_progress")
    await proxy.logged("turn 1 gpt-6-sol .*tokens in")

    async with connected(f"{proxy.url}/responses", KEY) as other:
        await other.ask(input="Three.", previous_response_id=answered["id"])
    asked = [item["content"][0]["text"] for item in standin.requests[-1].json["input"] if item.get("role") == "user"]
    assert asked == ["One.", "Three."]


async def test_a_model_that_is_not_there_is_refused_with_the_names_that_come_near(
    socket: WebSocket, proxy: Proxy
) -> None:
    (refused,) = await socket.ask(model="gpt-6-sun")
    assert (refused["status"], refused["error"]["code"]) == (404, "model_not_found")
    assert "Similar models of this subscription: " in (said := refused["error"]["message"]) and "gpt-6-sol" in said
    await proxy.logged("turn 1 gpt-6-sun model_not_found")
    assert (await socket.ask())[-1]["type"] == "response.completed"


async def test_usage_windows_and_turns_are_told(socket: WebSocket, proxy: Proxy) -> None:
    await socket.ask()
    async with httpx2.AsyncClient(trust_env=False) as client:
        about = (await client.get(f"{proxy.url}/")).json()
    assert [(each["window"], each["used_percent"]) for each in about["usage"]] == [("5-hour", 12.5), ("weekly", 34)]
    (turn,) = about["requests"]
    assert (turn["method"], turn["sent_model"], turn["running"], turn["error"]) == (
        "WebSocket",
        "gpt-6-sol",
        False,
        None,
    )
    assert turn["tokens"]["in"] > 0


UPGRADES = [
    ("no-websocket", 426, None),
    ("upgrade-unauthorized", 503, "token_replaced"),
    ("upgrade-cloudflare", 403, "cloudflare_challenge"),
    ("upgrade-usage-limit", 429, "usage_limit_reached"),
    ("upgrade-500", 500, "server_error"),
    ("upgrade-reset", 502, "backend_closed"),
]


async def test_an_upgrade_that_the_backend_refuses_gets_its_status(proxy: Proxy, standin: Standin) -> None:
    for failure, status, code in UPGRADES:
        standin.fail(failure)
        with pytest.raises(Refused) as refused:
            async with connected(f"{proxy.url}/responses", KEY):
                pass
        assert refused.value.status == status, failure
        if code:
            assert refused.value.error["code"] == code
    assert len(standin.refresh_calls) == 1
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        assert (await socket.ask())[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"origin": "https://evil.example"}, 403, "origin_refused"),
        ({"sec-websocket-version": "8"}, 426, "bad_upgrade"),
    ],
)
async def test_who_may_not_call_gets_no_connection(
    headers: dict[str, str], status: int, code: str, proxy: Proxy, standin: Standin
) -> None:
    import httpx2

    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    upgrade |= {"sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{proxy.url}/responses", headers=upgrade | headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert standin.requests == []


async def test_close_codes_pass_both_ways(proxy: Proxy, standin: Standin) -> None:
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        await socket.ask()
        await socket.ping(b"are you there")
        await socket.close(4001, "enough")
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert closed.value.code == 4001
    await proxy.logged(r"closed by the client \(4001\) · 1 turn")
    assert standin.closed_with == 4001
    standin.socket_life = 0
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        limit = (await socket.ask())[-1]
        assert limit["error"]["code"] == "websocket_connection_limit_reached"
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert closed.value.code == 1000


async def test_a_backend_that_is_lost_is_told_of(socket: WebSocket, standin: Standin, proxy: Proxy) -> None:
    """mitmproxy by itself tells the client that all went well (1000)."""
    standin.fail("reset")
    events = await socket.ask()
    with pytest.raises(Closed) as closed:
        await socket.receive()

    assert (events[-1]["status"], events[-1]["error"]["code"]) == (502, "stream_broken")
    assert closed.value.code == 1011
    await proxy.logged("turn 1 gpt-6-sol stream_broken")


async def test_a_silent_backend_is_given_up(start: Start, standin: Standin, login_file: object) -> None:
    proxy = await start(codex_upstream=standin.upstream, codex_auth_file=login_file, codex_idle_timeout="0.5")
    standin.hold()
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        events = await socket.ask()
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert (events[-1]["status"], events[-1]["error"]["code"]) == (504, "backend_timeout")
    assert closed.value.code == 1011


async def test_a_token_that_is_refused_makes_the_client_connect_anew(proxy: Proxy, standin: Standin) -> None:
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        await socket.ask()
        token = standin.requests[0].header("authorization") or ""
        standin.revoke(token.removeprefix("Bearer "))
        event = (await socket.ask())[-1]
        assert (event["status"], event["error"]["code"]) == (400, "websocket_connection_limit_reached")
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert closed.value.code == 1012
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        # Refused at once, another token would not help: the client gets the backend's word.
        standin.fail("unauthorized")
        event = (await socket.ask())[-1]
        assert (event["status"], event["error"]["code"]) == (401, "token_expired")
        assert len(standin.refresh_calls) == 1
        # After an answer it is one that ended later, as the first did.
        assert (await socket.ask())[-1]["type"] == "response.completed"
        standin.fail("unauthorized")
        assert (await socket.ask())[-1]["error"]["code"] == "websocket_connection_limit_reached"
    assert len(standin.refresh_calls) == 2


async def test_a_token_that_runs_out_in_a_connection_is_not_used_any_more(
    start: Start, standin: Standin, tmp_path: Path
) -> None:
    """Nobody renews it here: the issuer is down."""
    path = tmp_path / "auth.json"
    proxy = await start(codex_upstream=standin.upstream, codex_issuer="http://127.0.0.1:1", codex_auth_file=path)
    write_login(path, standin.login(expires_in=14))
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        while (event := (await socket.ask())[-1])["type"] == "response.completed":  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # below the bound of messages a second
        assert event["error"]["code"] == "websocket_connection_limit_reached"
        with pytest.raises(Closed):
            await socket.receive()
    assert all(seen.status in (101, 200) for seen in standin.requests)


async def test_at_the_stop_a_quiet_connection_is_closed_and_a_turn_goes_on(proxy: Proxy, standin: Standin) -> None:
    async with (
        connected(f"{proxy.url}/responses", KEY) as quiet,
        connected(f"{proxy.url}/responses", KEY) as busy,
    ):
        standin.hold()
        await busy.send(create())
        await busy.receive()
        proxy.process.terminate()
        with pytest.raises(Closed) as closed:
            await quiet.receive()
        assert closed.value.code == 1012
        assert (await busy.ask())[-1]["error"]["code"] == "stopping"
        standin.release()
        assert (await busy.answer())[-1]["type"] == "response.completed"
        with pytest.raises(Closed) as closed:
            await busy.receive()
        assert closed.value.code == 1012
    assert await proxy.ended() == 0


# Breaks what the message, or the caller's name, says.
BREAKER = """
import importlib

class Breaker:
    def running(self):
        exchanges = importlib.import_module("codex_proxy.steps.exchanges")
        self.wrap("request.body_rules", "patch", lambda data, *_: b"BREAK-PATCH" in bytes(data["input"]))
        self.wrap("answer.repair", "StreamRepairer.message", lambda _, data: b"BREAK-EVENT" in data)
        self.wrap("layers.websocket_wire", "take_over", lambda flow, *_: "BREAK-START" in exchanges.of(flow).client)

    def wrap(self, module, name, is_broken):
        place = importlib.import_module("codex_proxy." + module)
        *holders, name = name.split(".")
        for holder in holders:
            place = getattr(place, holder)
        whole = getattr(place, name)

        def broken(*args):
            if is_broken(*args):
                raise RuntimeError("broken on purpose")
            return whole(*args)

        setattr(place, name, broken)

    def websocket_message(self, flow):
        if b"BREAK-OTHER" in flow.websocket.messages[-1].content:
            raise RuntimeError("broken on purpose")

addons = [Breaker()]
"""


async def test_whatever_breaks_nothing_unpatched_goes_up_and_the_client_is_told(
    start: Start, standin: Standin, login_file: object, tmp_path: Path
) -> None:
    script = tmp_path / "breaker.py"
    script.write_text(BREAKER)
    proxy = await start(
        first=("-s", str(script)),
        codex_upstream=standin.upstream,
        codex_issuer=standin.issuer,
        codex_auth_file=login_file,
    )
    proxy.may_fail = True
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        for word, code in (("BREAK-PATCH", "proxy_failed"), ("BREAK-OTHER", "not_claimed")):
            event = (await socket.ask(input=word))[-1]
            assert (event["status"], event["error"]["code"]) == (500, code)
            assert "on purpose" not in str(event)
        assert messages(standin) == []
        standin.answer(text="BREAK-EVENT")
        assert (await socket.ask())[-1]["error"]["code"] == "proxy_failed"
        with pytest.raises(Closed):
            await socket.receive()
    async with connected(f"{proxy.url}/responses", {**KEY, "user-agent": "BREAK-START"}) as socket:
        assert (await socket.ask())[-1]["error"]["code"] == "not_claimed"
    assert len(messages(standin)) == 1


async def test_the_openai_sdk_connects(proxy: Proxy, standin: Standin) -> None:
    """As its documentation shows it, with what the backend refuses in it."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(api_key="dummy", base_url=f"{proxy.url}/v1")
    async with client.responses.connect() as connection:
        await connection.response.create(
            model="gpt-4.1", input=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi."}],
            max_output_tokens=100, temperature=0.5,
        )  # fmt: skip
        async for event in connection:
            if event.type == "response.completed":
                break
        assert event.type == "response.completed" and "You said: Hi." in event.response.output_text
        await connection.response.create(
            model="gpt-4.1", input="And now?", previous_response_id=event.response.id, store=True
        )
        async for event in connection:
            if event.type in ("response.completed", "error"):
                break
        assert event.type == "response.completed", event
    await client.close()
    first, second = messages(standin)
    assert [item["role"] for item in first["input"]] == ["developer", "user"]
    assert len(second["input"]) == 1


async def test_the_codex_cli_speaks_websocket(proxy: Proxy, standin: Standin, tmp_path: Path) -> None:
    """As a custom provider with `supports_websockets`; where the backend has none, it goes on over HTTP (docs/backend.md, 11)."""
    home = tmp_path / "codex"
    home.mkdir()
    provider = f'{{name="p",base_url="{proxy.url}/v1",wire_api="responses",supports_websockets=true}}'
    for failure in (None, "no-websocket", "upgrade-unauthorized"):
        standin.requests.clear()
        if failure:
            standin.fail(failure)
        cli = await asyncio.create_subprocess_exec(
            codex(), "exec", "--skip-git-repo-check", "-c", "model_provider=p", "-c", f"model_providers.p={provider}",
            "-c", 'model="gpt-6-sol"', "say hi",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=environment(tmp_path, CODEX_HOME=str(home)), cwd=tmp_path,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            said = (await cli.communicate())[0].decode()
        assert "You said: say hi" in said, said
        ways = {seen.method for seen in standin.requests if seen.status == 200}
        assert ways == ({"POST"} if failure == "no-websocket" else {"WS"})
        # All of it as the CLI sent it.
        assert "changed" not in [line for line in proxy.lines if "gpt-6-sol" in line][-1]


async def test_no_token_is_told_or_kept(start: Start, standin: Standin, tmp_path: Path) -> None:
    login = standin.login()
    path = write_login(tmp_path / "auth.json", login)
    token = login["tokens"]["access_token"]
    dump = tmp_path / "dump.flows"
    proxy = await start(
        "-w", str(dump), "--set", "flow_detail=4", codex_upstream=standin.upstream, codex_auth_file=path
    )
    standin.fail(f"model-refused:Bearer {token}", f"failed:{token}")
    async with connected(f"{proxy.url}/responses", {"authorization": "Bearer a-key-of-the-clients"}) as socket:
        told = [await socket.ask(), await socket.ask(), await socket.ask()]
        await socket.close()
    await proxy.logged("closed by the client")
    await proxy.stop()

    kept = dump.read_bytes()
    assert b"response.completed" in kept and "hidden by the proxy" in str(told)
    for secret in (token, "a-key-of-the-clients"):
        assert secret not in str(told) + proxy.log
        assert secret.encode() not in kept


async def test_of_a_long_connection_so_much_is_kept(start: Start, standin: Standin, tmp_path: Path) -> None:
    """Each turn as two messages, and of many turns the last ones."""
    path, dump, script = (
        write_login(tmp_path / "auth.json", standin.login()),
        tmp_path / "dump.flows",
        tmp_path / "s.py",
    )
    script.write_text("import codex_proxy.layers.websocket_messages as s\n\ndef running():\n    s.MOST = 10\n")
    proxy = await start("-s", str(script), "-w", str(dump), codex_upstream=standin.upstream, codex_auth_file=path)
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        for number in range(12):
            await socket.ask(input=f"Question {number}.")
        await socket.close()
    await proxy.logged("closed by the client")
    await proxy.stop()

    with dump.open("rb") as file:
        (flow,) = io.FlowReader(file).stream()
    assert isinstance(flow, http.HTTPFlow) and flow.websocket
    state, kept = flow.metadata["codex"], flow.websocket.messages
    assert [message.from_client for message in kept] == [True, False] * 5
    assert "Question 7." in kept[0].text and "Question 11." in kept[-1].text
    assert [turn["number"] for turn in state["turns"]] == [8, 9, 10, 11, 12]
    assert flow.comment == "gpt-6-sol, 6 changes, 12 turns"


async def test_of_messages_that_begin_no_turn_so_much_is_kept_too(
    start: Start, standin: Standin, login_file: Path, tmp_path: Path
) -> None:
    dump, script = tmp_path / "dump.flows", tmp_path / "s.py"
    script.write_text("import codex_proxy.layers.websocket_messages as s\n\ndef running():\n    s.MOST = 10\n")
    proxy = await start("-s", str(script), "-w", str(dump), codex_upstream=standin.upstream, codex_auth_file=login_file)
    async with connected(f"{proxy.url}/responses", KEY) as socket:
        for _ in range(20):
            await socket.send("no JSON")
            assert (await socket.receive())["type"] == "error"
            await socket.send({"type": "response.processed", "response_id": "resp_1"})
        await socket.close()
    # With events that the client has not read, its end may be a reset, and which side is seen to end first is open.
    await proxy.logged("WebSocket /responses closed by")
    await proxy.stop()

    with dump.open("rb") as file:
        (flow,) = io.FlowReader(file).stream()
    assert isinstance(flow, http.HTTPFlow) and flow.websocket
    assert len(flow.websocket.messages) <= 12


async def test_a_dry_run_sends_it_to_http(start: Start) -> None:
    proxy = await start(codex_dry_run="true")
    with pytest.raises(Refused) as refused:
        async with connected(f"{proxy.url}/v1/responses", KEY):
            pass
    assert (refused.value.status, refused.value.error["code"]) == (426, "use_http")
