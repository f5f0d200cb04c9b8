import pytest

from codex_proxy.models.name_map import UNMAPPED, Mapping, ModelMap, parse


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
    "default, model, effort", [("gpt-6-luna", "gpt-6-luna", ""), (" gpt-6-sol : low", "gpt-6-sol", "low")]
)
def test_a_default_is_a_model_and_perhaps_an_effort(default: str, model: str, effort: str) -> None:
    assert parse([], default).default == Mapping("", model, effort)


@pytest.mark.parametrize("default", [" ", ":low", "*=gpt-6-sol"])
def test_a_default_that_is_none_is_named(default: str) -> None:
    with pytest.raises(ValueError, match=r"codex_model_default: .* is not MODEL"):
        parse([], default)


def test_the_first_pattern_that_matches_is_found() -> None:
    rules = parse(["gpt-4.1=first", "gpt-4*=second", "*=third"])
    found = [rules.find(name) for name in ("gpt-4.1", "gpt-4o", "o3")]
    assert [rule and rule.model for rule in found] == ["first", "second", "third"]
    assert rules.find("openai/gpt-4o", "gpt-4o") == rules.find("gpt-4o")
    assert UNMAPPED.find("gpt-4.1") is None
