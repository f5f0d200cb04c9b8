"""What a good answer is like: events, headers, what it says, and what can be asked of it."""

import asyncio
import json
from typing import Any

import pytest

from standin.answers.items import AnswerContent

from ..kit import CODEX, call, events, function, items, output, running, spoken, user

SHORT = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


async def test_the_events_come_in_their_order() -> None:
    async with running() as c:
        c.s.answer(text="word")
        found = events((await c.ask()).text)
        assert [event["type"] for event in found] == SHORT
        assert [event["sequence_number"] for event in found] == list(range(len(SHORT)))


async def test_the_last_event_has_usage_and_no_output() -> None:
    async with running() as c:
        last = events((await c.ask()).text)[-1]["response"]
        assert (last["status"], last["output"]) == ("completed", [])
        usage = last["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["output_tokens_details"]["reasoning_tokens"] > 0


async def test_the_headers_are_those_of_the_backend() -> None:
    async with running() as c:
        answer = await c.ask()
        etag = (await c.models("999.0.0")).headers["etag"]
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.headers["openai-model"] == "gpt-6-sol"
        assert answer.headers["x-models-etag"] == etag
        assert answer.headers["x-codex-plan-type"] == "plus"
        assert float(answer.headers["x-codex-primary-used-percent"]) < 100
        assert answer.headers["x-codex-secondary-window-minutes"] == "10080"
        assert answer.headers["x-request-id"]
        cookies = {line.partition("=")[0] for line in answer.headers.get_list("set-cookie")}
        assert cookies == {"__cf_bm", "__cflb", "__oailb"}


async def test_a_turn_state_that_is_echoed_is_not_sent_again() -> None:
    async with running() as c:
        state = (await c.ask()).headers["x-codex-turn-state"]
        assert "x-codex-turn-state" not in (await c.ask(headers={"x-codex-turn-state": state})).headers


async def test_it_says_what_it_was_told_in_more_than_ascii() -> None:
    async with running() as c:
        said = spoken((await c.ask(input=[user("Grüße?")])).text)
        assert "Grüße?" in said
        assert "完" in said


async def test_it_mentions_the_output_of_a_tool() -> None:
    async with running() as c:
        body: dict[str, Any] = {"input": [user(), call(), output(text="12 degrees")], "tools": [function("f")]}
        assert "12 degrees" in spoken((await c.ask(**body)).text)


async def test_encrypted_content_comes_only_when_asked_for() -> None:
    async with running() as c:
        plain = items((await c.ask()).text)
        sealed = items((await c.ask(include=["reasoning.encrypted_content"])).text)
        assert "encrypted_content" not in plain[0]
        assert sealed[0]["encrypted_content"].startswith("gAAAA")


async def test_a_summary_comes_only_when_asked_for() -> None:
    async with running() as c:
        found = events((await c.ask(reasoning={"summary": "auto"})).text)
        deltas = [event["delta"] for event in found if event["type"] == "response.reasoning_summary_text.delta"]
        done = next(event for event in found if event["type"] == "response.reasoning_summary_text.done")
        assert (
            "".join(deltas)
            == done["text"]
            == items((await c.ask(reasoning={"summary": "auto"})).text)[0]["summary"][0]["text"]
        )
        assert items((await c.ask()).text)[0]["summary"] == []


CITY = {"type": "string"}
CHOSEN: list[tuple[dict[str, Any], str | None]] = [
    ({"tools": [function("count"), function("get_weather", city=CITY)]}, "get_weather"),
    ({"tools": [function("count"), function("list")]}, "count"),
    ({"tools": [function("bash"), function("write_file"), function("look")]}, "look"),
    ({"tools": [function("bash")]}, None),
    ({"tools": [function("bash")], "tool_choice": "required"}, "bash"),
    ({"tools": [function("a"), function("b")], "tool_choice": {"type": "function", "name": "b"}}, "b"),
    ({"tools": [function("a")], "tool_choice": "none"}, None),
    ({"tools": [function("f")], "input": [user(), call(), output()]}, None),
    ({"tools": [function("f"), function("final")], "input": [user(), call(), output()], "tool_choice": "required"}, "final"),
    ({"tools": [{"type": "custom", "name": "exec"}]}, None),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "name"), CHOSEN)
