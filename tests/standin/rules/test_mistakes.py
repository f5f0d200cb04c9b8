"""Whatever stands in a body, it is answered: no mistake of a client is a crash of the server."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from ..kit import CLIENT_ID, PNG, call, function, good, output, running, user

STRANGE: list[Any] = [
    None,
    True,
    -5,
    1e300,
    "",
    "x",
    "\ud800",
    [],
    [None],
    [[]],
    {},
    [{}],
    {"type": {}},
    {"type": ["x"]},
]

IMAGE = {"type": "input_image", "image_url": PNG, "detail": "low"}
CITY = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/c"}], "minLength": 1}
RICH = good(
    input=[
        user() | {"id": "msg_1"},
        {"role": "user", "content": [IMAGE, {"type": "input_file", "file_data": "a", "filename": "b"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "b"},
        call(id="fc_1"),
        output(text=[{"type": "input_text", "text": "a"}, IMAGE]),
        {"type": "additional_tools", "role": "developer", "tools": [function("g")]},
        {"type": "compaction", "encrypted_content": "a"},
        {"type": "compaction_trigger"},
    ],
    tools=[
        function(city=CITY, tags={"type": "array", "items": {"enum": [1]}, "minItems": 1}, n={"type": "integer", "minimum": 1}),
        {"type": "namespace", "name": "n", "tools": [function("h")]},
        {"type": "custom", "name": "c"},
    ],
    tool_choice={"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_weather"}]},
    include=["reasoning.encrypted_content"],
    reasoning={"effort": "low", "summary": "auto", "context": "auto"},
    text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"properties": {"a": {}}, "required": ["a"]}}},
    client_metadata={"a": "b"},
    prompt_cache_key="k",
    service_tier="priority",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


async def test_anything_may_stand_anywhere() -> None:
    async with running(trust_encrypted=("b", "a")) as c:
        assert (await c.ask(body=RICH)).status_code == 200
        for path in places(RICH):
            for new in STRANGE:
                body = json.dumps(changed(RICH, path, new)).encode()
                headers = c.headers | {"content-type": "application/json"}
                answer = await c.http.post(f"{c.s.upstream}/responses", content=body, headers=headers)
                assert answer.status_code in (200, 400, 404), (path, new)


async def test_anything_may_stand_in_a_token_request() -> None:
    fields = {"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_token": "a", "token": "b"}
    async with running() as c:
        for path in places(fields):
            for new in STRANGE:
                for where in ("token", "revoke"):
                    answer = await c.http.post(
                        f"{c.s.issuer}/oauth/{where}",
                        content=json.dumps(changed(fields, path, new)),
                        headers={"content-type": "application/json"},
                    )
                    assert answer.status_code in (200, 400, 401)


async def test_half_a_character_comes_back_as_its_escape() -> None:
    async with running() as c:
        body = json.dumps(good(input=[user("\ud800 alone")])).encode()
        answer = await c.http.post(
            f"{c.s.upstream}/responses", content=body, headers=c.headers | {"content-type": "application/json"}
        )
        assert "\\ud800" in answer.content.decode("utf-8")
