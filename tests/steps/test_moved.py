"""The order of the steps is behaviour: a step moved past its neighbour is refused, or nothing is seen of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from mitmproxy import http

from codex_proxy.addons.codex_proxy import CodexProxy
from codex_proxy.walk.order import OrderError

from .in_process import flow, loaded, script, steady, walk_through, write_login

ITEM = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
USAGE = {"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
EVENTS = b"".join(
    b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), msgspec.json.encode(event))
    for event in (
        {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-6-sol"}},
        {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
        {
            "type": "response.completed",
            "response": {"id": "resp_1", "model": "gpt-6-sol", "output": [], "usage": USAGE},
        },
    )
)
WINDOW = {"x-codex-primary-used-percent": "12", "x-codex-primary-window-minutes": "300"}
QUESTION = {"model": "gpt-6-sol", "input": "Hi", "temperature": 1, "stream": True, "store": True}
TALK = {"model": "gpt-6-sol", "messages": [{"role": "user", "content": "Hi"}]}
ORIGIN = ("origin", "http://localhost:5173")


def stream() -> http.Response:
    headers = {"content-type": "text/event-stream", "set-cookie": "__cf_bm=1; path=/", **WINDOW}
    return http.Response.make(200, EVENTS, headers)


def refusal() -> http.Response:
    body = b'{"detail":"Unsupported parameter: x"}'
    return http.Response.make(400, body, {"content-type": "application/json", "set-cookie": "a=b"})


# What is asked, and what the backend answers; one after the other, as callers would.
SCENES: list[tuple[Callable[[], http.HTTPFlow], Callable[[], http.Response] | None]] = [
    (lambda: flow("POST", "/v1/responses", QUESTION), stream),
    (lambda: flow("POST", "/responses", {**QUESTION, "stream": False}), stream),
    (lambda: flow("POST", "/v1/responses", QUESTION, [ORIGIN]), stream),
    (lambda: flow("POST", "/v1/responses", QUESTION, [("origin", "http://evil.example")]), None),
    (lambda: flow("POST", "/v1/chat/completions", {**TALK, "stream": True}), stream),
    (lambda: flow("POST", "/v1/chat/completions", TALK), stream),
    (
        lambda: flow("POST", "/v1/responses", {**QUESTION, "input": [{"role": "user", "content": "x" * 100_000}]}),
        refusal,
    ),
    (lambda: flow("POST", "/v1/responses", {"previous_response_id": "resp_1", **QUESTION}), stream),
    (lambda: flow("POST", "/v1/responses", ["no object"]), None),
    (lambda: flow("POST", "/v1/responses/compact", {"model": "gpt-6-sol", "input": "Hi"}), refusal),
    (lambda: flow("GET", "/v1/models/gpt-6-sol"), None),
    (lambda: flow("GET", "/nothing"), None),
    (lambda: flow("GET", "/?live"), None),
    (lambda: flow("GET", "/healthz"), None),
    (lambda: flow("GET", "/"), None),
]
MODES: dict[str, dict[str, Any]] = {
    "as it is": {"codex_allow_origins": ["http://localhost:5173"]},
    "dry run": {"codex_dry_run": True},
    "store alone": {"codex_patch": "store", "codex_affinity": False},
}


async def behaviour(walk: CodexProxy, folder: Path, caplog: pytest.LogCaptureFixture) -> list[str]:
    """All that can be seen of every scene, in every mode."""
    login = folder / "auth.json"
    write_login(login)
    found: list[str] = []
    for name, options in MODES.items():
        captures = folder / f"captures-{name}"
        with loaded(walk, login, codex_capture=str(captures), **options):
            caplog.clear()
            with caplog.at_level("INFO"):
                for asked, answered in SCENES:
                    seen = await walk_through(walk, asked(), answered() if answered else None)
                    found += [f"{key}: {steady(value)}" for key, value in seen.items()]
            found += [steady(record.getMessage()).replace(str(folder), "") for record in caplog.records]
        found += [steady(path.read_text()) for path in sorted(captures.glob("0*.json"))]
    return found


@pytest.fixture(scope="module")
def expected() -> list[list[str]]:
    """The behaviour of the list as it is, once it was asked for."""
    return []


def moved() -> list[tuple[str, int]]:
    walk: CodexProxy = script().walk
    return [(name, at) for name in ("up", "down", "watch") for at in range(len(getattr(walk, name)) - 1)]


@pytest.mark.parametrize(("name", "at"), moved())
async def test_a_step_past_its_neighbour_is_refused_or_not_seen(
    name: str, at: int, expected: list[list[str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    walk: CodexProxy = script().walk
    lists = {each: list(getattr(walk, each)) for each in ("up", "down", "watch")}
    lists[name][at : at + 2] = reversed(lists[name][at : at + 2])
    try:
        other = CodexProxy(walk.services, **lists)
    except OrderError:
        return
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    if not expected:
        expected.append(await behaviour(script().walk, tmp_path / "one", caplog))
    assert await behaviour(other, tmp_path / "other", caplog) == expected[0]
