import re
from pathlib import Path
from typing import Any

import pytest

from codex_proxy.capture import folder as capture_folder
from codex_proxy.capture import report as capture_report
from codex_proxy.capture.folder import Document
from codex_proxy.dry_run import canned
from codex_proxy.models.dated_list import NOT_LISTED

from ..places import NANOBOT

GOOD = {"model": "gpt-6-sol", "input": [], "instructions": "", "store": False, "stream": True,
        "include": ["reasoning.encrypted_content"]}  # fmt: skip
DATE = "by docs/backend.md as of 2026-11-28."


def document(line: str = "POST /v1/responses HTTP/1.1", **fields: Any) -> Document:
    return {"request_line": line, "headers": [["User-Agent", "me/1"]], "sent": {}, "body": {**GOOD, **fields}}


def rows(markdown: str, title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    section = markdown.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


VERDICTS: list[tuple[str, list[Document], str]] = [
    ("accepted", [document()], "Works as it is"),
    ("changed", [document(temperature=1)], "Works with the patch"),
    ("one of both", [document(), document(temperature=1)], "Works with the patch"),
    (
        "the last event is empty without us",
        [document(input=[{"role": "assistant", "content": canned.TEXTS[canned.LAST]}])],
        "Works with the patch",
    ),
    ("a WebSocket before HTTP", [document("GET /v1/responses HTTP/1.1"), document()], "Works as it is"),
    ("a look at the models", [document("GET /v1/models HTTP/1.1"), document()], "Works as it is"),
    ("a model that may be new", [document(model="gpt-99")], f"Works as it is, if the account has gpt-99 ({NOT_LISTED})"),
    (
        "two of them, and the patch",
        [document(model="gpt-99", temperature=1), document(model="new"), document()],
        f"Works with the patch, if the account has gpt-99, new ({NOT_LISTED})",
    ),
    ("a model of no subscription", [document(model="gpt-4.1")], "Works with the patch"),
    ("nothing", [], "Nothing to assess: the client asked for no answer"),
    ("no turn", [document("GET /healthz HTTP/1.1")], "Nothing to assess: the client asked for no answer"),
]  # fmt: skip


@pytest.mark.parametrize(("documents", "sentence"), [row[1:] for row in VERDICTS], ids=[row[0] for row in VERDICTS])
def test_the_verdict(documents: list[Document], sentence: str) -> None:
    report = capture_report.make(documents)

    assert report.verdict == f"{sentence}, {DATE}"
    assert report.markdown.startswith(f"# What this client sends\n\n**{report.verdict}**\n")


def test_a_failure_is_told_with_its_share() -> None:
    report = capture_report.make([document(), document(conversation="c"), document("POST /v1/files HTTP/1.1")])

    assert report.verdict.startswith("Will fail: `conversation` can't be used: the backend stores nothing; send the")
    assert report.verdict.endswith(f" (2 of 3 requests, 1 more below), {DATE}")
    assert [row[:2] for row in rows(report.markdown, "Requests that fail")] == [
        ["1", "POST /v1/responses"],
        ["1", "POST /v1/files"],
    ]


def test_nanobots_tool_loop_works_with_the_patch() -> None:
    report = capture_report.make([NANOBOT["first_turn"], NANOBOT["tool_output"], NANOBOT["second_turn"]])

    assert report.verdict == f"Works with the patch, {DATE}"
    assert "| client                     | Go-http-client/1.1 |" in report.markdown
    assert "Requests that fail" not in report.markdown


def test_all_that_nanobot_sends() -> None:
    markdown = capture_report.make(list(NANOBOT.values())).markdown
    fields = {row[0]: row[1:3] for row in rows(markdown, "Fields") if row[0]}
    headers = {row[0]: row[1:3] for row in rows(markdown, "Headers")}

    assert fields["temperature"] == ["1 of 10", "taken off"]
    assert fields["max_output_tokens"] == ["3 of 10", "taken off"]
    assert fields["instructions"] == ["9 of 10", "accepted"]
    assert fields["include"] == ["2 of 10", "put in: with reasoning.encrypted_content (x8)"]
    assert headers["authorization"] == ["10 of 10", "taken off"]
    assert headers["x-nanobot-internal-request-type"] == ["1 of 10", "taken off"]
    assert ["get_weather", "function", "6", "accepted"] in rows(markdown, "Tools")
    assert ["function_call_output", "3"] in rows(markdown, "Input")
    assert ["message of user", "11"] in rows(markdown, "Input")
    assert "POST /responses (x9), POST /chat/completions (x1)" in markdown
    assert "Requests that fail" not in markdown
    assert fields["model"] == ["10 of 10", "changed: gpt-4.1 → gpt-6.2-sol (x2)"]


def test_nothing_a_client_sends_breaks_a_table_or_reaches_the_terminal() -> None:
    hostile = document("POST /v1/responses?\x1b[31m HTTP/1.1", **{"a|b\n\x1b]0;x\x07": 1}, model="m\x9b\u202e`|" * 20)
    hostile["headers"] = [["X|Y", "\x1b"], ["User-Agent", "a | b\r\n# c"]]
    markdown = capture_report.make([hostile]).markdown

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", markdown)
    assert "a\\|b ]0;x" in markdown
    assert "\n# c" not in markdown


def test_the_report_is_left_in_the_folder(tmp_path: Path) -> None:
    folder = capture_folder.Folder(tmp_path)
    folder.add(document(), {})
    report = capture_report.write(tmp_path)

    assert (tmp_path / "report.md").read_text() == report.markdown
    assert (tmp_path / "report.md").stat().st_mode & 0o777 == 0o600
    assert report.verdict == f"Works as it is, {DATE}"


def test_a_clients_words_are_no_markup() -> None:
    bad = "![x](http://evil.example/a) [y]: <script> <http://evil.example>"
    asked = document(model=bad, tools=[{"type": "function", "name": bad}])
    asked["headers"] = [["User-Agent", bad], [bad, bad]]
    asked["body"][bad] = 1
    markdown = capture_report.make([asked]).markdown

    assert "evil.example" in markdown and not re.search(r"(?<!\\)[\[<]", markdown)
