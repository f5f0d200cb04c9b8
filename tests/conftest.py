"""What one test makes known as a secret is hidden in no other one."""

import pytest

from codex_proxy.output import redact
from codex_proxy.output.known_secrets import KnownSecrets


@pytest.fixture(autouse=True)
def known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "KNOWN", KnownSecrets())


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: compressed ones may hold the time, and each worker would collect other names."""
    return argname if isinstance(val, bytes) else None
