"""The table of error codes, and what is said of them where they are used."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from codex_proxy.account.oauth import SPENT
from codex_proxy.backend.refusals import STREAM_STATUS
from codex_proxy.error_codes import CODES, GROUPS, PASSED_ON, status_of

from .places import ADDON

# What takes a code as its first argument, and what takes it as its second.
FIRST, SECOND = {"ProxyError", "LoginError", "IssuerError", "not_found"}, {"_trouble"}

TREES = {
    path: ast.parse(path.read_text())
    for path in sorted((ADDON / "codex_proxy").rglob("*.py"))
    if path.name != "error_codes.py"
}


class Use(NamedTuple):
    """A code that is written where an error is made. `status`: the constant that is given with it."""

    place: str
    code: str
    status: int | None
    is_open: bool
    """Is the status given otherwise than by a constant?"""


def uses() -> Iterator[Use]:
    for path, tree in TREES.items():
        for call in ast.walk(tree):
            name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
            if not isinstance(call, ast.Call) or name not in FIRST | SECOND:
                continue
            place = f"{path.relative_to(ADDON)}:{call.lineno}"
            given = next((word.value for word in call.keywords if word.arg == "status"), None)
            status = given.value if isinstance(given, ast.Constant) and isinstance(given.value, int) else None
            for node in ast.walk(call.args[name in SECOND]):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield Use(place, node.value, status, given is not None and status is None)


USES = list(uses())


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.place} {use.code}")
def test_every_code_that_is_used_has_a_row_with_its_status(use: Use) -> None:
    assert use.code in CODES
    assert use.is_open or status_of(use.code, use.status)


def test_every_row_is_used() -> None:
    named = {node.value for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert [code for code in CODES if code not in named and code not in PASSED_ON.codes] == []


@pytest.mark.parametrize("code, status", [*STREAM_STATUS.items(), *((code, 401) for code in SPENT)], ids=str)
def test_the_codes_that_the_servers_have_are_in_the_table(code: str, status: int) -> None:
    assert status_of(code, status) == status


def test_every_code_has_one_row_that_says_what_it_is_and_what_to_do() -> None:
    assert len(CODES) == sum(len(group.codes) for group in GROUPS)
    for code, row in CODES.items():
        assert row.statuses and all(400 <= status < 600 for status in row.statuses), code
        for sentence in (row.meaning, row.remedy):
            assert sentence[0] == sentence[0].upper() and sentence.endswith("."), code
