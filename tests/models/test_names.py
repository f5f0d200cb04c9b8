import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_proxy.errors import ProxyError
from codex_proxy.models.catalogue import UNKNOWN, Catalogue, Model
from codex_proxy.models.name_map import UNMAPPED, parse
from codex_proxy.models.names import alias_in, apply, meaning, needs_catalogue

from ..properties import examples

# No entries, and the aliases are on.
ALIASES: list[str] = []

EFFORTS = ("low", "medium", "high", "xhigh", "max")
KNOWN = Catalogue(
    {
        model.slug: model
        for model in (
            Model("gpt-6-sol", efforts=(*EFFORTS, "ultra")),
            Model("gpt-6-luna", efforts=EFFORTS),
            Model("gpt-6", efforts=("low", "high")),
            Model("gpt-6-high", efforts=("low",)),
            Model("gpt-6-plain"),
            Model("gpt-reserve", efforts=EFFORTS, hidden=True),
        )
    }
)


def applied(
    entries: list[str], body: dict[str, Any], known: Catalogue = KNOWN, default: str = ""
) -> tuple[dict[str, Any], list[str]]:
    raw = msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])
    changes = apply(raw, parse(entries, default), known)
    return json.loads(msgspec.json.encode(raw)), [change.short for change in changes]


NAMES = [
    ("gpt-6-sol", "gpt-6-sol", ""),
    ("gpt-6-sol-high", "gpt-6-sol", "high"),
    ("gpt-6-sol:high", "gpt-6-sol", "high"),
    ("gpt-6-sol(high)", "gpt-6-sol", "high"),
    ("gpt-6-sol-ultra", "gpt-6-sol", "ultra"),
    ("gpt-reserve-low", "gpt-reserve", "low"),
    ("openai/gpt-6-sol", "gpt-6-sol", ""),
    ("letta/gpt-6-sol", "gpt-6-sol", ""),
    ("openai-codex/gpt-6-sol:low", "gpt-6-sol", "low"),
    ("openrouter/openai/gpt-6-sol-low", "gpt-6-sol", "low"),
    # The account has a model of the whole name, so there is no effort in it; nor is one that the model lacks.
    ("gpt-6-high", "gpt-6-high", ""),
    ("gpt-6-high-low", "gpt-6-high", "low"),
    ("gpt-6-luna-ultra", "gpt-6-luna-ultra", ""),
    ("gpt-6-high-high", "gpt-6-high-high", ""),
    ("gpt-6-plain-high", "gpt-6-plain-high", ""),
    ("gpt-6-sol-none", "gpt-6-sol-none", ""),
    ("gpt-6-sol-High", "gpt-6-sol-High", ""),
    ("gpt-6-sol(high", "gpt-6-sol(high", ""),
    ("gpt-6-sol--high", "gpt-6-sol--high", ""),
    ("gpt-7-sol", "gpt-7-sol", ""),
    ("gpt-7-sol-high", "gpt-7-sol-high", ""),
    ("openai/", "openai/", ""),
    ("-high", "-high", ""),
]


@pytest.mark.parametrize("name, model, effort", NAMES)
def test_a_name_stands_for_a_model_and_perhaps_an_effort(name: str, model: str, effort: str) -> None:
    for models in (UNMAPPED, parse(["o3=gpt-6-luna"])):
        assert meaning(name, models, KNOWN)[:2] == (model, effort)


@pytest.mark.parametrize("name, model, _", NAMES)
def test_without_a_catalogue_only_what_stands_in_front_comes_off(name: str, model: str, _: str) -> None:
    assert meaning(name, UNMAPPED, UNKNOWN)[:2] == (name.rpartition("/")[2] or name, "")


def test_a_name_of_the_catalogue_with_a_slash_stays() -> None:
    for models in (UNMAPPED, parse(["o3=gpt-6-luna"])):
        assert meaning("a/b", models, Catalogue({"a/b": Model("a/b")})).model == "a/b"


