import json
from typing import Any

import msgspec
import pytest

from codex_proxy.models import UNMAPPED, Mapping, ModelMap, parse


def mapped(entries: list[str], body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    raw = msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])
    changes = parse(entries).apply(raw)
    return json.loads(msgspec.json.encode(raw)), [change.short for change in changes]


@pytest.mark.parametrize(
    "entry, rule",
    [
        ("gpt-4.1=gpt-6-luna", Mapping("gpt-4.1", "gpt-6-luna", "")),
        ("*=gpt-6-sol:low", Mapping("*", "gpt-6-sol", "low")),
        (" gpt-4* = gpt-6-luna : high ", Mapping("gpt-4*", "gpt-6-luna", "high")),
        ("gpt-4=gpt-6-sol:", Mapping("gpt-4", "gpt-6-sol", "")),
        ("ft:gpt-4:me=gpt-6-sol", Mapping("ft:gpt-4:me", "gpt-6-sol", "")),
    ],
)
def test_an_entry_is_a_pattern_a_model_and_perhaps_an_effort(entry: str, rule: Mapping) -> None:
    assert parse([entry]) == ModelMap((rule,))


@pytest.mark.parametrize("entry", ["", "gpt-4", "=gpt-6-sol", "gpt-4=", "gpt-4=:low", " = "])
def test_an_entry_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is not PATTERN=MODEL") as e:
        parse(["a=b", entry])
    assert repr(entry) in str(e.value)


@pytest.mark.parametrize(
    "entries, asked, model, effort",
    [
        ([], "gpt-4.1", "gpt-4.1", None),
        (["gpt-4.1=gpt-6-luna"], "gpt-4.1", "gpt-6-luna", None),
        (["gpt-4.1=gpt-6-luna"], "gpt-4.1-mini", "gpt-4.1-mini", None),
        (["gpt-4*=gpt-6-luna"], "gpt-4.1-mini", "gpt-6-luna", None),
        (["gpt-4*=gpt-6-luna"], "GPT-4.1", "GPT-4.1", None),
        (["gpt-4.1=first", "gpt-4*=second", "*=third"], "gpt-4.1", "first", None),
        (["gpt-4.1=first", "gpt-4*=second", "*=third"], "gpt-4o", "second", None),
        (["gpt-4.1=first", "gpt-4*=second", "*=third"], "o3", "third", None),
        (["*=gpt-6-sol:low"], "o3", "gpt-6-sol", "low"),
        (["gpt-6-sol=gpt-6-sol:low"], "gpt-6-sol", "gpt-6-sol", "low"),
    ],
)
def test_the_first_pattern_that_matches_wins(entries: list[str], asked: str, model: str, effort: str | None) -> None:
    body, _ = mapped(entries, {"model": asked})
    assert body == {"model": model} | ({"reasoning": {"effort": effort}} if effort else {})


@pytest.mark.parametrize(
    "reasoning, becomes",
    [
        ({}, {"effort": "low"}),
        (None, {"effort": "low"}),
        ({"summary": "auto"}, {"summary": "auto", "effort": "low"}),
        ({"effort": None}, {"effort": "low"}),
        ({"effort": "high"}, {"effort": "high"}),
        ("odd", "odd"),
    ],
)
def test_an_effort_is_put_in_only_where_the_client_asks_for_none(reasoning: Any, becomes: Any) -> None:
    body, _ = mapped(["*=m:low"], {"model": "x", "reasoning": reasoning})
    assert body["reasoning"] == becomes


def test_every_change_of_a_map_names_the_pattern() -> None:
    raw = msgspec.json.decode(b'{"model":"gpt-4o"}', type=dict[str, msgspec.Raw])
    changes = parse(["gpt-4*=gpt-6-sol:low"]).apply(raw)
    assert [change.short for change in changes] == ["model gpt-4o → gpt-6-sol", "reasoning.effort set to low"]
    assert {change.why for change in changes} == {"codex_model_map: gpt-4*"}


def test_a_model_mapped_to_itself_changes_in_its_effort_alone() -> None:
    assert mapped(["m=m:low"], {"model": "m"})[1] == ["reasoning.effort set to low"]


@pytest.mark.parametrize("model", [5, None, ["a"], {}])
def test_a_model_that_is_no_name_is_left_to_the_backend(model: Any) -> None:
    assert mapped(["*=m:low"], {"model": model}) == ({"model": model}, [])


def test_a_body_without_a_model_is_left_to_the_backend() -> None:
    assert mapped(["*=m"], {"input": []}) == ({"input": []}, [])


def test_without_a_map_nothing_happens() -> None:
    raw = {"model": msgspec.Raw(b'"a"')}
    assert UNMAPPED.apply(raw) == [] and raw == {"model": msgspec.Raw(b'"a"')}
