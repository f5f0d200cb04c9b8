"""What is cut off is told so, and goes up in pairs (docs/backend.md, 4.1)."""

import json
from typing import Any

import msgspec
import pytest

from codex_proxy.call_pairs import CALLS, PICTURE
from codex_proxy.changes import Change
from codex_proxy.request import pair_rules
from codex_proxy.request.body_rules import PatchOptions, patch
from codex_proxy.request.item_shape import Assessment, look

from ..oracle import refusal

ANSWER = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}


def assessed(items: list[Any]) -> list[Assessment]:
    raws = [msgspec.Raw(json.dumps(item).encode()) for item in items]
    return [(raw, look(raw)) for raw in raws]


def plain(found: list[Assessment]) -> list[Any]:
    return [json.loads(bytes(memoryview(raw))) for raw, _ in found]


def put_right(items: list[Any], *, chained: bool = False) -> tuple[list[Any], list[str]]:
    changes: list[Change] = []
    found = pair_rules.put_right(assessed(items), changes, chained=chained)
    return plain(found), [change.short for change in changes]


def user(text: str = "go on") -> dict[str, Any]:
    return {"role": "user", "content": text}


def reasoning(name: str = "rs_1") -> dict[str, Any]:
    return {"type": "reasoning", "id": name, "summary": [], "encrypted_content": "opaque"}


def call(name: str = "c1", kind: str = "function_call") -> dict[str, Any]:
    return {"type": kind, "call_id": name, "name": "f", "arguments": "{}"}


def output(name: str = "c1", kind: str = "function_call_output", said: Any = "ok") -> dict[str, Any]:
    return {"type": kind, "call_id": name, "output": said}


# One call of each kind, and what says that it was cut off.
CUT_OFF: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (call(), output(said="aborted")),
    ({"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}},
     output(said="aborted")),
    ({"type": "custom_tool_call", "call_id": "c1", "name": "exec", "input": "ls"}, output("c1", "custom_tool_call_output", "aborted")),
    ({"type": "shell_call", "call_id": "c1", "action": {"commands": ["ls"]}},
     output("c1", "shell_call_output", [{"stdout": "", "stderr": "aborted", "outcome": {"type": "exit", "exit_code": 1}}])),
    ({"type": "apply_patch_call", "call_id": "c1", "status": "completed", "operation": {"type": "delete_file", "path": "a"}},
     {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "aborted"}),
    ({"type": "tool_search_call", "call_id": "c1", "execution": "client", "arguments": {"query": "x"}},
     {"type": "tool_search_output", "call_id": "c1", "status": "completed", "execution": "client", "tools": []}),
    ({"type": "computer_call", "id": "cu_1", "call_id": "c1", "action": {"type": "screenshot"}, "pending_safety_checks": [], "status": "completed"},
     {"type": "computer_call_output", "call_id": "c1", "output": {"type": "computer_screenshot", "image_url": PICTURE}}),
    ({"type": "mcp_approval_request", "id": "mcpr_1", "name": "f", "server_label": "s", "arguments": "{}"},
     {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": False, "reason": "aborted"}),
]  # fmt: skip


def test_each_kind_of_call_is_tried() -> None:
    assert {each["type"] for each, _ in CUT_OFF} == set(CALLS)


@pytest.mark.parametrize(("cut_off", "says"), CUT_OFF, ids=list(CALLS))
def test_a_call_that_was_cut_off_keeps_its_place(cut_off: dict[str, Any], says: dict[str, Any]) -> None:
    items = [user("x"), reasoning(), cut_off, user()]
    found, told = put_right(items)
    assert found == [user("x"), reasoning(), cut_off, says, user()]
    assert told == [f'{cut_off["type"]} given the output "aborted"']
    assert put_right(found) == (found, [])
    body = patch(json.dumps({"model": "gpt-6-sol", "input": items}).encode(), PatchOptions()).body
    assert body and refusal(json.loads(body)) is None


@pytest.mark.parametrize(("cut_off", "says"), CUT_OFF, ids=list(CALLS))
def test_an_output_without_its_call_is_taken_off(cut_off: dict[str, Any], says: dict[str, Any]) -> None:
    assert put_right([user("x"), says, user()]) == ([user("x"), user()], [f"-{says['type']}"])
    # It belongs to a call of the response before.
    assert put_right([says, user()], chained=True) == ([says, user()], [])


@pytest.mark.parametrize(("cut_off", "says"), CUT_OFF, ids=list(CALLS))
def test_a_call_with_its_output_stays(cut_off: dict[str, Any], says: dict[str, Any]) -> None:
    items = [user("x"), reasoning(), cut_off, says, user()]
    assert put_right(items) == (items, []) == put_right(items, chained=True)


SHELL = {"type": "local_shell_call", "call_id": "c1", "action": {}}
MCP = {"type": "mcp_call", "id": "mcp_1", "name": "f", "server_label": "s", "arguments": "{}"}
ABORTED = {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "aborted"}]}

