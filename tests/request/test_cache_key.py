import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.request import cache_key, input_rules
from codex_proxy.request.body_rules import PatchOptions, patch

USER = {"role": "user", "content": "hi"}
RULES = {"role": "developer", "content": "rules"}
ANSWER = {"type": "message", "role": "assistant", "content": "hello"}
BODY = {"model": "gpt-6-sol", "instructions": "Be short.", "input": [RULES, USER]}


def key(body: dict[str, Any] = BODY, caller: str = "me", session: str = "", **changes: Any) -> str:
    data = json.dumps({**body, **changes}).encode()
    return patch(data, PatchOptions(caller=caller, session=session)).cache_key


def derived(body: dict[str, Any]) -> str:
    raw = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in body.items()}
    return cache_key.derived(raw, input_rules.apply(raw)[1], "me")


def test_a_growing_conversation_keeps_its_key() -> None:
    assert key() == key(input=[RULES, USER, ANSWER, {"role": "user", "content": "and now?"}])
    assert str(uuid.UUID(key())) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"model": "gpt-6-luna"}, {"instructions": "Be long."}, {"input": [RULES, {"role": "user", "content": "ho"}]},
        {"input": [USER]}, {"input": "hi"}, {"caller": "you"},
    ],
)  # fmt: skip
def test_what_begins_in_another_way_has_another_key(other: dict[str, Any]) -> None:
    assert key(**other) != key()


def test_what_may_change_in_a_conversation_does_not_change_its_key() -> None:
    assert key(tools=[], reasoning={"effort": "low"}, stream=False) == key()


OWN: list[tuple[Any, str, str]] = [
    ("mine", "", "mine"), ("mine", "session", "mine"), ("", "session", "session"), (None, "session", "session"),
    (5, "session", ""),
]  # fmt: skip


@pytest.mark.parametrize(("said", "session", "expected"), OWN)
def test_the_clients_own_key_or_session_comes_first(said: Any, session: str, expected: str) -> None:
    assert key(prompt_cache_key=said, session=session) == expected


def test_it_is_told_as_a_change_without_the_key() -> None:
    (change,) = [
        one
        for one in patch(json.dumps(BODY).encode(), PatchOptions(caller="me")).changes
        if one.field == "prompt_cache_key"
    ]
    assert change.short == "prompt_cache_key set" and "cache" in change.why


@pytest.mark.parametrize("options", [PatchOptions(), PatchOptions(full=False, caller="me")])
def test_switched_off_there_is_none(options: PatchOptions) -> None:
    result = patch(json.dumps(BODY).encode(), options)
    assert result.cache_key == "" and "prompt_cache_key" not in json.loads(result.body or b"")


HEADERS: list[tuple[dict[str, str], str]] = [
    ({}, ""), ({"session-id": "a"}, "a"), ({"session_id": "a", "x-session-id": "b"}, "a"), ({"conversation_id": "a"}, "a"),
    ({"x-session-affinity": "a"}, "a"), ({"session-id": "", "x-session-id": "b"}, "b"), ({"x-client-request-id": "a"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "expected"), HEADERS)
def test_the_session_that_headers_name(headers: dict[str, str], expected: str) -> None:
    assert cache_key.session(headers) == expected


@given(st.text(max_size=300))
def test_whatever_the_key_it_fits_into_a_header(said: str) -> None:
    header = cache_key.header(said)
    assert header.isascii() and header.isprintable() and 0 < len(header) <= 128 and " " not in header
    assert header == cache_key.header(said)


def test_of_large_items_only_both_ends_are_looked_at() -> None:
    def image(fill: str, end: str) -> dict[str, Any]:
        return {
            "model": "m",
            "instructions": "",
            "input": [{"role": "user", "content": "A" * 50_000 + fill + "B" * 50_000 + end}],
        }

    assert derived(image("x", "")) == derived(image("y", ""))
    assert derived(image("x", "")) != derived(image("x", "z"))


@pytest.mark.parametrize("items", [[], [1, None], [ANSWER], "text", None, {"odd": 1}])
def test_an_input_of_any_form_has_a_key(items: Any) -> None:
    assert derived({"model": "m", "input": items}) == derived({"model": "m", "input": items})


def test_a_conversation_that_is_put_back_as_it_went_up_keeps_its_key() -> None:
    first = [
        {"role": "system", "content": "rules"},
        {"type": "message", "role": "user", "content": "hi", "status": None},
    ]
    went_up = patch(json.dumps({**BODY, "input": first}).encode(), PatchOptions(caller="me"))
    items = msgspec.json.decode(went_up.body or b"", type=dict[str, msgspec.Raw])["input"]
    body = {**BODY, "input": [*msgspec.json.decode(items, type=list[msgspec.Raw]), ANSWER]}
    assert patch(msgspec.json.encode(body), PatchOptions(caller="me")).cache_key == went_up.cache_key
