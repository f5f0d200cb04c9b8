"""What is said of an option that is wrong, where no single step has it."""

import re
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options, check_given


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"codex_upstream": "ftp://x"}, "codex_upstream: 'ftp://x' is not an http(s) address"),
        ({"codex_upstream": "http://example.com/x"}, "codex_upstream: 'http://example.com/x' would send the token unencrypted"),
        ({"codex_upstream": "https://me:made-up@a.example"}, "has more than scheme, host, port and path"),
        ({"codex_issuer": "x"}, "codex_issuer: 'x' is not an http(s) address"),
        ({"codex_originator": "two\nlines"}, "can't be a header"),
        ({"codex_originator": ""}, "can't be a header"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_with_a_sentence(options: dict[str, str], says: str) -> None:
    with taddons.context(Options(), loadcore=False) as context:
        (name,) = options
        before = getattr(context.options, name)
        with pytest.raises(exceptions.OptionsError, match=re.escape(says)):
            context.options.update(**options)
        assert getattr(context.options, name) == before


@pytest.mark.parametrize("name, refused", [("codex_upstrem", True), ("codex_", True), ("somebody_elses", False)])
def test_a_name_that_is_not_known_is_refused_if_it_is_of_ours(name: str, refused: bool) -> None:
    with taddons.context(options := Options(), loadcore=False) as context:
        context.options.set(f"{name}=x", defer=True)
        if not refused:
            options.configure(set())
            return
        with pytest.raises(
            exceptions.OptionsError, match=rf"There is no option {name}\. Known options: .*codex_upstream"
        ):
            options.configure(set())


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (bool, ["true"], None),
        (bool, ["yes"], "codex_x=yes; allowed: true, false"),
        (bool, ["true", "false"], "codex_x=true and false; allowed: true, false"),
        (str, ["a"], None),
        (str, ["a", "b"], "codex_x is given 2 times"),
        (str, [], "codex_x has no value"),
    ],
)
def test_a_value_that_an_option_can_not_have_ends_the_start(kind: Any, given: list[str], says: str | None) -> None:
    with taddons.context(loadcore=False) as context:
        context.options.set(*[f"codex_x={value}" for value in given] or ["codex_x"], defer=True)
        if says is None:
            check_given("codex_x", kind)
            return
        with pytest.raises(SystemExit, match=re.escape(says)):
            check_given("codex_x", kind)
