"""What the README and docs/ promise is there, with the defaults they name."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy.test import taddons

import tables
from codex_proxy.walk.options import OPTIONS

from .places import ROOT

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture
async def loaded() -> AsyncIterator[taddons.context]:
    with taddons.context() as tctx:
        tctx.script(str(ROOT / "addon" / "codex.py"))
        yield tctx


def test_the_tables_of_errors_and_options_are_up_to_date() -> None:
    assert tables.stale() == [], "Run: python scripts/tables.py"


@pytest.mark.parametrize("name", tables.PAGES)
def test_a_table_that_is_changed_by_hand_is_written_anew(name: str) -> None:
    page = (ROOT / name).read_text()
    changed = page.replace("| `login_", "| `x_").replace("| `codex_", "| `x_").replace("| [`", "| [`x_")
    assert changed != page == tables.written(changed)


async def test_mitmproxy_has_the_options_of_the_table(loaded: taddons.context) -> None:
    found = {name: loaded.options.default(name) for name in loaded.options.keys() if name.startswith("codex_")}
    assert found == {option.name: option.default for option in OPTIONS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page: Path) -> None:
    # Names that the backend and the official clients have, in backend.md.
    theirs = {"codex_cli_rs", "codex_cli_simplified_flow", "codex_exec", "codex_vscode"}
    named = set(re.findall(r"`?\b(codex_[a-z_]+)\b", page.read_text())) - {"codex_proxy", *theirs}
    assert named <= {option.name for option in OPTIONS}


def scripts() -> list[str]:
    return sorted({name for page in PAGES for name in re.findall(r"scripts/(\w+)\b(?!\.py)", page.read_text())})


@pytest.mark.parametrize("script", scripts())
def test_every_script_that_is_named_can_be_run(script: str) -> None:
    path = ROOT / "scripts" / script
    assert path.exists()
    assert path.stat().st_mode & 0o111


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    for name in re.findall(r"`([\w/]+\.py)`", page.read_text()):
        assert (ROOT / name).exists() or list((ROOT / "addon").rglob(name)), name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_picture_is_shown_somewhere() -> None:
    shown = "".join(page.read_text() for page in PAGES)
    assert [path.name for path in (ROOT / "docs").rglob("*.png") if path.name not in shown] == []