@pytest.mark.parametrize(
    "reasoning, becomes",
    [
        (None, {"effort": "high"}),
        ({}, {"effort": "high"}),
        ({"summary": "auto"}, {"summary": "auto", "effort": "high"}),
        ({"effort": "low"}, {"effort": "high"}),
        ("odd", "odd"),
    ],
)
def test_an_effort_in_the_name_holds_against_the_bodys(reasoning: Any, becomes: Any) -> None:
    body, _ = applied([], {"model": "gpt-6-sol-high", "reasoning": reasoning})
    assert body == {"model": "gpt-6-sol", "reasoning": becomes}


def test_both_changes_are_told() -> None:
    told = ["model openai/gpt-6-sol:high → gpt-6-sol", "reasoning.effort low → high"]
    assert applied([], {"model": "openai/gpt-6-sol:high", "reasoning": {"effort": "low"}})[1] == told
    assert applied([], {"model": "gpt-6-sol-high", "reasoning": {"effort": "high"}})[1] == [
        "model gpt-6-sol-high → gpt-6-sol"
    ]


@pytest.mark.parametrize(
    "entries, name, model, effort",
    [
        ([], "gpt-4.1", "gpt-4.1", None),
        (["gpt-4.1=gpt-6-luna"], "gpt-4.1", "gpt-6-luna", None),
        (["gpt-4.1=gpt-6-luna"], "gpt-4.1-mini", "gpt-4.1-mini", None),
        (["gpt-4*=gpt-6-luna"], "gpt-4.1-mini", "gpt-6-luna", None),
        (["gpt-4*=gpt-6-luna"], "GPT-4.1", "GPT-4.1", None),
        (["gpt-4*=gpt-6-luna"], "openai/gpt-4.1", "gpt-6-luna", None),
        (["openai/*=gpt-6-luna", "gpt-4*=gpt-6-sol"], "openai/gpt-4.1", "gpt-6-luna", None),
        (["gpt-4.1=gpt-6-luna", "*=gpt-6-sol:low"], "openai/gpt-4.1", "gpt-6-luna", None),
        (["gpt-4*=gpt-6-luna", "openai/*=gpt-6-sol"], "letta/openai/gpt-4.1", "gpt-6-luna", None),
        (["openai/gpt-4.1=gpt-6-luna", "*=gpt-6-sol"], "gpt-4.1", "gpt-6-sol", None),
        (["gpt-4.1=first", "gpt-4*=second", "*=third"], "gpt-4.1", "first", None),
        (["gpt-4.1=first", "gpt-4*=second", "*=third"], "gpt-4o", "second", None),
        (["gpt-4.1=first", "gpt-4*=second", "*=third"], "o3", "third", None),
        (["*=gpt-6-sol:low"], "o3", "gpt-6-sol", "low"),
        (["*=gpt-6-sol-low"], "o3", "gpt-6-sol", "low"),
        (["gpt-6-sol=gpt-6-sol:low"], "gpt-6-sol", "gpt-6-sol", "low"),
        (["gpt-4*=hidden-new"], "gpt-4.1", "hidden-new", None),
        (["gpt-4*=gpt-6-luna"], "gpt-6-sol-high", "gpt-6-sol", "high"),
    ],
)
def test_the_map_comes_first(entries: list[str], name: str, model: str, effort: str | None) -> None:
    body, _ = applied(entries, {"model": name})
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
def test_an_effort_of_the_map_is_put_in_only_where_the_client_asks_for_none(reasoning: Any, becomes: Any) -> None:
    body, _ = applied(["*=m:low"], {"model": "x", "reasoning": reasoning})
    assert body["reasoning"] == becomes


def test_every_change_of_a_map_names_the_pattern() -> None:
    raw = {"model": msgspec.Raw(b'"gpt-4o"')}
    changes = apply(raw, parse(["gpt-4*=gpt-6-sol:low"]), UNKNOWN)
    assert [change.short for change in changes] == ["model gpt-4o → gpt-6-sol", "reasoning.effort set to low"]
    assert {change.why for change in changes} == {"codex_model_map: gpt-4*"}


