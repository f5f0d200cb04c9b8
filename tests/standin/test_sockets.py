"""`GET /responses` as a WebSocket (docs/backend.md, 11)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from standin.answers.items import AnswerContent

from ..websocket_client import Closed, Refused, WebSocket, connected
from .kit import CODEX, Client, call, function, good, output, running, user

BETA = {"openai-beta": "responses_websockets=2026-02-06"}


def create(**changes: Any) -> dict[str, Any]:
    return {"type": "response.create", **good(**changes)}


@asynccontextmanager
async def opened(c: Client, **headers: str) -> AsyncIterator[WebSocket]:
    sent = c.headers | BETA | {name.replace("_", "-"): value for name, value in headers.items()}
    async with connected(f"{c.s.origin}{CODEX}/responses", sent) as socket:
        yield socket


async def test_a_turn_is_answered_event_by_event() -> None:
    async with running() as c, opened(c) as socket:
        assert socket.headers["x-models-etag"] and socket.headers["x-codex-turn-state"]
        events = await socket.ask(create())
        assert [events[0]["type"], events[1]["type"], events[-1]["type"]] == [
            "codex.rate_limits",
            "response.created",
            "response.completed",
        ]
        assert events[-1]["response"]["output"] == []
        await socket.close(4000, "bye")
        with pytest.raises(Closed):
            await socket.receive()
        assert c.s.closed_with == 4000
    assert [(seen.method, seen.status) for seen in c.s.requests] == [("GET", 101), ("WS", 200)]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"store": True}, 400, None),
        ({"stream": ...}, 400, None),
        ({"temperature": 1}, 400, None),
        ({"type": "response.cancel"}, 400, "unknown_message_type"),
        ({"type": ...}, 400, "unknown_message_type"),
        ({"generate": "no"}, 400, "invalid_type"),
        ({"previous_response_id": "resp_1"}, 400, "previous_response_not_found"),
        ({"model": "gpt-4.1"}, 400, None),
        ({"input": [output()]}, 400, None),
    ],
    ids=str,
)
async def test_what_is_refused_comes_as_an_error_with_its_status(
    changes: dict[str, Any], status: int, code: str | None
) -> None:
    message = {key: value for key, value in (create() | changes).items() if value is not ...}
    async with running() as c, opened(c) as socket:
        (event,) = await socket.ask(message)
        assert (event["type"], event["status"], event["error"].get("code")) == ("error", status, code)
        assert (await socket.ask(create()))[-1]["type"] == "response.completed"


async def test_what_is_no_json_or_no_text_is_refused() -> None:
    async with running() as c, opened(c) as socket:
        (event,) = await socket.ask("{broken")
        assert (event["status"], event["error"]["message"]) == (400, "The body is not valid JSON")
        await socket.send_bytes(b"{}")
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1003


async def test_a_connection_remembers_its_own_responses_only() -> None:
    tool = function("get_weather")
    async with running() as c:
        async with opened(c) as socket:
            warm = (await socket.ask(create(generate=False, input=[], tools=[tool])))[-1]["response"]
            assert (warm["output"], warm["usage"]) == ([], None)
            asked = create(previous_response_id=warm["id"], input=[user("Weather?")], tools=[tool])
            events = await socket.ask(asked)
            made = next(
                e["item"] for e in events if e["type"] == "response.output_item.done" and "call_id" in e["item"]
            )
            first = events[-1]["response"]["id"]
            other = create(previous_response_id=first, input=[output("call_other")], tools=[tool])
            assert (await socket.ask(other))[-1]["status"] == 400
            then = create(previous_response_id=first, input=[output(made["call_id"], "12 degrees")], tools=[tool])
            events = await socket.ask(then)
            assert "12 degrees" in str(events), events
        async with opened(c) as socket:
            (event,) = await socket.ask(then)
            assert event["error"]["code"] == "previous_response_not_found"
            assert (await socket.ask(create(input=[user(), call(), output()])))[-1]["type"] == "response.completed"


async def test_one_request_at_a_time() -> None:
    async with running() as c, opened(c) as socket:
        c.s.hold()
        await socket.send(create())
        await c.s.held.wait()
        await socket.send(create())
        events = await socket.answer()
        assert events[-1]["error"]["code"] == "response_in_progress"
        c.s.release()
        assert (await socket.answer())[-1]["type"] == "response.completed"


async def test_what_was_told_and_held_is_not_for_the_warm_up() -> None:
    async with running() as c:
        async with opened(c) as socket:
            c.s.answers(AnswerContent(text="first"))
            await socket.ask(create(generate=False))
            assert "first" in str(await socket.ask(create()))
            c.s.hold()
            await socket.ask(create(generate=False))
            await socket.send(create())
            await c.s.held.wait()
        await c.s.wait_for_client_gone(5)


@pytest.mark.parametrize("beta", ["responses=experimental", "responses_websockets=2025-01-01"])
async def test_another_beta_is_closed(beta: str) -> None:
    async with running() as c, opened(c, openai_beta=beta) as socket:
        with pytest.raises(Closed) as closed:
            await socket.receive()
        assert closed.value.code == 1011


async def test_after_an_hour_it_is_over() -> None:
    async with running() as c, opened(c) as socket:
        c.s.socket_life = 0
        (event,) = await socket.ask(create())
        assert (event["status"], event["error"]["code"]) == (400, "websocket_connection_limit_reached")
        with pytest.raises(Closed):
            await socket.receive()


async def test_a_token_is_looked_at_with_each_turn() -> None:
    async with running() as c, opened(c) as socket:
        c.s.revoke(c.login["tokens"]["access_token"])
        (event,) = await socket.ask(create())
        assert (event["status"], event["error"]["code"]) == (401, "token_invalidated")


@pytest.mark.parametrize("changed", [{"authorization": "Bearer x"}, {"x-stainless-lang": "python"}])
async def test_the_upgrade_is_looked_at_like_a_request(changed: dict[str, str]) -> None:
    async with running() as c:
        with pytest.raises(Refused) as refused:
            async with connected(f"{c.s.origin}{CODEX}/responses", c.headers | BETA | changed):
                pass
        assert refused.value.status in (400, 401)


async def test_failures_of_turns_are_the_same_as_over_http() -> None:
    async with running() as c, opened(c) as socket:
        c.s.fail("usage-limit:600", "failed", "incomplete")
        limit, failed, incomplete = [(await socket.ask(create()))[-1] for _ in range(3)]
        assert (limit["status"], limit["error"]["type"]) == (429, "usage_limit_reached")
        assert limit["headers"]["x-codex-primary-used-percent"] == "100"
        assert [failed["type"], incomplete["type"]] == ["response.failed", "response.incomplete"]
        c.s.fail("reset")
        events: list[str] = []
        with pytest.raises((Closed, ConnectionResetError)):
            await socket.send(create())
            while True:
                events.append((await socket.receive())["type"])
        assert "response.created" in events and "response.completed" not in events
