import re
from collections.abc import Sequence
from typing import Any

import pytest

from codex_proxy.request import user_defaults
from codex_proxy.walk.options import CHOICES, OPTIONS, Option

KINDS: dict[Any, type] = {str: str, bool: bool, Sequence[str]: list}


def test_each_name_stands_there_once() -> None:
    names = [option.name for option in OPTIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_is_one_of_ours_with_a_default_of_its_kind_and_a_sentence(option: Option) -> None:
    assert re.fullmatch(r"codex(_[a-z]+)+", option.name)
    assert type(option.default) is KINDS[option.kind]
    assert option.help.endswith(".") and option.help == " ".join(option.help.split())


@pytest.mark.parametrize("name, words", [*CHOICES.items()], ids=[*CHOICES])
def test_the_words_that_can_be_chosen_are_those_of_the_rules_and_stand_in_the_help(
    name: str, words: Sequence[str]
) -> None:
    (option,) = [option for option in OPTIONS if option.name == name]
    assert words in (user_defaults.EFFORTS, user_defaults.SUMMARIES, user_defaults.VERBOSITIES)
    assert option.default == "" and all(word in option.help for word in words)
