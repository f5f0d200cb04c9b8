import json
from typing import Any

import pytest

from codex_proxy.models.catalogue import UNKNOWN, Catalogue, Model, parse
from standin.world.catalogue import listing

from ..places import CAPTURES


def parsed(*entries: Any, plan: str = "") -> Catalogue:
    return parse(json.dumps({"models": entries}).encode(), 'W/"1"', plan)


def test_the_stand_ins_list_is_read_whole() -> None:
    known = parse(listing("plus", "0.169.0")[0], 'W/"1"', "plus")
    sol = known.models["gpt-6-sol"]
    assert (sol.name, sol.default_effort, sol.context, sol.max_context) == ("GPT-6-sol", "medium", 272_000, 872_000)
    assert sol.efforts == ("low", "medium", "high", "xhigh", "max", "ultra") and sol.modalities == ("text", "image")
    assert sol.instructions and sol.takes_summary and sol.takes_verbosity and sol.max_output is None
    assert "codex-auto-review" in known and known.models["codex-auto-review"].hidden
    assert "codex-auto-review" not in [model.slug for model in known.listed()]
    assert known.etag == 'W/"1"' and known.models["gpt-5.5"].successor == "gpt-6-sol"


ODD = [
    {}, 5, None, "gpt", {"slug": 5}, {"slug": ""},
]  # fmt: skip


def test_what_is_no_model_is_left_out() -> None:
    assert list(parsed(*ODD, {"slug": "a"}).models) == ["a"]


@pytest.mark.parametrize(
    "name, value",
    [
        ("supported_reasoning_levels", "high"), ("supported_reasoning_levels", [5, None, {"effort": 5}]), ("upgrade", "b"),
        ("context_window", "many"), ("context_window", True), ("context_window", -1), ("input_modalities", "text"),
        ("available_in_plans", None), ("priority", "first"), ("base_instructions", None), ("display_name", 5),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_not_known(name: str, value: Any) -> None:
    assert parsed({"slug": "a", "priority": 1, name: value}).models["a"] == Model(
        "a", priority=float("inf") if name == "priority" else 1
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"models": {}}', b'{"data": []}', b"\xff", b"[" * 5000])
def test_what_is_no_list_of_models_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="list of models"):
        parse(body)


def test_the_first_choice_stands_first() -> None:
    known = parsed({"slug": "c"}, {"slug": "b", "priority": 2}, {"slug": "a", "priority": 1})
    assert list(known.models) == ["a", "b", "c"]


@pytest.mark.parametrize("visibility, listed", [("list", True), ("hide", False), ("none", False), ("new", False)])
def test_only_what_is_visible_is_listed(visibility: str, listed: bool) -> None:
    assert bool(parsed({"slug": "a", "visibility": visibility}).listed()) == listed


@pytest.mark.parametrize(
    "plan, plans, listed",
    [("plus", ["plus", "pro"], True), ("free", ["plus"], False), ("", ["plus"], True), ("plus", [], True)],
)
def test_what_is_for_other_plans_is_not_listed(plan: str, plans: list[str], listed: bool) -> None:
    known = parsed({"slug": "a", "available_in_plans": plans}, plan=plan)
    assert bool(known.listed()) == listed == (not known.is_locked(known.models["a"]))


@pytest.mark.parametrize(
    "said, takes",
    [
        ({}, True), ({"supports_reasoning_summaries": True}, True), ({"supports_reasoning_summaries": False}, False),
        ({"supports_reasoning_summary_parameter": False}, False),
    ],
)  # fmt: skip
def test_a_summary_is_taken_unless_it_is_said_otherwise(said: dict[str, bool], takes: bool) -> None:
    assert parsed({"slug": "a", **said}).models["a"].takes_summary == takes


def test_an_effort_is_taken_where_none_are_named() -> None:
    assert Model("a").takes_effort("high") and not Model("a", efforts=("low",)).takes_effort("high")


def test_the_nearest_names_come_first_and_are_of_the_account() -> None:
    known = parsed(
        {"slug": "gpt-6-sol"}, {"slug": "gpt-6-luna"}, {"slug": "other"}, {"slug": "gpt-6-solx", "visibility": "hide"}
    )
    assert known.nearest("gpt-6-soll") == ["gpt-6-sol", "gpt-6-luna", "other"]
    assert known.nearest("gpt-6-sol") == ["gpt-6-luna", "other"]
    assert known.nearest("x" * 100_000, most=1) and UNKNOWN.nearest("a") == []


def test_nothing_is_known_of_a_model_that_is_not_there() -> None:
    assert not UNKNOWN and UNKNOWN.model("gpt-6-sol") is None and "gpt-6-sol" not in UNKNOWN


REAL = CAPTURES / "models-0.169.0.json"


def test_the_catalogue_of_the_official_client_is_read() -> None:
    known = parse(REAL.read_bytes())
    assert known.listed()[0].slug == "gpt-6.1-sol"
    assert all(model.efforts and model.context and model.modalities for model in known.listed())
