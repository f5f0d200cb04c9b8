import ast
from pathlib import Path

import pytest

from .modules import Modules
from .places import ADDON

PACKAGE = ADDON / "codex_proxy"
SCRIPT = ast.parse((ADDON / "codex.py").read_text())

# The folders of the package, each leaning on those before it only; "" is the package itself, which all may lean on.
FOLDERS = ["", "account", "backend", "answer", "models", "chat", "request", "views", "capture", "status", "addons"]

MODULES = Modules(PACKAGE, FOLDERS)
NAMES = MODULES.names

# What all addons share, and no addon itself.
SHARED = {
    "backend_side", "backend_tls", "client_side", "client_tls", "dialled", "event_stream", "exchange", "flows", "handlers", "http1", "socket_messages", "socket_wire",
    "wire",
}  # fmt: skip


def addon_classes(name: str) -> list[str]:
    """Classes whose name is the file's, as mitmproxy's own addons are named."""
    wanted = "".join(part.title() for part in name.split("_"))
    tree = MODULES.trees[f"addons.{name}"]
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted]


def test_every_folder_has_its_place_and_its_word() -> None:
    assert {MODULES.folder(name) for name in MODULES.paths} == set(FOLDERS)
    assert [name for name in FOLDERS if not MODULES.documented(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_module_leans_on_its_own_folder_and_those_before_it(name: str) -> None:
    assert MODULES.misplaced(name) == []


@pytest.mark.parametrize("name", [name for name in NAMES if MODULES.folder(name) != "addons"])
def test_only_addons_know_of_mitmproxy(name: str) -> None:
    assert [found for found in MODULES.imported(name) if found.split(".")[0] == "mitmproxy"] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_module_imports_the_script(name: str) -> None:
    assert not {part for found in MODULES.imported(name) for part in found.split(".")} & {"codex", "codex_proxy"}


@pytest.mark.parametrize("name", NAMES)
def test_imports_stand_at_the_top(name: str) -> None:
    assert MODULES.nested(name) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_two_modules_import_each_other(name: str) -> None:
    assert name not in MODULES.reached(name)


def test_every_addon_stands_in_the_list_of_the_script() -> None:
    assert {name.removeprefix("addons.") for name in NAMES if MODULES.folder(name) == "addons"} - SHARED == set(
        listed()
    )


def listed() -> list[str]:
    """The modules whose addons stand in the list of the script, in its order."""
    (assigned,) = [node for node in SCRIPT.body if isinstance(node, ast.Assign)]
    assert isinstance(assigned.value, ast.List)
    calls = [element.func for element in assigned.value.elts if isinstance(element, ast.Call)]
    assert len(calls) == len(assigned.value.elts)
    by_class = {
        alias.name: node.module.removeprefix("codex_proxy.addons.")
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
    assert all(
        isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codex_proxy.addons.") for node in imports
    )
    assert isinstance(addons, ast.Assign) and [ast.unparse(target) for target in addons.targets] == ["addons"]


@pytest.mark.parametrize("name", [name for name in NAMES if MODULES.folder(name) != "addons" and name != "outbound"])
def test_every_module_without_mitmproxy_has_a_test_module_of_its_name(name: str) -> None:
    *folders, last = name.split(".")
    assert Path(__file__).parent.joinpath(*folders, f"test_{last}.py").exists()