async def test_it_calls_a_tool_that_fits(changes: dict[str, Any], name: str | None) -> None:
    async with running() as c:
        said = items((await c.ask(**changes)).text)
        assert [item.get("name") for item in said[1:]] == [name]
        assert said[-1]["type"] == ("message" if name is None else "function_call")


async def test_arguments_are_filled_from_the_schema() -> None:
    unit = {"enum": ["celsius", "fahrenheit"]}
    tool = function(
        "get_weather",
        city=CITY,
        unit=unit,
        days={"type": "integer", "minimum": 3},
        tags={"type": "array", "items": CITY},
    )
    async with running() as c:
        text = (await c.ask(input=[user("Weather in Oslo?")], tools=[tool])).text
        arguments = items(text)[-1]["arguments"]
        assert json.loads(arguments) == {"city": "Oslo", "unit": "celsius", "days": 3, "tags": ["Oslo"]}
        deltas = [event["delta"] for event in events(text) if event["type"] == "response.function_call_arguments.delta"]
        assert len(deltas) > 1
        assert "".join(deltas) == arguments


SCHEMAS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}, {"a": True}),
    ({"properties": {"a": {"$ref": "#/$defs/b"}}, "required": ["a"], "$defs": {"b": {"type": "number", "maximum": 0}}}, {"a": 0}),
    ({"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}, "required": ["a"]}, {"a": 1}),
    ({"properties": {"a": {"type": ["null", "string"], "maxLength": 2}}, "required": ["a"]}, {"a": "a"}),
    ({"allOf": [{"properties": {"a": {"const": 7}}, "required": ["a"]}], "type": "object"}, {"a": 7}),
    ({"properties": {"a": {"type": "string", "format": "date"}}, "required": ["a"]}, {"a": "2026-11-21"}),
    ({"properties": {"a": {"type": "integer", "exclusiveMinimum": 4, "multipleOf": 10}}, "required": ["a"]}, {"a": 10}),
    ({"$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}}, "$ref": "#/$defs/n"}, ...),
    ({"type": "object"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
async def test_a_structured_answer_fits_its_schema(schema: dict[str, Any], expected: Any) -> None:
    async with running() as c:
        form = {"type": "json_schema", "name": "n", "strict": True, "schema": schema}
        said = json.loads(spoken((await c.ask(text={"format": form})).text))
        assert expected is ... or said == expected


async def test_the_prompt_cache_counts_the_common_prefix() -> None:
    async with running() as c:

        async def cached(key: str | None, *sent: dict[str, Any], **headers: str) -> int:
            text = (await c.ask(prompt_cache_key=key, input=list(sent), headers=headers)).text
            count: int = events(text)[-1]["response"]["usage"]["input_tokens_details"]["cached_tokens"]
            return count

        assert await cached("a", user("first question")) == 0
        one = await cached("a", user("first question"), user("second"))
        two = await cached("a", user("first question"), user("second"), user("third"))
        assert 0 < one < two
        assert await cached("b", user("first question"), user("second")) == 0
        assert 0 < await cached("a", user("another question")) < one
        # Without a key, and in another session, nothing is found again.
        for _ in range(2):
            assert await cached(None, user("first question")) == 0
        assert await cached("a", user("first question"), session_id="other") == 0
        assert await cached("a", user("first question"), session_id="other") > 0


async def test_tools_of_the_backends_own_tell_of_their_work() -> None:
    async with running() as c:
        c.s.answer(
            items=[
                {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
                {"type": "image_generation_call", "status": "completed", "result": "aW1hZ2U="},
            ]
        )
        text = (await c.ask()).text
        assert [event["type"].removeprefix("response.") for event in events(text)[2:-1]] == [
            "output_item.added", "web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed",
            "output_item.done", "output_item.added", "image_generation_call.in_progress", "image_generation_call.generating",
            "image_generation_call.partial_image", "image_generation_call.completed", "output_item.done",
        ]  # fmt: skip
        assert [item.get("result") for item in items(text)] == [None, "aW1hZ2U="]
        added = [event["item"] for event in events(text) if event["type"] == "response.output_item.added"]
        assert [item["status"] for item in added] == ["in_progress"] * 2 and "result" not in added[1]


async def test_the_answer_can_be_told() -> None:
    async with running() as c:
        c.s.answer(text="a b c", reasoning=False, tool=("f", {"ä": 1}), deltas=["a ", "b ", "c"])
        text = (await c.ask()).text
        assert [event["delta"] for event in events(text) if event["type"] == "response.output_text.delta"] == [
            "a ",
            "b ",
            "c",
        ]
        assert [item["type"] for item in items(text)] == ["message", "function_call"]
        assert json.loads(items(text)[1]["arguments"]) == {"ä": 1}
        c.s.answer(items=[{"type": "custom_tool_call", "call_id": "call_1", "name": "exec", "input": "ls"}])
        assert items((await c.ask()).text)[0]["id"].startswith("ctc_")
        c.s.answer()
        assert "Hello there" in spoken((await c.ask()).text)


async def test_the_next_answers_can_be_told_one_by_one() -> None:
    async with running() as c:
        c.s.answer(text="later")
        c.s.answers(AnswerContent(text="first"), AnswerContent(tool=("exec", "ls")))
        assert spoken((await c.ask()).text) == "first"
        made = items((await c.ask()).text)[-1]
        assert (made["type"], made["name"], made["input"]) == ("custom_tool_call", "exec", "ls")
        assert spoken((await c.ask()).text) == "later"


async def test_a_long_answer_has_as_many_deltas_as_asked_for() -> None:
    async with running() as c:
        c.s.answer(text="x" * 100_000, deltas=500)
        text = (await c.ask()).text
        assert spoken(text) == "x" * 100_000
        assert sum(event["type"] == "response.output_text.delta" for event in events(text)) == 500


async def test_the_stream_can_be_cut_by_hand() -> None:
    async with running() as c:
        c.s.answer(text="你好", pieces=lambda body: [body[:7], b"", body[7:]])
        data = await c.raw(c.raw_request(more="connection: close\r\n"))
        assert b"\r\n7\r\nevent: \r\n" in data


async def test_compaction_comes_back_sealed() -> None:
    async with running() as c:
        text = (await c.ask(input=[user(), {"type": "compaction_trigger"}])).text
        assert [item["type"] for item in items(text)] == ["compaction"]
        assert (await c.ask(input=[*items(text), user()])).status_code == 200


async def test_the_unary_compaction_answers_with_json() -> None:
    body = {"model": "gpt-6-sol", "input": [user()], "parallel_tool_calls": False}
    async with running() as c:
        answer = await c.http.post(f"{c.s.origin}{CODEX}/responses/compact", json=body, headers=c.headers)
        assert [item["type"] for item in answer.json()["output"]] == ["message", "compaction"]
        refused = await c.http.post(
            f"{c.s.origin}{CODEX}/responses/compact", json=body | {"store": False}, headers=c.headers
        )
        assert refused.json() == {"detail": "Unsupported parameter: store"}


async def test_a_lot_of_clients_are_served_at_once() -> None:
    async with running() as c:
        answers = await asyncio.gather(*(c.ask() for _ in range(40)))
        assert {answer.status_code for answer in answers} == {200}
        assert len(c.s.requests) == 40


async def test_usage_and_accounts_are_told() -> None:
    async with running() as c:
        usage = (await c.http.get(f"{c.s.origin}/backend-api/wham/usage", headers=c.headers)).json()
        assert usage["rate_limit"]["primary_window"]["limit_window_seconds"] == 18_000
        accounts = (await c.http.get(f"{c.s.origin}/backend-api/wham/accounts/check", headers=c.headers)).json()
        assert accounts["default_account_id"] == c.login["tokens"]["account_id"]