def test_a_model_mapped_to_itself_changes_in_its_effort_alone() -> None:
    assert applied(["m=m:low"], {"model": "m"})[1] == ["reasoning.effort set to low"]


@pytest.mark.parametrize(
    "known, name, model",
    [
        (KNOWN, "gpt-4.1", "gpt-6-luna"),
        (KNOWN, "openai/gpt-4.1", "gpt-6-luna"),
        (KNOWN, "gpt-6-luna-ultra", "gpt-6-luna"),
        (KNOWN, "gpt-6-sol", "gpt-6-sol"),
        (KNOWN, "gpt-reserve", "gpt-reserve"),
        (KNOWN, "claude-opus", "gpt-6-luna"),
        (KNOWN, "gpt-5.6-sol", "gpt-6-luna"),
        (UNKNOWN, "gpt-4.1", "gpt-4.1"),
        # Merely newer than the list.
        (KNOWN, "gpt-7", "gpt-7"),
        (KNOWN, "openai/gpt-6.1-sol", "gpt-6.1-sol"),
        (KNOWN, "gpt-7-high", "gpt-7-high"),
    ],
)
def test_a_default_stands_for_what_the_account_does_not_have(known: Catalogue, name: str, model: str) -> None:
    assert applied([], {"model": name}, known, "gpt-6-luna")[0] == {"model": model}


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}])
def test_a_default_stands_in_where_none_is_named(body: dict[str, Any]) -> None:
    changed = {"model": "gpt-6-luna", "reasoning": {"effort": "low"}}
    assert applied([], body, KNOWN, "gpt-6-luna:low") == (
        changed,
        ["model set to gpt-6-luna", "reasoning.effort set to low"],
    )
    # It needs no catalogue.
    assert applied([], body, UNKNOWN, "gpt-6-luna:low")[0] == changed


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}])
def test_a_missing_model_is_refused_in_openais_words(body: dict[str, Any]) -> None:
    for known in (KNOWN, UNKNOWN):
        with pytest.raises(ProxyError) as e:
            applied(["*=m"], body, known)
        error = json.loads(e.value.body())["error"]
        assert (e.value.status, error["type"], error["param"]) == (400, "invalid_request_error", "model")
        assert error["code"] == "missing_required_parameter"
        assert error["message"].startswith("Missing required parameter: 'model'.")


@pytest.mark.parametrize(
    "name, model, effort",
    [
        ("gpt-4.1", "gpt-6-sol", None),
        ("openai/gpt-4o-mini", "gpt-6-luna", None),
        ("gpt-5-codex-mini", "gpt-6-luna", None),
        ("gpt-5-high", "gpt-6-sol", "high"),
        ("gpt-5-mini:low", "gpt-6-luna", "low"),
        ("gpt-5-minimal", "gpt-6-sol", None),
        ("gpt-5-mini-ultra", "gpt-6-luna", None),
        ("gpt-5.1-codex-max", "gpt-6-sol", None),
        ("gpt-5.1-codex-max-high", "gpt-6-sol", "high"),
        ("gpt-7", "gpt-7", None),
        ("gpt-6-soll", "gpt-6-soll", None),
        ("claude-opus", "claude-opus", None),
    ],
)
def test_a_name_of_no_subscription_becomes_one_of_the_account(name: str, model: str, effort: str | None) -> None:
    raw = {"model": msgspec.Raw(msgspec.json.encode(name)), "reasoning": msgspec.Raw(b'{"effort":"medium"}')}
    told = apply(raw, parse([], aliases=True), KNOWN)
    assert msgspec.json.decode(raw["model"]) == model
    assert msgspec.json.decode(raw["reasoning"]) == {"effort": effort or "medium"}
    if model not in name:
        assert all(change.why.startswith("no subscription has gpt-") for change in told)
        assert all("codex_model_aliases=false" in change.why for change in told)


