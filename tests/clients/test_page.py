"""docs/clients.md is what a run of these clients, in these versions, wrote."""

import pytest

from .page import PAGE, head, section
from .table import CLIENTS, Client


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
def test_the_page_has_each_client_as_it_is_pinned_and_driven(client: Client) -> None:
    page = PAGE.read_text()
    assert head(client) in page, "scripts/test --clients writes it anew"
    assert section(client) in page


def test_the_page_has_no_other_client() -> None:
    page = PAGE.read_text()
    assert page.count("\n## ") == page.count("\n| [") == len(CLIENTS)
