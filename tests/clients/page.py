"""Writes docs/clients.md from what a run of all clients showed. A plugin of pytest's: scripts/test --clients loads it."""

import os
from pathlib import Path

import pytest

from ..places import ROOT
from .table import CLIENTS, MORE, SCENARIOS, Client

PAGE = ROOT / "docs" / "clients.md"
INTRODUCTION = """\
# Clients

What was seen when each of these programs was driven as its own users would drive it, through the whole proxy, in front of the strict stand-in
(never OpenAI's service). `scripts/test --clients` installs them from the registries, pinned, drives them, and writes this page.

* **text, stream, image**: what the model says arrives whole, characters beyond ASCII too; the image arrives at the backend byte for byte.
* **three rounds of tools**: the client's own tools run, three times in a row, nothing is refused, and the model's reasoning of each round goes up with its call.
* **structured output**: the schema goes up, and the client makes its own object of the answer.
* **cancel**: where the client goes away in the middle of an answer, the backend's connection is closed within a second.
* **no such model, usage limit**: how the refusal, in our words, reaches the client's user, and how often the client asks before it says so.
* **broken stream**: the same where an answer is reset, fails, or stops in the middle of its text, by the client's plain stream and, of OpenAI's SDKs, by
  `.stream()` as well. None of them takes the half for a whole.

| client | package, version | {columns} |
| --- | --- | {dashes} |
"""

results: dict[str, dict[str, str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at the page as it was has no say where it is written."""
    items[:] = [item for item in items if item.path != Path(__file__).with_name("test_page.py")]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # A subtest's report has what was seen so far.
    is_whole = report.when == "call" and not isinstance(report, pytest.SubtestReport)
    if is_whole and report.passed and "::test_a_client[" in report.nodeid:
        results[report.nodeid.partition("[")[2].rstrip("]")] = {
            name: str(seen) for name, seen in report.user_properties
        }


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI a page that was another is a failure; elsewhere it is simply the new one."""
    if hasattr(session.config, "workerinput") or set(results) != {client.id for client in CLIENTS if client.driver}:
        return
    text = render(results)
    if PAGE.exists() and PAGE.read_text() == text:
        return
    PAGE.write_text(text)
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    reporter.write_line(f"\n{PAGE.relative_to(ROOT)} was not what the clients have shown now: it is written anew.")
    if os.environ.get("CI") == "true":
        session.exitstatus = 1


def render(seen: dict[str, dict[str, str]]) -> str:
    columns, dashes = " | ".join(SCENARIOS.values()), " | ".join("---" for _ in SCENARIOS)
    rows = "".join(row(client, seen.get(client.id, {})) for client in CLIENTS)
    return INTRODUCTION.format(columns=columns, dashes=dashes) + rows + "".join(map(section, CLIENTS))


def row(client: Client, seen: dict[str, str]) -> str:
    cells = [seen.get(name, "-") for name in SCENARIOS]
    return f"{head(client)} {' | '.join(cells)} |\n"


def head(client: Client) -> str:
    return f"| [{client.name}](#{client.anchor}) | {client.package} {client.version} |".replace("|  ", "| ")


def section(client: Client) -> str:
    """What it wants, and what else is known of it."""
    lacking: dict[str, list[str]] = {}
    for name, why in client.lacks.items():
        lacking.setdefault(why, []).append(SCENARIOS[name])
    notes = [f"{MORE[name]}: works." for name in client.more]
    notes += [f"Not tried: {', '.join(names)} ({why})." for why, names in lacking.items()]
    told = "".join(f"\n* {note}" for note in (*notes, *client.notes))
    return f"\n## {client.name}\n\n```{client.language}\n{client.settings().strip()}\n```\n" + (told and f"{told}\n")
