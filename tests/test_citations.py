"""Every citation in a comment or docstring names a section that exists: "(docs/backend.md, 7.1)", "(docs/mitmproxy.md, WebSockets)"."""

import re
from pathlib import Path

import pytest

from codex_proxy.capture import report
from codex_proxy.request.body_rules import REFUSED_FIELDS, RULES

ROOT = Path(__file__).parents[1]
BACKEND = (ROOT / "docs" / "backend.md").read_text()

NUMBER = r"\d+(?:\.\d+)*"
CITED = re.compile(rf"docs/backend\.md, ({NUMBER}(?:(?:, | and | to ){NUMBER})*)")
NAMED = re.compile(r"docs/(?!backend\.md)([a-z]+\.md), ((?:[A-Z]|mitmweb:)[^).;:,\n]*)")
# Documents that are not in this repository.
ELSEWHERE = re.compile(
    rf"\bcontract,? (?:section )?{NUMBER}|\bdesign, section|(?<![/\"])\bclients\.md|\bdesign\.md", re.I
)


def sources() -> dict[str, str]:
    """Each source without its line breaks: a citation may begin on one line of a comment and end on the next."""
    paths = [path for folder in ("addon", "scripts", "tests") for path in (ROOT / folder).rglob("*")]
    return {
        str(path.relative_to(ROOT)): re.sub(r"\n\s*#? ?", " ", path.read_text())
        for path in paths
        if path.suffix in (".py", "") and path.is_file() and "node_modules" not in path.parts and path != Path(__file__)
    }


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", page.read_text(), re.M)


SECTIONS = set(re.findall(rf"^#+ ({NUMBER})\.? ", BACKEND, re.M))
LABELS = set(re.findall(r"^\| `([\w-]+)` \| .+ \|$", BACKEND.partition("## 1. ")[0], re.M))


def test_what_is_cited_exists() -> None:
    cited = [
        (path, number)
        for path, text in sources().items()
        for found in CITED.findall(text)
        for number in re.findall(NUMBER, found)
    ]
    assert len(cited) > 100 and len(SECTIONS) > 30
    assert [each for each in cited if each[1] not in SECTIONS] == []


def test_a_page_has_the_heading_that_is_cited() -> None:
    cited = [(path, *found) for path, text in sources().items() for found in NAMED.findall(text)]
    assert len(cited) > 1
    for path, page, heading in cited:
        assert any(each.startswith(heading.strip()) for each in headings(ROOT / "docs" / page)), (path, page, heading)


def test_no_document_from_elsewhere_is_cited() -> None:
    assert {path: found for path, text in sources().items() if (found := ELSEWHERE.findall(text))} == {}


def seen() -> dict[str, str]:
    return {name: rule.seen for name, rule in RULES.items()} | REFUSED_FIELDS


@pytest.mark.parametrize("field", sorted(seen()))
def test_who_saw_it_is_explained(field: str) -> None:
    names = [re.split(r"[# ]", each)[0] for each in seen()[field].split(", ")]
    assert seen()[field] == "not known" or set(names) <= LABELS


def test_the_report_says_up_to_when_the_page_goes() -> None:
    assert f"It goes up to {report.AS_OF}." in BACKEND


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_a_test_that_a_page_names_exists(page: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(), (path, name)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_what_a_page_of_the_top_level_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    for name in re.findall(r"`([\w/]+\.(?:py|toml|md))`", text):
        assert (ROOT / name).exists() or list((ROOT / "addon").rglob(name)), name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / target).exists(), target
