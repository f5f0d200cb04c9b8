import ast
from pathlib import Path

import pytest

ADDON = Path(__file__).parents[1] / "addon"
MODULES = {path.stem: path for path in sorted((ADDON / "codex_proxy").glob("*.py"))}
SCRIPT = ast.parse((ADDON / "codex.py").read_text())

# Modules that know nothing of mitmproxy (design, section 2): plain functions and small classes.
PLAIN = {
    "__init__", "account_state", "answer_text", "backend_calls", "backend_errors", "body_rules", "cache_key",
    "callback", "callback_page", "caller", "canned", "capture_file", "capture_report", "catalogue", "changes",
    "chat_answer", "chat_messages", "chat_reading", "chat_request", "chat_stop", "chat_stream", "chat_tools",
    "conversation", "cookies", "cors_rules", "credentials", "defaults", "device", "difference", "encodings",
    "errors", "events", "frames", "header_rules", "html_page", "identity", "input_rules", "instructions", "issuer",
    "items", "judged", "kept_catalogue", "kept_login", "layout", "login", "login_file", "login_keyring",
    "login_source", "model_list", "model_map", "model_name", "oauth", "our_headers", "outbound", "part_rules",
    "paths", "pkce", "ports", "probe", "put_back", "raw", "redact", "repair", "schemas", "shortened", "sign_in",
    "sign_out", "sse", "stored", "stream_text", "system_keyring", "timeline", "tokens", "tool_list", "tool_rules",
    "transcript", "transport_errors", "turns", "unsaid_rules", "upgrade", "upstream", "usage", "wham", "whole_files",
}  # fmt: skip

# What all addons share, and no addon itself.
SHARED = {"event_stream", "flows", "socket_messages", "socket_wire", "wire"}


def imported(tree: ast.AST) -> set[str]:
    """The full names of the modules that a module imports, relative ones with a dot in front."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            found |= {f"{dots}{node.module}"} if node.module else {f"{dots}{alias.name}" for alias in node.names}
    return found


def neighbours(name: str) -> set[str]:
    near = {
        found.removeprefix(".") for found in imported(ast.parse(MODULES[name].read_text())) if found.startswith(".")
    }
    # What is no module is a name in the package itself.
    return {found if found in MODULES else "__init__" for found in near}


def addon_classes(name: str) -> list[str]:
    """Classes whose name is the file's, as mitmproxy's own addons are named."""
    wanted = "".join(part.title() for part in name.split("_"))
    tree = ast.parse(MODULES[name].read_text())
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted]


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_plain_module_knows_nothing_of_mitmproxy(name: str) -> None:
    assert not [found for found in imported(ast.parse(MODULES[name].read_text())) if found.split(".")[0] == "mitmproxy"]


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_plain_module_leans_on_plain_modules_only(name: str) -> None:
    assert neighbours(name) <= PLAIN


@pytest.mark.parametrize("name", MODULES)
def test_no_module_imports_the_script(name: str) -> None:
    names = {part for found in imported(ast.parse(MODULES[name].read_text())) for part in found.split(".")}
    assert "codex" not in names


@pytest.mark.parametrize("name", MODULES)
def test_imports_stand_at_the_top(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    nested = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and n not in tree.body]
    assert nested == []


@pytest.mark.parametrize("name", MODULES)
def test_no_two_modules_import_each_other(name: str) -> None:
    reached: set[str] = set()
    ahead = neighbours(name)
    while ahead:
        reached |= ahead
        ahead = {found for module in ahead & MODULES.keys() for found in neighbours(module)} - reached
    assert name not in reached


def test_every_module_that_is_not_plain_or_shared_is_an_addon_of_the_list() -> None:
    assert MODULES.keys() - PLAIN - SHARED == set(listed())


def listed() -> list[str]:
    """The modules whose addons stand in the list of the script, in its order."""
    (assigned,) = [node for node in SCRIPT.body if isinstance(node, ast.Assign)]
    assert isinstance(assigned.value, ast.List)
    calls = [element.func for element in assigned.value.elts if isinstance(element, ast.Call)]
    assert len(calls) == len(assigned.value.elts)
    by_class = {
        alias.name: node.module.removeprefix("codex_proxy.")
        for node in SCRIPT.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return [by_class[call.id] for call in calls if isinstance(call, ast.Name)]


def test_every_addon_of_the_list_has_a_file_of_its_own_name() -> None:
    assert [name for name in listed() if not addon_classes(name)] == []
    assert len(set(listed())) == len(listed())


def test_the_script_holds_a_docstring_imports_and_the_list() -> None:
    docstring, *imports, addons = SCRIPT.body
    assert ast.get_docstring(SCRIPT) and isinstance(docstring, ast.Expr)
    assert all(isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codex_proxy.") for node in imports)
    assert isinstance(addons, ast.Assign) and [ast.unparse(target) for target in addons.targets] == ["addons"]


@pytest.mark.parametrize("name", sorted(PLAIN - {"__init__", "outbound"}))
def test_every_plain_module_has_a_test_module_of_its_name(name: str) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").exists()
