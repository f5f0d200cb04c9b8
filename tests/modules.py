"""The modules of a package and what each imports, read off the sources: also what stands under TYPE_CHECKING."""

import ast
from pathlib import Path


class Modules:
    """By full name without the package's: "errors", "account.login"; the `__init__` of a folder has the folder's name.

    `folders`: each leaning on those before it only; "" is the package itself.
    """

    def __init__(self, package: Path, folders: list[str]) -> None:
        self.folders = folders
        self.paths = {
            ".".join(path.relative_to(package).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
            for path in sorted(package.rglob("*.py"))
        }
        self.trees = {name: ast.parse(path.read_text()) for name, path in self.paths.items()}
        self.names = [name for name in self.paths if name and name not in folders]
        self._imported: dict[str, set[str]] = {}
        self._reached: dict[str, set[str]] = {}

    def folder(self, name: str) -> str:
        return name if name in self.folders else name.rpartition(".")[0]

    def imported(self, name: str) -> set[str]:
        """The modules that one imports, in full; those of the package with a dot in front."""
        if name in self._imported:
            return self._imported[name]
        found = self._imported[name] = set()
        for node in ast.walk(self.trees[name]):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found |= {node.module or ""}
            elif isinstance(node, ast.ImportFrom):
                up = [self.folder(name)] if node.level == 1 else []
                base = ".".join(part for part in (*up, node.module) if part)
                for alias in node.names:
                    whole = f"{base}.{alias.name}".lstrip(".")
                    found.add("." + (whole if whole in self.paths else base))
        return found

    def neighbours(self, name: str) -> set[str]:
        return {found[1:] for found in self.imported(name) if found.startswith(".")}

    def misplaced(self, name: str) -> list[str]:
        """What a module imports of the package that stands in a folder after its own, or nowhere."""
        may = self.folders[: self.folders.index(self.folder(name)) + 1]
        return [found for found in self.neighbours(name) if self.folder(found) not in may or found not in self.paths]

    def reached(self, name: str) -> set[str]:
        """The modules that come with one; itself among them where there is a circle."""
        if name in self._reached:
            return self._reached[name]
        reached = self._reached[name] = set()
        ahead = self.neighbours(name)
        while ahead:
            reached |= ahead
            ahead = {found for module in ahead for found in self.neighbours(module)} - reached
        return reached

    def nested(self, name: str) -> list[str]:
        """The imports that do not stand at the top of the module."""
        tree = self.trees[name]
        return [
            ast.unparse(node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom) and node not in tree.body
        ]

    def documented(self, name: str) -> bool:
        return bool(ast.get_docstring(self.trees[name]))
