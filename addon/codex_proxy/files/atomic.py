"""Atomic file writes (temporary file, then rename), mode 0600."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path


def make_folder(folder: Path) -> None:
    """The folder and those above it that are missing, for this user alone. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")


@contextlib.contextmanager
def temporary(folder: Path, data: bytes) -> Iterator[Path]:
    """A whole file under a passing name, 0600, gone at the end unless it was moved. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    try:
        with open(handle, "wb") as file:
            file.write(data)
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def replace(path: Path, data: bytes) -> None:
    """Write a file whole, 0600. Raises OSError."""
    with temporary(path.parent, data) as written:
        os.replace(written, path)


def move_to_new(source: Path, target: Path) -> None:
    """Rename, unless the target is there already. Raises FileExistsError."""
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if target.exists():
            raise FileExistsError(target) from None
        os.rename(source, target)


def can_hold(folder: Path, names: Iterable[str]) -> bool:
    """Can the files of these names in a folder be read, and made where they are missing, with the folder if need be?"""
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    is_writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    files = [folder / name for name in names]
    return all(os.access(file, os.R_OK) if os.path.lexists(file) else is_writable for file in files)
