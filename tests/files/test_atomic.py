import os
import stat
import tempfile
from pathlib import Path

import pytest

from codex_proxy.files import atomic as atomic_files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def careless_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_folders_and_files_are_for_this_user_alone(tmp_path: Path) -> None:
    atomic_files.make_folder(tmp_path / "a" / "b")
    atomic_files.replace(tmp_path / "a" / "b" / "file", b"1")
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/file")] == [0o700, 0o700, 0o600]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=r"file"):
            atomic_files.make_folder(path)


def test_what_can_not_be_put_in_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "target" / "full").mkdir(parents=True)
    with pytest.raises(OSError):
        atomic_files.replace(tmp_path / "target", b"1")
    assert os.listdir(tmp_path) == ["target"]


def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic_files.replace(tmp_path / "file", b"old")
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(tempfile, "mkstemp", lambda **_: (os.dup(full.fileno()), str(tmp_path / ".x")))
        with pytest.raises(OSError, match="No space left"):
            atomic_files.replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("has_links", [True, False])
def test_what_is_there_is_not_moved_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    atomic_files.move_to_new(tmp_path / "one", tmp_path / "new")
    with pytest.raises(FileExistsError):
        atomic_files.move_to_new(tmp_path / "two", tmp_path / "new")
    assert (tmp_path / "new").read_text() == "one"


def test_a_folder_can_hold_what_is_there_or_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    names = {"file": True, "new": True, "loop": False}
    assert {name: atomic_files.can_hold(tmp_path, [name]) for name in names} == names
    assert atomic_files.can_hold(tmp_path / "a" / "b", ["new"]) is True
    assert atomic_files.can_hold(tmp_path / "file", ["new"]) is False
    assert atomic_files.can_hold(tmp_path / "file" / "below", ["new"]) is False
