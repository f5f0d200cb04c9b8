"""What the README and docs/ promise is there, with the defaults they name."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy.test import taddons

from .places import ROOT

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture
async def loaded() -> AsyncIterator[taddons.context]:
    with taddons.context() as tctx:
        tctx.script(str(ROOT / "addon" / "codex.py"))
        yield tctx


async def test_every_option_is_in_the_readme_with_its_default(loaded: taddons.context) -> None:
    ours = [name for name in loaded.options.keys() if name.startswith("codex_")]
    assert ours
    for name in ours:
        default = loaded.options.default(name)
        shown = (
            f"`{str(default).lower() if isinstance(default, bool) else default}`"
            if default not in ("", [])
            else "empty"
        )
        assert f"| `{name}` | {shown} |" in README, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_every_option_that_is_named_exists(page: Path, loaded: taddons.context) -> None:
    # Names that the backend and the official clients have, in backend.md.
    theirs = {"codex_cli_rs", "codex_cli_simplified_flow", "codex_exec", "codex_vscode"}
    for name in set(re.findall(r"`?\b(codex_[a-z_]+)\b", page.read_text())) - {"codex_proxy", *theirs}:
        assert name in loaded.options, name


def codes() -> set[str]:
    """Every code of our own that a client can meet, read off the sources."""
    found: set[str] = set()
    for path in (ROOT / "addon" / "codex_proxy").rglob("*.py"):
        source = path.read_text()
        found |= set(re.findall(r'(?:ProxyError|LoginError|IssuerError)\(\s*(?:\d+,\s*)?"([a-z_]+)"', source))
        found |= set(re.findall(r'\bnot_found\(\s*"([a-z_]+)"', source))
        found |= set(re.findall(r'_trouble\([^"]*"[^"]*", \d+, "([a-z_]+)"', source))
        found |= set(re.findall(r'^    "((?:refresh_token|invalid)_[a-z_]+)":', source, re.M))
    return found


def test_every_error_code_is_in_the_readme() -> None:
    # Seen by nobody: the client has hung up.
    for code in sorted(codes() - {"client_gone"}):
        short = re.sub(r"^refresh_token_(?=expired|invalidated)", "…_", code)
        assert f"`{code}`" in README or f"`{short}`" in README, code


def scripts() -> list[str]:
    return sorted({name for page in PAGES for name in re.findall(r"scripts/(\w+)", page.read_text())})


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
