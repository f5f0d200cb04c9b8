"""What the steps' tests have in common: mitmproxy's options and ours, and a login whose token is made at run time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options
from codex_proxy.steps.login import Login

from .flows import configure
from .in_process import write_login

NOBODY = "http://127.0.0.1:9/backend-api/codex"
"""A backend at which nobody listens: what a step asks by itself fails at once."""


@pytest.fixture
def context() -> Iterator[taddons.context]:
    """The options, and no addon of mitmproxy's own."""
    with taddons.context(Options(), loadcore=False) as made:
        made.options.codex_upstream = NOBODY
        yield made


@pytest.fixture
def login(context: taddons.context, tmp_path: Path) -> Login:
    """A login that is good for an hour."""
    write_login(tmp_path / "auth.json")
    configure(found := Login(), codex_auth_file=str(tmp_path / "auth.json"), codex_upstream=NOBODY)
    return found
