import pytest

from codex_proxy.dry_run.catalogue import LISTED, NAMES
from codex_proxy.models import listing


def test_each_name_is_listed_once() -> None:
    assert NAMES and len(set(NAMES)) == len(NAMES)
    assert [model.slug for model in LISTED.listed()] == [*NAMES]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_listed_is_a_model(name: str) -> None:
    model = LISTED.model(name)
    assert model is not None and model.slug == name


def test_the_list_is_shown_as_openai_shows_one() -> None:
    told = listing.listing(LISTED, variants=False)
    assert [entry["id"] for entry in told["data"]] == [*NAMES]
