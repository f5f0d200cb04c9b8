import ast
import datetime
import re
from pathlib import Path

import pytest

from codex_proxy.models import listing
from codex_proxy.models.dated_list import AS_OF, CATALOGUE, NOT_LISTED, SMALL
from standin.world.catalogue import MODELS

from ..places import ADDON, ROOT


def test_the_day_is_one_and_is_told() -> None:
    assert datetime.date.fromisoformat(AS_OF) and NOT_LISTED == f"not in the list of {AS_OF}"


def test_there_is_a_model_to_choose_and_a_small_one() -> None:
    names = [model.slug for model in CATALOGUE.listed()]
    assert names and any(word in name.split("-") for word in SMALL for name in names)
    assert all(model.efforts and model.default_effort in model.efforts for model in CATALOGUE.models.values())


def test_the_list_is_shown_as_openai_shows_one() -> None:
    told = listing.listing(CATALOGUE, variants=False)
    assert [entry["id"] for entry in told["data"]] == [model.slug for model in CATALOGUE.listed()]


def test_the_stand_in_has_the_same_list() -> None:
    assert [(each.slug, each.efforts, each.visible) for each in MODELS] == [
        (each.slug, each.efforts, not each.hidden) for each in CATALOGUE.models.values()
    ]


@pytest.mark.parametrize("folder", [ADDON / "codex_proxy", ROOT / "scripts" / "standin"], ids=["addon", "stand-in"])
def test_no_other_module_has_a_list_of_models(folder: Path) -> None:
    """One name is an example in a text; several in one value are a list that ages."""
    name = re.compile(r"\bgpt-\d+(?:\.\d+)?-[a-z]+\b")
    for path in folder.rglob("*.py"):
        texts = [
            [
                found
                for text in ast.walk(node)
                if isinstance(text, ast.Constant)
                for found in name.findall(str(text.value))
            ]
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign | ast.AnnAssign)
        ]
        assert not [found for found in texts if len(set(found)) > 4], path
