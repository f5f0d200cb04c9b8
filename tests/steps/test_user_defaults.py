"""Options of what goes up where a client says nothing."""

from pathlib import Path

import pytest
from mitmproxy import exceptions
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.request import user_defaults
from codex_proxy.steps.user_defaults import UserDefaults

WRONG = [
    ("codex_effort", "hihg", "codex_effort='hihg'; allowed: low, medium, high, xhigh, max, ultra, or empty"),
    ("codex_summary", "none", "codex_summary='none'; allowed: auto"),
    ("codex_verbosity", "x", "codex_verbosity='x'"),
    ("codex_instructions", "nope.md", "codex_instructions: nope.md can't be read"),
    ("codex_instructions", "http://example.org/x", "codex_instructions: 'http://example.org/x' could be changed"),
]


@pytest.mark.parametrize("name, value, says", WRONG)
async def test_a_wrong_option_is_told_and_the_old_value_stays(name: str, value: str, says: str) -> None:
    with taddons.context(Options(), defaults := UserDefaults()) as tctx:
        with pytest.raises(exceptions.OptionsError, match="^" + says.replace("(", r"\(")):
            tctx.configure(defaults, **{name: value})
        assert await defaults.now() == user_defaults.NOTHING


async def test_what_is_wanted_follows_the_options(tmp_path: Path) -> None:
    text = tmp_path / "a.md"
    text.write_text("Be brief.")
    with taddons.context(Options(), defaults := UserDefaults()) as tctx:
        tctx.configure(defaults, codex_effort="low", codex_instructions=str(text))
        assert await defaults.now() == user_defaults.UserDefaults("low", instructions="Be brief.")
        tctx.configure(defaults, codex_instructions="model")
        assert await defaults.now() == user_defaults.UserDefaults("low", of_model=True)
        tctx.configure(defaults, codex_instructions="none", codex_effort="")
        assert await defaults.now() == user_defaults.NOTHING
