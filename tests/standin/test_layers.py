"""The rooms of the stand-in: no circle, and nothing of the addon, whose faults it is to find."""

import pytest

from ..modules import Modules
from ..places import ROOT

STANDIN = Modules(ROOT / "scripts" / "standin", ["wire", "world", "rules", "answers", "failures", ""])


def test_every_folder_has_its_place_and_its_word() -> None:
    assert {STANDIN.folder(name) for name in STANDIN.paths} == set(STANDIN.folders)
    assert [name for name in STANDIN.folders if not STANDIN.documented(name)] == []


@pytest.mark.parametrize("name", STANDIN.names)
def test_a_module_leans_on_its_own_folder_and_those_before_it(name: str) -> None:
    assert STANDIN.misplaced(name) == []


@pytest.mark.parametrize("name", STANDIN.names)
def test_no_two_modules_import_each_other(name: str) -> None:
    assert name not in STANDIN.reached(name)


@pytest.mark.parametrize("name", STANDIN.names)
def test_imports_stand_at_the_top(name: str) -> None:
    assert STANDIN.nested(name) == []


@pytest.mark.parametrize("name", STANDIN.names)
def test_no_module_imports_the_addon(name: str) -> None:
    assert {found.partition(".")[0] for found in STANDIN.imported(name)}.isdisjoint({"codex", "codex_proxy"})


@pytest.mark.parametrize("name", STANDIN.names)
def test_no_file_repeats_its_folders_name(name: str) -> None:
    folder, _, file = name.rpartition(".")
    assert not folder or folder not in file.split("_")
