"""The version stands in one place, and the changelog goes by it."""

import re
import tomllib

from codex_proxy import __version__

from .places import ADDON, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RELEASES = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_only_the_package_says_the_version() -> None:
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    said = [path for path in ADDON.rglob("*.py") if re.search(r"^__version__ = ", path.read_text(), re.M)]
    assert said == [ADDON / "codex_proxy" / "__init__.py"]


def test_the_changelog_has_it_with_its_day() -> None:
    assert RELEASES[0] == ("Unreleased", "")
    assert RELEASES[1][0] == __version__ and all(day for _, day in RELEASES[1:])
