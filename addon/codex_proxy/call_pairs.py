"""The calls that the backend wants in pairs with their outputs (docs/backend.md, 4.1): which kinds, and what ties them together."""

from collections.abc import Mapping
from typing import Any, NamedTuple

# What the official client says in place of the output of a call that was cut off (docs/backend.md, 4.1).
ABORTED = "aborted"

# A screenshot that says so: an output of computer_call has no text.
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAKwAAAAsAQAAAADQ+m6tAAAAUklEQVR42tWTQQ4AUQRDewP3v2VvYKb8L7OYZTdEircRBPLXsAFzKt6wACOIkFJa"
    "DhdOsj1eyc5dGDi45mCVJsxpKSz1YbXsVekAnw068M7feQANfkkei4Xq4gAAAABJRU5ErkJggg=="
)


class Pair(NamedTuple):
    """`outputs`: the kinds that answer a call, the first of them where it was cut off, with what `aborted` holds. `key` of the call
    and `output_key` of that output hold the name that ties them together."""

    outputs: tuple[str, ...]
    aborted: Mapping[str, Any]
    key: str = "call_id"
    output_key: str = "call_id"


CALLS: dict[str, Pair] = {
    "function_call": Pair(("function_call_output",), {"output": ABORTED}),
    # The official client answers it as a function; the API has an output of its own besides.
    "local_shell_call": Pair(("function_call_output", "local_shell_call_output"), {"output": ABORTED}),
    "custom_tool_call": Pair(("custom_tool_call_output",), {"output": ABORTED}),
    "shell_call": Pair(
        ("shell_call_output",),
        {"output": [{"stdout": "", "stderr": ABORTED, "outcome": {"type": "exit", "exit_code": 1}}]},
    ),
    "apply_patch_call": Pair(("apply_patch_call_output",), {"status": "failed", "output": ABORTED}),
    "tool_search_call": Pair(
        ("tool_search_output",), {"status": "completed", "execution": "client", "tools": []}
    ),
    "computer_call": Pair(
        ("computer_call_output",), {"output": {"type": "computer_screenshot", "image_url": PICTURE}}
    ),
    "mcp_approval_request": Pair(
        ("mcp_approval_response",), {"approve": False, "reason": ABORTED}, "id", "approval_request_id"
    ),
}  # fmt: skip

# Outputs, and by which of their keys they name their call: the first that is there.
OUTPUTS: dict[str, tuple[str, ...]] = {
    output: (pair.output_key,) for pair in CALLS.values() for output in pair.outputs
} | {"local_shell_call_output": ("call_id", "id")}

# Calls that hold their own output, and what says there that none will come.
WHOLE: dict[str, Mapping[str, Any]] = {
    "mcp_call": {
        "status": "failed",
        "error": {"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": ABORTED}]},
    }
}

# The output that a call was to have, of which other kinds may take the place: calls that share it share their names.
USUAL = {output: pair.outputs[0] for pair in CALLS.values() for output in pair.outputs}


def names(kind: str) -> tuple[str, ...]:
    """The keys by which an item of a kind is tied to another; none for most kinds."""
    return (CALLS[kind].key,) if kind in CALLS else OUTPUTS.get(kind, ())
