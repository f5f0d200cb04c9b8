"""The fixtures of the end-to-end tests; what the clients showed is collected here and written to docs/clients.md."""

import pytest

from ..e2e.conftest import login_file, standin, start

pytest.register_assert_rewrite("tests.clients.scenarios")

__all__ = ["login_file", "standin", "start"]
