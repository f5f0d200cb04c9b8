import ast
from pathlib import Path

import pytest

from .modules import Modules
from .places import ADDON

PACKAGE = ADDON / "codex_proxy"
SCRIPT = ast.parse((ADDON / "codex.py").read_text())

# The folders of the package, each leaning on those before it only; "" is the package itself, which all may lean on.
FOLDERS = [
    "", "files", "output", "message", "net", "account", "backend", "answer", "models", "chat", "front", "memory", "request", "websocket", "dry_run",
    "views", "capture", "status", "signing_in", "walk", "layers", "steps", "addons",
]  # fmt: skip

# The folders that know of mitmproxy.
SHELL = ("layers", "steps", "addons")

# Those of which much can be tested with a whole proxy only.
WHOLE = ("layers", "addons")

MODULES = Modules(PACKAGE, FOLDERS)
NAMES = MODULES.names

# What knows nothing of mitmproxy.
CORE = [name for name in NAMES if MODULES.folder(name) not in SHELL]

# What a step does at one of mitmproxy's hooks.
HOOKS = {"requestheaders", "request", "responseheaders", "response", "error"}

# The classes that the script imports, with their modules; what its names are made of; and the calls with which lists are given.
IMPORTED = {
    alias.asname or alias.name: (node.module or "").removeprefix("codex_proxy.")
    for node in SCRIPT.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}
ASSIGNED = [node for node in SCRIPT.body if isinstance(node, ast.Assign)]


def names_in(node: ast.AST) -> set[str]:
    return {found.id for found in ast.walk(node) if isinstance(found, ast.Name)}


def made() -> dict[str, str]:
    """The script's names, each with the class it is made of."""
    found = {}
    for node in ASSIGNED:
        (target,) = node.targets
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for name, value in zip(names, values, strict=True):
            if isinstance(name, ast.Name) and isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
                found[name.id] = value.func.id
    return found


MADE = made()


def classes_in(elements: ast.expr) -> list[str]:
    """The classes whose objects stand in a list of the script."""
    assert isinstance(elements, ast.List)
    calls = [element.func if isinstance(element, ast.Call) else element for element in elements.elts]
    assert all(isinstance(call, ast.Name) for call in calls)
    return [MADE.get(call.id, call.id) for call in calls if isinstance(call, ast.Name)]


def value_of(name: str) -> ast.expr:
    (value,) = [node.value for node in ASSIGNED if [ast.unparse(target) for target in node.targets] == [name]]
    return value


def steps_of(name: str) -> list[str]:
    """The classes of a module that do something at a hook, as methods or names of them."""
    return [
        node.name
        for node in MODULES.trees[name].body
        if isinstance(node, ast.ClassDef) and HOOKS & {attribute for each in node.body for attribute in defined(each)}
    ]


def defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return {node.name}
    return {ast.unparse(target) for target in node.targets} if isinstance(node, ast.Assign) else set()


def test_every_folder_has_its_place_and_its_word() -> None:
    assert {MODULES.folder(name) for name in MODULES.paths} == set(FOLDERS)
    assert [name for name in FOLDERS if not MODULES.documented(name)] == []


def test_a_module_leans_on_its_own_folder_and_those_before_it() -> None:
    assert {name: found for name in NAMES if (found := MODULES.misplaced(name))} == {}


def test_only_the_shell_knows_of_mitmproxy() -> None:
    knows = [name for name in CORE if any(found.split(".")[0] == "mitmproxy" for found in MODULES.imported(name))]
    assert knows == []


def test_no_module_imports_the_script() -> None:
    parts = {name: {part for found in MODULES.imported(name) for part in found.split(".")} for name in NAMES}
    assert [name for name in NAMES if parts[name] & {"codex", "codex_proxy"}] == []


def test_imports_stand_at_the_top() -> None:
    assert {name: found for name in NAMES if (found := MODULES.nested(name))} == {}


def test_no_two_modules_import_each_other() -> None:
    assert [name for name in NAMES if name in MODULES.reached(name)] == []


@pytest.mark.parametrize("name", IMPORTED)
def test_every_class_that_the_script_imports_is_used_in_it(name: str) -> None:
    assert [node for node in ASSIGNED if name in names_in(node.value)]


@pytest.mark.parametrize("name", [name for name in NAMES if MODULES.folder(name) == "steps" and steps_of(name)])
def test_every_step_stands_in_a_list_of_the_walk(name: str) -> None:
    walk = value_of("walk")
    assert isinstance(walk, ast.Call) and names_in(walk.func) == {"CodexProxy"}
    lists = [keyword.value for keyword in walk.keywords if keyword.arg in ("up", "down", "watch")]
    assert len(lists) == 3
    walked = {one for elements in lists for one in classes_in(elements)}
    assert [one for one in steps_of(name) if one not in walked or IMPORTED[one] != name] == []


def test_the_addons_are_those_of_their_folder_and_the_walk_is_one_of_them() -> None:
    listed = classes_in(value_of("addons"))
    assert MADE["walk"] == "CodexProxy" and listed.count("CodexProxy") == 1
    assert {IMPORTED[one] for one in listed} == {name for name in NAMES if MODULES.folder(name) == "addons"}
    assert len(set(listed)) == len(listed)


def test_the_script_holds_a_docstring_imports_and_assignments() -> None:
    docstring, *rest = SCRIPT.body
    assert ast.get_docstring(SCRIPT) and isinstance(docstring, ast.Expr)
    imports = [node for node in rest if isinstance(node, ast.ImportFrom)]
    assert all(node.level == 0 and (node.module or "").startswith("codex_proxy.") for node in imports)
    assert rest == [*imports, *ASSIGNED]


def test_every_module_that_runs_without_a_proxy_has_a_test_module_of_its_name() -> None:
    assert [name for name in NAMES if MODULES.folder(name) not in WHOLE and not module_of_tests(name).exists()] == []


def module_of_tests(name: str) -> Path:
    *folders, last = name.split(".")
    return Path(__file__).parent.joinpath(*folders, f"test_{last}.py")


def test_no_file_repeats_its_folders_name() -> None:
    halves = [name.rpartition(".") for name in NAMES]
    assert [file for folder, _, file in halves if folder and folder in file.split("_")] == []
