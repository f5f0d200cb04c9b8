"""Real clients, as their own users use them, on the whole proxy in front of the stand-in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from standin import Standin

from ..e2e.harness import Start
from .harness import Driver
from .scenarios import ALL
from .table import CLIENTS, Client

pytestmark = [pytest.mark.clients, pytest.mark.e2e]


@pytest.mark.parametrize("client", [each for each in CLIENTS if each.driver], ids=lambda client: client.id)
async def test_a_client(
    client: Client,
    start: Start,
    standin: Standin,
    login_file: Path,
    tmp_path: Path,
    subtests: pytest.Subtests,
    record_property: Callable[[str, object], None],
) -> None:
    proxy = await start(
        codex_upstream=standin.upstream, codex_issuer=standin.issuer, codex_auth_file=login_file, codex_idle_timeout=1
    )
    async with Driver(client, proxy.url, tmp_path) as driver:
        for name in client.scenarios:
            standin.requests.clear()
            standin.recover()
            with subtests.test(name):
                record_property(name, await ALL[name](driver, standin))
            standin.release()
