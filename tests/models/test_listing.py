import msgspec
import openai.types
import pytest

from codex_proxy.errors import ProxyError
from codex_proxy.models.catalogue import Catalogue, Model, parse
from codex_proxy.models.listing import entry, hint, listing, one
from codex_proxy.models.name_map import UNMAPPED
from codex_proxy.models.name_map import parse as parse_map
from codex_proxy.models.names import meaning
from standin.world.catalogue import listing as backends

KNOWN = parse(backends("plus", "0.169.0")[0], "mark", "plus")
LOCKED = Catalogue({"a-1": Model("a-1"), "a-2": Model("a-2", plans=("pro",))}, plan="plus")


def test_an_entry_has_what_clients_read() -> None:
    assert entry(KNOWN.models["gpt-6-sol"]) == {
        "id": "gpt-6-sol",
        "object": "model",
        "created": 0,
        "owned_by": "openai",
        "provider": "openai",
        "type": "model",
        "display_name": "GPT-6-sol",
        "description": "gpt-6-sol of the stand-in.",
        "context_length": 272_000,
        "max_context_length": 872_000,
        "supported_reasoning_efforts": ["low", "medium", "high", "xhigh", "max", "ultra"],
        "default_reasoning_effort": "medium",
        "input_modalities": ["text", "image"],
        "output_modalities": ["text"],
    }
    assert entry(KNOWN.models["gpt-5.5"])["upgrade"] == "gpt-6-sol"
    assert entry(Model("a", max_output=128_000))["max_output_tokens"] == 128_000


def test_what_is_not_known_is_left_out() -> None:
    assert entry(Model("a")) == {
        "id": "a", "object": "model", "created": 0, "owned_by": "openai", "provider": "openai", "type": "model", "display_name": "a",
        "output_modalities": ["text"],
    }  # fmt: skip


def test_the_sdk_of_openai_takes_it() -> None:
    for each in listing(KNOWN, variants=True)["data"]:
        model = openai.types.Model.model_validate(each, strict=True)
        assert (model.object, model.created, model.owned_by) == ("model", 0, "openai")


def letta(answer: bytes) -> dict[str, int]:
    """What Letta's server takes from a list: `data` or a bare list, `id`, and `context_length` if it is over 0."""
    response = msgspec.json.decode(answer)
    data = response.get("data", response)
    assert isinstance(data, list)
    return {model["id"]: int(model["context_length"]) for model in data if "id" in model and model["context_length"]}


def test_letta_finds_each_model_with_its_size() -> None:
    sizes = letta(msgspec.json.encode(listing(KNOWN, variants=False)))
    assert list(sizes) == [model.slug for model in KNOWN.listed()]
    assert (sizes["gpt-6-sol"], sizes["gpt-6.1-terra"]) == (272_000, 500_000)


def test_hidden_models_and_those_of_other_plans_are_left_out() -> None:
    listed = [each["id"] for each in listing(KNOWN, variants=False)["data"]]
    assert "gpt-6-sol" in listed and "codex-auto-review" not in listed
    assert [each["id"] for each in listing(LOCKED, variants=False)["data"]] == ["a-1"]


def test_variants_stand_below_their_model() -> None:
    known = Catalogue({"a": Model("a", name="A", efforts=("low", "high"), default_effort="low"), "b": Model("b")})
    assert [each["id"] for each in listing(known, variants=True)["data"]] == ["a", "a-low", "a-high", "b"]
    variant = listing(known, variants=True)["data"][2]
    assert (variant["display_name"], variant["parent"]) == ("A (high)", "a")
    assert (variant["supported_reasoning_efforts"], variant["default_reasoning_effort"]) == (["high"], "high")
    # Each can be asked for.
    for each in listing(KNOWN, variants=True)["data"]:
        assert one(each["id"], KNOWN, UNMAPPED) == each


@pytest.mark.parametrize(
    "name, model",
    [
        ("gpt-6-sol", "gpt-6-sol"),
        ("openai/gpt-6-sol", "gpt-6-sol"),
        ("gpt-6-sol(high)", "gpt-6-sol"),
        ("gpt-4.1", "gpt-6-luna"),
        ("codex-auto-review", "codex-auto-review"),
    ],
)
def test_one_is_what_a_request_of_that_name_would_get(name: str, model: str) -> None:
    found = one(name, KNOWN, parse_map(["gpt-4*=gpt-6-luna"]))
    assert found["id"] == name and found.get("parent", name) == model
    assert found.get("visibility") == ("hide" if model == "codex-auto-review" else None)


def test_another_is_openais_404_with_the_names_that_come_near() -> None:
    with pytest.raises(ProxyError) as e:
        one("gpt-6-soll", KNOWN, UNMAPPED)
    assert (e.value.status, e.value.code, e.value.kind) == (404, "model_not_found", "invalid_request_error")
    assert "The model 'gpt-6-soll' is not" in e.value.message and "subscription: gpt-6-sol, " in e.value.message


def test_one_of_another_plan_says_so() -> None:
    with pytest.raises(ProxyError) as e:
        one("a-2", LOCKED, UNMAPPED)
    assert (
        "available to other plans than this login's (plus). Similar models of this subscription: a-1;"
        in e.value.message
    )


@pytest.mark.parametrize(
    "name, asked, typed",
    [
        ("gpt-9", "", "--set codex_model_map=gpt-9=gpt-6-sol"),
        ("gpt-9", "mine", "--set codex_model_map=mine=gpt-6-sol"),
        ("gpt-9", "openai/gpt-9", "--set codex_model_map=gpt-9=gpt-6-sol"),
        ("gpt-9:high", "", "--set codex_model_map=gpt-9:high=gpt-6-sol"),
        ("gpt 9; rm", "", ""),
        ("gpt-*", "", ""),
        ("a=b", "", ""),
    ],
)
def test_the_line_to_type_is_told_where_it_can_be_typed(name: str, asked: str, typed: str) -> None:
    told = hint(name, Catalogue({"gpt-6-sol": Model("gpt-6-sol")}), asked)
    assert ("--set" in told) == bool(typed) and told.endswith(typed)
    if typed:
        rule = parse_map([typed.partition("codex_model_map=")[2]])
        assert meaning(asked or name, rule, KNOWN).model == "gpt-6-sol"


def test_the_reason_stands_before_the_names() -> None:
    with pytest.raises(ProxyError, match=r"of this subscription\. So it is\. Similar models"):
        one("gpt-9", KNOWN, UNMAPPED, " So it is.")


def test_where_nothing_is_known_there_is_no_hint() -> None:
    assert hint("gpt-6-sol", Catalogue()) == ""
