import json
from typing import Any

import msgspec
import pytest

from codex_proxy.models.catalogue import Catalogue, Model
from codex_proxy.request.body_rules import PatchOptions, patch
from codex_proxy.request.user_defaults import NOTHING, UserDefaults, apply

MODEL = Model("m", efforts=("low", "high"), instructions="Be good.")
ALL = UserDefaults("high", "auto", "low", "Be brief.")


def applied(
    defaults: UserDefaults, body: dict[str, Any], model: Model | None = MODEL, lite: bool = False
) -> tuple[dict[str, Any], list[str]]:
    raw = msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])
    changes = apply(raw, defaults, model, lite)
    return json.loads(msgspec.json.encode(raw)), [change.short for change in changes]


def test_each_is_put_in_where_nothing_is_said_and_told() -> None:
    body, told = applied(ALL, {})
    assert body == {
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"verbosity": "low"},
        "instructions": "Be brief.",
    }
    assert told == [
        "reasoning.effort set to high", "reasoning.summary set to auto", "text.verbosity set to low",
        "instructions set to 9 characters",
    ]  # fmt: skip


SAID = [
    ({"reasoning": {"effort": "low", "summary": "none"}, "text": {"verbosity": "high"}, "instructions": "x"}, {}),
    ({"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low", "summary": "auto"}}),
    ({"reasoning": {"effort": None}}, {"reasoning": {"effort": "high", "summary": "auto"}}),
    ({"reasoning": None, "text": None}, {"reasoning": {"effort": "high", "summary": "auto"}, "text": {"verbosity": "low"}}),
    ({"text": {"format": {"type": "text"}}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
    ({"reasoning": "odd", "text": [1]}, {}),
    ({"instructions": ""}, {"instructions": "Be brief."}),
    ({"instructions": None}, {"instructions": "Be brief."}),
    ({"instructions": " "}, {}),
]  # fmt: skip


@pytest.mark.parametrize("body, changed", SAID)
def test_what_the_client_says_stays(body: dict[str, Any], changed: dict[str, Any]) -> None:
    after, _ = applied(ALL, body)
    assert {name: after[name] for name in body} == {**body, **changed}


@pytest.mark.parametrize(
    "model, lacks",
    [
        (Model("m", efforts=("low",)), "reasoning.effort"),
        (Model("m", takes_summary=False), "reasoning.summary"),
        (Model("m", takes_verbosity=False), "text.verbosity"),
        (None, ""),
        (Model("m"), ""),
    ],
)
def test_what_the_model_lacks_is_not_put_in(model: Model | None, lacks: str) -> None:
    told = {change.split(" ")[0] for change in applied(ALL, {}, model)[1]}
    assert {"reasoning.effort", "reasoning.summary", "text.verbosity", "instructions"} - told == (
        {lacks} if lacks else set()
    )


@pytest.mark.parametrize(
    "model, lite, instructions",
    [(MODEL, False, "Be good."), (MODEL, True, None), (None, False, None), (Model("m"), False, None)],
)
def test_the_models_own_instructions(model: Model | None, lite: bool, instructions: str | None) -> None:
    body, _ = applied(UserDefaults(of_model=True), {"model": "m"}, model, lite)
    assert body.get("instructions") == instructions


def test_nothing_wanted_nothing_done() -> None:
    assert applied(NOTHING, {}) == ({}, [])


def patched(body: dict[str, Any], **options: Any) -> tuple[dict[str, Any], list[str]]:
    result = patch(json.dumps({"model": "m", "input": "hi", **body}).encode(), PatchOptions(**options))
    return json.loads(result.body or b""), [change.short for change in result.changes]


def test_the_order_is_name_then_person_then_backend() -> None:
    known = Catalogue({"m": Model("m", efforts=("low", "ultra"), instructions="Be good.")})
    sent, told = patched({"model": "x/m-ultra"}, catalogue=known, defaults=UserDefaults("low", "auto", of_model=True))
    # An effort in the name is said; `ultra` goes up as the backend knows it; the backend's own default comes last.
    assert sent["model"] == "m" and sent["reasoning"] == {"effort": "max", "summary": "auto"}
    assert sent["instructions"] == "Be good." and "instructions set to empty" not in told


def test_a_summary_that_the_client_does_not_want_is_not_put_in() -> None:
    assert patched({"reasoning": {"summary": "none"}}, defaults=UserDefaults(summary="auto"))[0]["reasoning"] == {}


def test_with_store_alone_nothing_else_is_put_in() -> None:
    assert patched({}, full=False, defaults=ALL)[1] == ["store set to false"]
