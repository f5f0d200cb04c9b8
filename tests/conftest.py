"""What one test makes known as a secret is hidden in no other one."""

import pytest

from codex_proxy.output import redact
from codex_proxy.output.known_secrets import KnownSecrets


@pytest.fixture(autouse=True)
def known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "KNOWN", KnownSecrets())
