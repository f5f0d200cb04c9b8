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
}
SEALED = ("reasoning", "compaction", "compaction_summary", "context_compaction")
# Which calls an output can answer, and the words the API has for the pair.
PAIRS = {
    "function_call_output": (("function_call", "local_shell_call"), "function call"),
    "custom_tool_call_output": (("custom_tool_call",), "custom tool call"),
}
WORDS = {"function_call": "function call", "local_shell_call": "function call", "custom_tool_call": "custom tool call"}


def check(items: list[Any], account: str, vault: Vault, status_refused: bool = True) -> None:
    """Nothing, or Refused for the first thing that is wrong: shapes first, then pairs, then seals.

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
    for name, call_id in _links(items):
        words = PAIRS[name][1] if name in PAIRS else WORDS[name]
        if name not in PAIRS:
            if (words, call_id) in calls:
                raise _unpaired(f"No tool output found for {words} {call_id}.")
            calls[words, call_id] = False
        elif calls.get((words, call_id)) is not False:
            raise _unpaired(f"No tool call found for {words} output with call_id {call_id}.")
        else:
            calls[words, call_id] = True
    for (words, call_id), answered in calls.items():
        if not answered:
            raise _unpaired(f"No tool output found for {words} {call_id}.")


def _links(items: list[Item]) -> Iterator[tuple[str, str]]:
    for item in items:
        name, call_id = item.get("type"), item.get("call_id")
        if isinstance(name, str) and isinstance(call_id, str) and (name in WORDS or name in PAIRS):
            yield name, call_id


def _unpaired(text: str) -> Refused:
    return api_error(text, param="input")
