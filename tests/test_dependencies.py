"""What is imported is named in pyproject.toml: a package that another one brings may be gone with its next version."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from .places import ADDON, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = {"codex", "codex_proxy", "standin", "benchmarks", "tests"} | {
    file.stem for file in (ROOT / "scripts").glob("*.py")
}


def named(*lists: list[object]) -> set[str]:
    return {re.split(r"[^\w.-]", each)[0].lower() for entries in lists for each in entries if isinstance(each, str)}


def imported(folder: Path) -> Iterator[str]:
    """The packages that the files of a folder import, at any level."""
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield (node.module or "").partition(".")[0]


def unnamed(folder: Path, names: set[str]) -> dict[str, list[str]]:
    """Packages of others that a folder imports without their being among `names`, with the distributions that have them."""
    others = {*imported(folder)} - OURS - {*sys.stdlib_module_names}
    have = {package: packages_distributions().get(package, []) for package in others}
    return {package: found for package, found in have.items() if not {each.lower() for each in found} & names}


def test_what_the_proxy_and_its_scripts_import_is_named() -> None:
    groups = PROJECT["dependency-groups"]
    names = named(PROJECT["project"]["dependencies"], PROJECT["project"]["optional-dependencies"]["keyring"])
    assert unnamed(ADDON, names) == {}
    assert unnamed(ROOT / "scripts", names | named(groups["demo"], groups["dev"])) == {}
