import pytest

from codex_proxy.models.catalogue import UNKNOWN, Catalogue, Model
from codex_proxy.models.dated_list import CATALOGUE, RETIRED
from codex_proxy.models.old_names import family, is_whole, may_be_new, stand_in

FAMILIES = [
    ("gpt-4.1", "default"), ("gpt-4.1-2025-04-14", "default"), ("gpt-4", "default"), ("gpt-4-turbo", "default"), ("gpt-4o", "default"),
    ("chatgpt-4o-latest", "default"), ("gpt-5", "default"), ("gpt-5-codex", "default"), ("gpt-5.1", "default"),
    ("gpt-5.1-codex", "default"), ("gpt-5.1-codex-max", "default"), ("gpt-5.2-codex", "default"), ("gpt-5.3-codex", "default"),
    ("o1", "default"), ("o3", "default"), ("o3-pro", "default"),
    ("gpt-3.5-turbo", "small"), ("gpt-4.1-mini", "small"), ("gpt-4.1-nano", "small"), ("gpt-4o-mini", "small"),
    ("gpt-4o-mini-2024-07-18", "small"), ("gpt-5-mini", "small"), ("gpt-5-nano", "small"), ("gpt-5-mini-2025-08-07", "small"),
    ("gpt-5-codex-mini", "small"), ("gpt-5.1-codex-mini", "small"), ("gpt-5.4-mini", "small"), ("gpt-5.4-nano", "small"),
    ("codex-mini-latest", "small"), ("o1-mini", "small"), ("o3-mini", "small"), ("o4-mini", "small"),
    # What may be new, or is nobody's.
    ("gpt-5.5", ""), ("gpt-5.5-mini", ""), ("gpt-5.6-luna", ""), ("gpt-6-mini", ""), ("gpt-50", ""), ("gpt-5.10", ""), ("gpt-7", ""),
    ("gpt-40", ""), ("o5", ""), ("o5-mini", ""), ("claude-opus", ""), ("GPT-4.1", ""), ("", ""),
]  # fmt: skip


@pytest.mark.parametrize("name, size", FAMILIES)
def test_a_name_is_of_a_family_or_of_none(name: str, size: str) -> None:
    assert family(name) == size


def test_nothing_of_the_dated_list_is_of_a_family() -> None:
    assert [slug for slug in CATALOGUE.models if family(slug)] == []
    assert {size for _, size in RETIRED} == {"small", "default"}


@pytest.mark.parametrize("name, whole", [("gpt-5.1-codex-max", True), ("gpt-5.1-codex", False), ("gpt-5-high", False)])
def test_a_word_at_the_end_may_be_of_the_name(name: str, whole: bool) -> None:
    assert is_whole(name) is whole


def account(*models: Model, plan: str = "") -> Catalogue:
    return Catalogue({model.slug: model for model in models}, plan=plan)


FIRST, SMALL, LAST = Model("gpt-8-sol"), Model("gpt-8-luna"), Model("gpt-7-mini")


@pytest.mark.parametrize(
    "known, name, model",
    [
        (account(FIRST, SMALL, LAST), "gpt-4.1", "gpt-8-sol"),
        (account(FIRST, SMALL, LAST), "gpt-5-mini", "gpt-8-luna"),
        (account(FIRST, LAST, SMALL), "gpt-5-mini", "gpt-7-mini"),
        (account(FIRST), "gpt-5-mini", "gpt-8-sol"),
        (account(Model("gpt-8-luna", hidden=True), FIRST, LAST), "gpt-5-mini", "gpt-7-mini"),
        (account(Model("gpt-8-sol", plans=("pro",)), SMALL, plan="plus"), "gpt-4.1", "gpt-8-luna"),
        (account(FIRST, Model("gpt-8-minister")), "gpt-5-mini", "gpt-8-sol"),
        # The account has it, hidden or not.
        (account(FIRST, Model("gpt-5-mini", hidden=True)), "gpt-5-mini", None),
        (account(FIRST), "gpt-9", None),
        (account(Model("a", hidden=True)), "gpt-4.1", None),
        (UNKNOWN, "gpt-4.1", None),
    ],
)
def test_one_of_the_account_answers(known: Catalogue, name: str, model: str | None) -> None:
    found = stand_in(name, known)
    assert (found and found.slug) == model


@pytest.mark.parametrize(
    "name, new",
    [
        ("gpt-8.1-sol", True), ("gpt-9", True), ("gpt-10", True), ("gpt-8-sol-pro", True), ("gpt-daybreak-green-latest", True),
        ("codex-2", True), ("o5", True), ("gpt-7.9-sol", False), ("gpt-6-sol", False), ("gpt-4.1", False), ("codex-mini-latest", False),
        ("o3", False), ("claude-opus", False), ("llama", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_younger_than_the_list_may_be_new(name: str, new: bool) -> None:
    assert may_be_new(name, account(FIRST, SMALL, LAST, Model("codex-auto-review"))) is new
