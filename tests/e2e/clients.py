"""Programs of others that the tests start: those of `tests/clients`, where npm has put them, or of the PATH."""

import os
import shutil

import pytest

from ..places import ROOT

# The program itself: what npm puts on the PATH only starts it, and wants Node for that.
CODEX = list((ROOT / "tests" / "clients" / "node_modules" / "@openai").glob("codex-*/vendor/*/bin/codex"))


def codex() -> str:
    """The path of the Codex CLI; without one the test is skipped."""
    found = next((os.fspath(path) for path in CODEX), None) or shutil.which("codex")
    if found is None:
        pytest.skip("no codex here (scripts/test --clients installs it, with npm)")
    return found
