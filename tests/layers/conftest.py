from collections.abc import Iterator

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons

from codex_proxy.addons.options import Options


@pytest.fixture
def context() -> Iterator[taddons.context]:
    """The options, and mitmproxy's addon that listens, which does not."""
    with taddons.context(Options(), Proxyserver(), loadcore=False) as made:
        yield made
