"""What the README promises is there, with the defaults it names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.test import taddons

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


@pytest.fixture
async def loaded() -> Iterator[taddons.context]:
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


async def test_every_option_in_the_readme_exists(loaded: taddons.context) -> None:
    for name in set(re.findall(r"`?\b(codex_[a-z_]+)\b", README)) - {"codex_proxy"}:
        assert name in loaded.options, name


def codes() -> set[str]:
    """Every code of our own that a client can meet, read off the sources."""
    found: set[str] = set()
    for path in (ROOT / "addon" / "codex_proxy").glob("*.py"):
        source = path.read_text()
        found |= set(re.findall(r'(?:ProxyError|LoginError|IssuerError)\(\s*(?:\d+,\s*)?"([a-z_]+)"', source))
        found |= set(re.findall(r'_trouble\([^"]*"[^"]*", \d+, "([a-z_]+)"', source))
        found |= set(re.findall(r'^    "((?:refresh_token|invalid)_[a-z_]+)":', source, re.M))
    return found


def test_every_error_code_is_in_the_readme() -> None:
    # Seen by nobody: the client has hung up.
    for code in sorted(codes() - {"client_gone"}):
        short = re.sub(r"^refresh_token_(?=expired|invalidated)", "…_", code)
        assert f"`{code}`" in README or f"`{short}`" in README, code


@pytest.mark.parametrize("script", sorted(set(re.findall(r"scripts/(\w+)", README))))
def test_every_script_in_the_readme_can_be_run(script: str) -> None:
    path = ROOT / "scripts" / script
    assert path.exists()
    assert path.stat().st_mode & 0o111


def test_every_file_the_readme_names_is_there() -> None:
    for name in re.findall(r"`(?:addon/codex_proxy/)?(\w+\.py)`", README):
        assert (ROOT / "addon" / "codex_proxy" / name).exists() or (ROOT / "addon" / name).exists(), name
