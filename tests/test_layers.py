import ast
from pathlib import Path

import pytest

from .places import ADDON

PACKAGE = ADDON / "codex_proxy"
SCRIPT = ast.parse((ADDON / "codex.py").read_text())

# The folders of the package, each leaning on those before it only; "" is the package itself, which all may lean on.
FOLDERS = ["", "account", "backend", "answer", "models", "chat", "request", "views", "capture", "status", "addons"]

# By full name without the package's: "errors", "account.login". The `__init__` of a folder has the folder's name.
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
NAMES = [name for name in MODULES if name and name not in FOLDERS]

# What all addons share, and no addon itself.
SHARED = {
    "backend_side", "backend_tls", "client_side", "event_stream", "exchange", "flows", "handlers", "http1", "socket_messages", "socket_wire",
    "wire",
}  # fmt: skip


def folder(name: str) -> str:
    return name if name in FOLDERS else name.rpartition(".")[0]


def imported(name: str) -> set[str]:
    """The modules that one imports, in full; those of the package as in MODULES, with a dot in front."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {node.module or ""}
        elif isinstance(node, ast.ImportFrom):
            up = [folder(name)] if node.level == 1 else []
            base = ".".join(part for part in (*up, node.module) if part)
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add("." + (whole if whole in MODULES else base))
    return found


def neighbours(name: str) -> set[str]:
    return {found[1:] for found in imported(name) if found.startswith(".")}


def addon_classes(name: str) -> list[str]:
    """Classes whose name is the file's, as mitmproxy's own addons are named."""
    wanted = "".join(part.title() for part in name.split("_"))
    tree = ast.parse(MODULES[f"addons.{name}"].read_text())
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name == wanted]


def test_every_folder_has_its_place_and_its_word() -> None:
    assert {folder(name) for name in MODULES} == set(FOLDERS)
    assert [name for name in FOLDERS if not ast.get_docstring(ast.parse(MODULES[name].read_text()))] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_module_leans_on_its_own_folder_and_those_before_it(name: str) -> None:
    may = FOLDERS[: FOLDERS.index(folder(name)) + 1]
    assert [found for found in neighbours(name) if folder(found) not in may or found not in MODULES] == []


@pytest.mark.parametrize("name", [name for name in NAMES if folder(name) != "addons"])
def test_only_addons_know_of_mitmproxy(name: str) -> None:
    assert [found for found in imported(name) if found.split(".")[0] == "mitmproxy"] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_module_imports_the_script(name: str) -> None:
    assert not {part for found in imported(name) for part in found.split(".")} & {"codex", "codex_proxy"}


@pytest.mark.parametrize("name", NAMES)
def test_imports_stand_at_the_top(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    nested = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and n not in tree.body]
    assert nested == []


@pytest.mark.parametrize("name", NAMES)
def test_no_two_modules_import_each_other(name: str) -> None:
    reached: set[str] = set()
    ahead = neighbours(name)
    while ahead:
        reached |= ahead
        ahead = {found for module in ahead for found in neighbours(module)} - reached
    assert name not in reached


def test_every_addon_stands_in_the_list_of_the_script() -> None:
    assert {name.removeprefix("addons.") for name in NAMES if folder(name) == "addons"} - SHARED == set(listed())


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


@pytest.mark.parametrize("name", [name for name in NAMES if folder(name) != "addons" and name != "outbound"])
def test_every_module_without_mitmproxy_has_a_test_module_of_its_name(name: str) -> None:
    *folders, last = name.split(".")
    assert Path(__file__).parent.joinpath(*folders, f"test_{last}.py").exists()