@pytest.mark.parametrize(
    "entries, default, aliases, known, model",
    [
        ([], "", True, KNOWN, "gpt-6-sol"),
        ([], "", False, KNOWN, "gpt-4.1"),
        ([], "", True, UNKNOWN, "gpt-4.1"),
        ([], "gpt-6-plain", True, KNOWN, "gpt-6-plain"),
        (["gpt-4*=gpt-6"], "gpt-6-plain", True, KNOWN, "gpt-6"),
        (["o3=gpt-6"], "", True, KNOWN, "gpt-6-sol"),
    ],
)
def test_what_the_user_set_comes_before_an_alias(
    entries: list[str], default: str, aliases: bool, known: Catalogue, model: str
) -> None:
    models = parse(entries, default, aliases)
    assert meaning("gpt-4.1", models, known).model == model
    told = alias_in({"model": msgspec.Raw(b'"gpt-4.1"')}, models, known)
    assert told == (("gpt-4.1", "gpt-6-sol") if model == "gpt-6-sol" else None)


def test_what_the_map_says_wins_over_the_default() -> None:
    assert applied(["gpt-4*=hidden-new"], {"model": "gpt-4.1"}, KNOWN, "gpt-6-luna")[0] == {"model": "hidden-new"}


@pytest.mark.parametrize("model", [5, ["a"], {}, True])
def test_a_model_that_is_no_name_is_left_to_the_backend(model: Any) -> None:
    assert applied(["*=m:low"], {"model": model}, KNOWN, "gpt-6-luna") == ({"model": model}, [])


@given(st.text("gpt-6sol(high):/ ", max_size=24))
@examples(300)
def test_a_name_is_never_made_one_the_account_does_not_have(name: str) -> None:
    meant = meaning(name, UNMAPPED, KNOWN)
    assert meant.model in KNOWN or (name.endswith(meant.model) and not meant.effort)
    if meant.effort:
        assert meant.effort in KNOWN.models[meant.model].efforts


@pytest.mark.parametrize(
    "entries, default, name, needs",
    [
        (ALIASES, "", "gpt-4.1", True),
        (ALIASES, "", "openai/gpt-5-mini", True),
        (ALIASES, "", "gpt-6-sol", False),
        (ALIASES, "", "gpt-7", False),
        ([], "", "gpt-4.1", False),
        ([], "", "gpt-6-sol", False),
        ([], "", "gpt-6-sol-high", True),
        ([], "", "gpt-6-sol:ultra", True),
        ([], "", "gpt-6-sol(low)", True),
        ([], "", "openai/gpt-6-sol", False),
        ([], "", "", False),
        ([], "gpt-6-luna", "gpt-6-sol", True),
        (["*=gpt-6-sol-low"], "", "gpt-4.1", True),
        (["gpt-4.1=gpt-6-sol", "*=gpt-6-sol-low"], "", "openai/gpt-4.1", False),
        (["*=gpt-6-sol"], "gpt-6-luna", "gpt-4.1", False),
        (["*=gpt-6-sol"], "", "gpt-4-high", False),
    ],
)
def test_a_catalogue_is_needed_for_names_that_may_have_an_effort(
    entries: list[str], default: str, name: str, needs: bool
) -> None:
    models = parse(entries, default, entries is ALIASES)
    assert needs_catalogue({"model": msgspec.Raw(msgspec.json.encode(name))}, models) == needs


@pytest.mark.parametrize("model", [b"", b"5", b"null", b'"\xff"'])
def test_what_is_no_name_needs_none(model: bytes) -> None:
    assert not needs_catalogue({"model": msgspec.Raw(model)}, UNMAPPED)
    assert alias_in({"model": msgspec.Raw(model)}, parse([], aliases=True), KNOWN) is None
