import re
from typing import Any

import pytest
from mitmproxy import exceptions

from codex_proxy.steps.patching import Patching

from .flows import configure

pytestmark = pytest.mark.usefixtures("context")


@pytest.mark.parametrize(
    ("options", "limit", "full", "model"),
    [
        ({}, 128 << 20, True, "gpt-4.1"),
        ({"codex_patch": "full"}, 128 << 20, True, "gpt-4.1"),
        ({"codex_patch": "store"}, 128 << 20, False, "gpt-4.1"),
        ({"codex_body_limit": "500k"}, 500 << 10, True, "gpt-4.1"),
        ({"codex_body_limit": "1g"}, 1 << 30, True, "gpt-4.1"),
        ({"codex_model_map": ["gpt-4*=gpt-6-luna"]}, 128 << 20, True, "gpt-6-luna"),
        ({"codex_patch": "store", "codex_model_map": ["*=gpt-6-sol"]}, 128 << 20, False, "gpt-6-sol"),
    ],
)
def test_the_options_say_how_bodies_are_patched(options: dict[str, Any], limit: int, full: bool, model: str) -> None:
    patching = Patching()
    configure(patching, **options)
    mapped = patching.options.models.find("gpt-4.1")
    assert (patching.limit, patching.options.full) == (limit, full)
    assert (mapped.model if mapped else "gpt-4.1") == model


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"codex_patch": "most"}, "codex_patch='most'; allowed: full or store"),
        ({"codex_body_limit": ""}, "codex_body_limit='' is not a size"),
        ({"codex_body_limit": "0"}, "codex_body_limit='0' is not a size"),
        ({"codex_body_limit": "-1"}, "codex_body_limit='-1' is not a size"),
        ({"codex_body_limit": "much"}, "codex_body_limit='much' is not a size"),
        ({"codex_model_map": ["gpt-4"]}, "codex_model_map: 'gpt-4' is not PATTERN=MODEL"),
        ({"codex_model_map": ["=gpt-6-sol"]}, "codex_model_map: '=gpt-6-sol' is not PATTERN=MODEL"),
        ({"codex_model_default": "a=b"}, "codex_model_default: 'a=b' is not MODEL"),
    ],
)
def test_what_can_not_be_is_refused_with_a_sentence(options: dict[str, Any], says: str) -> None:
    with pytest.raises(exceptions.OptionsError, match=re.escape(says)):
        configure(Patching(), **options)


@pytest.mark.parametrize(
    ("options", "aliases"),
    [({"codex_patch": "full"}, True), ({"codex_model_aliases": False}, False), ({"codex_model_default": "m"}, True)],
)
def test_names_of_no_subscription_are_understood_unless_it_is_turned_off(
    options: dict[str, Any], aliases: bool
) -> None:
    configure(patching := Patching(), **options)
    assert patching.options.models.aliases is aliases


def test_too_large_says_the_limit_as_it_was_written() -> None:
    configure(patching := Patching(), codex_body_limit="500k")
    error = patching.too_large()
    assert (error.status, error.code) == (413, "body_too_large") and "500k" in error.message
