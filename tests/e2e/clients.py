"""Programs of others that the tests start: those of `tests/clients`, where npm has put them, or of the PATH."""

import os
import shutil

import pytest

from .harness import ROOT

INSTALLED = ROOT / "tests" / "clients" / "node_modules" / ".bin"


def program(name: str) -> str:
    """Its path; without one the test is skipped."""
    found = shutil.which(name, path=f"{INSTALLED}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"no {name} here (scripts/test --clients installs it, with npm)")
    return found