ITEMS: list[tuple[list[Any], list[Any], list[str]]] = [
    ([call("a"), call("b"), output("b")], [call("a"), output("a", said="aborted"), call("b"), output("b")],
     ['function_call given the output "aborted"']),
    # An output stands behind its call.
    ([output(), call(), user()], [call(), output(), user()], ["output of function_call moved behind it"]),
    # The API's own form of a shell's output has the call's name in its id.
    ([SHELL, {"type": "local_shell_call_output", "id": "c1", "output": "a"}], [SHELL, {"type": "local_shell_call_output", "id": "c1", "output": "a"}], []),
    ([SHELL, output()], [SHELL, output()], []),
    # A search that the server has done has no name to be paired by.
    ([{"type": "tool_search_call", "call_id": None, "execution": "server"}, {"type": "tool_search_output", "call_id": None, "execution": "server"}],
     [{"type": "tool_search_call", "call_id": None, "execution": "server"}, {"type": "tool_search_output", "call_id": None, "execution": "server"}], []),
    # Calls that hold their own output.
    ([MCP | {"status": "completed", "output": "a"}], [MCP | {"status": "completed", "output": "a"}], []),
    ([MCP | {"output": None, "error": None, "status": "completed"}], [MCP | {"output": None, "error": None, "status": "completed"}], []),
    ([MCP | {"output": None, "error": None, "status": "calling"}], [MCP | {"output": None, "error": ABORTED, "status": "failed"}],
     ['mcp_call given the error "aborted"']),
    # Reasoning and what it led to.
    ([user(), reasoning(), user()], [user(), user()], ["-reasoning item"]),
    ([user(), reasoning()], [user()], ["-reasoning item"]),
    ([reasoning("rs_1"), reasoning("rs_2"), user()], [user()], ["-reasoning item", "-reasoning item"]),
    ([reasoning("rs_1"), reasoning("rs_2"), ANSWER], [reasoning("rs_1"), reasoning("rs_2"), ANSWER], []),
    ([call(), reasoning(), output(), ANSWER], [call(), output(), ANSWER], ["-reasoning item"]),
    ([call(), output(), reasoning(), {"type": "compaction_trigger"}], [call(), output(), {"type": "compaction_trigger"}], ["-reasoning item"]),
    ([reasoning(), {"type": "web_search_call"}], [reasoning(), {"type": "web_search_call"}], []),
    ([reasoning(), "of no known form"], [reasoning(), "of no known form"], []),
    ([reasoning(), call(), output(), reasoning("rs_2"), call()], [reasoning(), call(), output()], ["-second function_call", "-reasoning item"]),
]  # fmt: skip


@pytest.mark.parametrize(("items", "becomes", "told"), ITEMS)
def test_what_belongs_together_goes_up_together(items: list[Any], becomes: list[Any], told: list[str]) -> None:
    assert put_right(items) == (becomes, told)
    assert put_right(becomes) == (becomes, [])


def test_the_output_of_a_call_with_a_long_name_has_the_same_short_one() -> None:
    for cut_off, key in ((call("x" * 70), "call_id"), ({**CUT_OFF[-1][0], "id": "mcpr_" + "x" * 70}, "id")):
        data = json.dumps({"model": "gpt-6-sol", "input": [cut_off]}).encode()
        body = json.loads(patch(data, PatchOptions()).body or b"")
        assert refusal(body) is None and len(body["input"][0][key]) <= 64


@pytest.mark.parametrize(
    ("before", "new", "becomes"),
    [
        ([user(), reasoning(), call("a"), call("b"), ANSWER], [output("b"), user()], [output("a", said="aborted"), output("b"), user()]),
        ([user(), call("a"), call("b")], [user()], [output("a", said="aborted"), output("b", said="aborted"), user()]),
        ([user(), call("a"), call("b")], [output("a"), output("b")], [output("a"), output("b")]),
        ([call("a"), output("a"), ANSWER], [user()], [user()]),
        ([user(), ANSWER], [user()], [user()]),
        ([], [user()], [user()]),
    ],
)  # fmt: skip
def test_calls_that_a_response_ended_with_get_an_output(before: list[Any], new: list[Any], becomes: list[Any]) -> None:
    changes: list[Change] = []
    found = pair_rules.left_open([raw for raw, _ in assessed(before)], assessed(new), changes)
    assert plain(found) == becomes and len(changes) == len(becomes) - len(new)
