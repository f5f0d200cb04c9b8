"""The rules for the items of `input`: shapes, ids, pairs (docs/backend.md, 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..wire.replies import Refused, api_error, detail, invalid_value, missing, too_long, unknown, wrong_type
from ..world.vault import Vault
from . import parts

type Item = dict[str, Any]

ROLES = ("user", "assistant", "developer")
LONGEST_ID = 64
PASSED_THROUGH = "internal_chat_message_metadata_passthrough"


@dataclass(frozen=True)
class Kind:
    """One item type. `keys` None: any key goes."""

    prefix: str | None = None
    strings: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None


KINDS = {
    "message": Kind("msg", (), ("role", "content", "status", "phase")),
    "reasoning": Kind("rs", (), ("summary", "content", "encrypted_content", "status")),
    "function_call": Kind("fc", ("call_id", "name", "arguments"), ("call_id", "name", "arguments", "namespace")),
    "function_call_output": Kind(None, ("call_id",), ("call_id", "output", "status")),
    "custom_tool_call": Kind("ctc", ("call_id", "name", "input"), ("call_id", "name", "input", "namespace", "status")),
    "custom_tool_call_output": Kind("ctco", ("call_id",), ("call_id", "output", "name", "status")),
    "local_shell_call": Kind(),
    "tool_search_call": Kind(),
    "tool_search_output": Kind(),
    "web_search_call": Kind(),
    "image_generation_call": Kind(),
    "additional_tools": Kind(),
    "configuration_update": Kind(),
    "compaction": Kind(),
    "compaction_summary": Kind(),
    "context_compaction": Kind(),
    "compaction_trigger": Kind(),
    "agent_message": Kind(),
    # Of the API behind (docs/backend.md, 4.1).
    "local_shell_call_output": Kind(),
    "shell_call": Kind(None, ("call_id",)),
    "shell_call_output": Kind(None, ("call_id",)),
    "apply_patch_call": Kind(None, ("call_id",)),
    "apply_patch_call_output": Kind(None, ("call_id", "status")),
    "computer_call": Kind(None, ("call_id",)),
    "computer_call_output": Kind(None, ("call_id",)),
    "mcp_list_tools": Kind(),
    "mcp_call": Kind(),
    "mcp_approval_request": Kind(None, ("id",)),
    "mcp_approval_response": Kind(None, ("approval_request_id",)),
}
SEALED = ("reasoning", "compaction", "compaction_summary", "context_compaction")
# The words that the API has for a call, and its key that the output repeats.
CALLS = {
    "function_call": ("function call", "call_id"),
    "local_shell_call": ("function call", "call_id"),
    "custom_tool_call": ("custom tool call", "call_id"),
    "tool_search_call": ("tool search call", "call_id"),
    "shell_call": ("shell call", "call_id"),
    "apply_patch_call": ("apply patch call", "call_id"),
    "computer_call": ("computer call", "call_id"),
    "mcp_approval_request": ("MCP approval request", "id"),
}
# Which calls an output can answer, and its keys that may name one.
OUTPUTS = {
    "function_call_output": ("function call", ("call_id",)),
    "local_shell_call_output": ("function call", ("call_id", "id")),
    "custom_tool_call_output": ("custom tool call", ("call_id",)),
    "tool_search_output": ("tool search call", ("call_id",)),
    "shell_call_output": ("shell call", ("call_id",)),
    "apply_patch_call_output": ("apply patch call", ("call_id",)),
    "computer_call_output": ("computer call", ("call_id",)),
    "mcp_approval_response": ("MCP approval request", ("approval_request_id",)),
}
# What reasoning leads to, beside calls and the assistant's messages.
LED_TO = (
    "web_search_call", "image_generation_call", "mcp_call", "mcp_list_tools", "compaction", "compaction_summary",
    "context_compaction", "agent_message",
)  # fmt: skip


def check(items: list[Any], account: str, vault: Vault, status_refused: bool = True) -> None:
    """Nothing, or Refused for the first thing that is wrong: shapes first, then pairs, seals, what reasoning led to.

    `status` of a function call was seen refused, and CLI 0.169.0 was seen sending it, hence the switch.
    """
    for index, item in enumerate(items):
        where = f"input[{index}]"
        if not isinstance(item, dict):
            raise wrong_type(where, "an object", item)
        _check_item(item, where, status_refused)
    _check_pairs(items)
    for index, item in enumerate(items):
        if item.get("type") in SEALED and isinstance(item.get("encrypted_content"), str):
            where = f"input[{index}].encrypted_content"
            vault.check(item["encrypted_content"], account, item.get("id"), where)
    _check_reasoning_leads(items)


def type_of(item: Item) -> str | None:
    """A message may come without its type, a reference as well."""
    if "type" in item:
        named: str | None = item["type"]
        return named
    return "item_reference" if set(item) == {"id"} else "message"


def _check_item(item: Item, where: str, status_refused: bool) -> None:
    name = type_of(item)
    if name == "item_reference":
        raise not_found(item.get("id"))
    if not isinstance(name, str) or name not in KINDS:
        raise invalid_value(name, tuple(KINDS), f"{where}.type")
    kind = KINDS[name]
    _check_id(item.get("id"), kind.prefix, where)
    for key in kind.strings:
        if item.get(key) is None:
            raise missing(f"{where}.{key}")
        if not isinstance(item[key], str):
            raise wrong_type(f"{where}.{key}", "a string", item[key])
    if isinstance(item.get("call_id"), str) and len(item["call_id"]) > LONGEST_ID:
        raise too_long(f"{where}.call_id", item["call_id"], LONGEST_ID)
    match name:
        case "message":
            _check_message(item, where)
        case "reasoning":
            _check_reasoning(item, where)
        case "function_call_output" | "custom_tool_call_output":
            parts.check_output(item.get("output"), where)
    _check_keys(item, kind.keys, where, status_refused)


def _check_id(item_id: object, prefix: str | None, where: str) -> None:
    if item_id is None:
        return
    if not isinstance(item_id, str):
        raise wrong_type(f"{where}.id", "a string", item_id)
    if prefix is not None and not item_id.startswith(prefix):
        text = f"Invalid '{where}.id': '{item_id}'. Expected an ID that begins with '{prefix}'."
        raise api_error(text, param=f"{where}.id", code="invalid_value")
    if len(item_id) > LONGEST_ID:
        raise too_long(f"{where}.id", item_id, LONGEST_ID)


def _check_keys(item: Item, allowed: tuple[str, ...] | None, where: str, status_refused: bool) -> None:
    """Both wordings were seen, `Unsupported` for `status`."""
    for key in item:
        if allowed is None or key in (*allowed, "type", "id", PASSED_THROUGH):
            continue
        if key == "status" and not status_refused:
            continue
        if key == "status":
            raise api_error(f"Unsupported parameter: '{where}.status'.", param=f"{where}.status")
        raise unknown(f"{where}.{key}")


def _check_message(item: Item, where: str) -> None:
    role = item.get("role")
    if role is None:
        raise missing(f"{where}.role")
    if role not in ROLES:
        raise invalid_value(role, ("assistant", "system", "developer", "user"), f"{where}.role")
    parts.check_content(item, role, where)


def _check_reasoning(item: Item, where: str) -> None:
    if not isinstance(item.get("summary"), list):
        raise missing(f"{where}.summary")
    if item.get("encrypted_content") is None and item.get("id") is not None:
        raise not_found(item["id"])


def not_found(item_id: object) -> Refused:
    return detail(
        f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false. "
        "Try again with `store` set to true, or remove this item from your input.",
        404,
    )


def _check_pairs(items: list[Item]) -> None:
    """Each call has one output after it, each output one call before it."""
    calls: dict[tuple[str, str], bool] = {}
    for words, name, is_call in _links(items):
        if is_call:
            if (words, name) in calls:
                raise _unpaired(f"No tool output found for {words} {name}.")
            calls[words, name] = False
        elif calls.get((words, name)) is not False:
            raise _unpaired(f"No tool call found for {words} output with call_id {name}.")
        else:
            calls[words, name] = True
    for (words, name), answered in calls.items():
        if not answered:
            raise _unpaired(f"No tool output found for {words} {name}.")


def _links(items: list[Item]) -> Iterator[tuple[str, str, bool]]:
    for item in items:
        kind = item.get("type")
        if kind in CALLS:
            words, key = CALLS[kind]
            names = [item.get(key)]
        elif kind in OUTPUTS:
            words, keys = OUTPUTS[kind]
            names = [item[key] for key in keys if item.get(key)]
        else:
            continue
        if names and isinstance(names[0], str):
            yield words, names[0], kind in CALLS


def _check_reasoning_leads(items: list[Item]) -> None:
    """Reasoning stands before what it led to (docs/backend.md, 4.1)."""
    leads_on = False
    for item in reversed(items):
        kind = type_of(item)
        if kind == "reasoning" and not leads_on:
            text = f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
            raise api_error(text, param="input")
        if kind != "reasoning":
            leads_on = kind in CALLS or kind in LED_TO or (kind == "message" and item.get("role") == "assistant")


def _unpaired(text: str) -> Refused:
    return api_error(text, param="input")
