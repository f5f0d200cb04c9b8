import os
import subprocess
import sys
from pathlib import Path

import pytest

from codex_proxy.account import writable

from ..mounts import NO_MOUNTS, folder_for_all, mounted
from ..places import ADDON


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "auth.json"
    path.parent.mkdir()
    path.write_text("{}")
    return path


def test_a_file_in_a_folder_of_ones_own_is_renamed_over(path: Path) -> None:
    assert writable.way(path) == writable.way(path.with_name("new")) == "rename"


def test_nothing_is_changed_by_the_look(path: Path) -> None:
    before = path.stat()
    writable.way(path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns and os.listdir(path.parent) == ["auth.json"]


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    for name in ("pipe", "."):
        with pytest.raises(OSError, match="it is a"):
            writable.way(path.parent / name)


def test_without_its_folder_it_can_not_be_written(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        writable.way(path.parent / "gone" / "auth.json")
    with pytest.raises(NotADirectoryError):
        writable.way(path / "auth.json")


# What a user may: root may more, so without root's rights.
AS_A_USER = f"""
import os, sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account import writable
# Only now, as the Python may be in a folder of root's.
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(54321, 54321, 54321)
    os.setresuid(54321, 54321, 54321)
try:
    print(writable.way(Path(sys.argv[1])))
except OSError as e:
    print(e.strerror, e.filename)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
@pytest.mark.parametrize(
    "folder_mode, file_mode, owner, said",
    [
        (0o777, 0o600, 54321, "rename"),
        # Mode 0400: a rename asks the folder alone.
        (0o777, 0o400, 54321, "rename"),
        (0o777, 0o600, 0, "rename"),
        (0o1777, 0o600, 54321, "rename"),
        # A sticky folder lets the files of others alone.
        (0o1777, 0o666, 0, "in place"),
        (0o1777, 0o644, 0, "Permission denied"),
        (0o755, 0o600, 54321, "in place"),
        (0o755, 0o400, 54321, "Permission denied"),
        (0o755, None, None, "Permission denied"),
    ],
)
def test_what_a_user_may_decides(folder_mode: int, file_mode: int | None, owner: int, said: str) -> None:
    with folder_for_all() as above:
        path = above / "home" / "auth.json"
        path.parent.mkdir()
        path.parent.chmod(folder_mode)
        if file_mode is not None:
            path.touch()
            path.chmod(file_mode)
            os.chown(path, owner, 0)
        done = subprocess.run([sys.executable, "-c", AS_A_USER, str(path)], capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith(said), done


LOOK = f"""
import sys
sys.path.insert(0, {str(ADDON)!r})
from pathlib import Path
from codex_proxy.account import writable
try:
    print(writable.way(Path(sys.argv[1])))
except OSError as e:
    print(e.strerror)
"""


@pytest.mark.skipif(bool(NO_MOUNTS), reason=NO_MOUNTS)
@pytest.mark.parametrize(
    "commands, said",
    [
        ("mount --bind host home/auth.json", "in place"),
        ("mount --bind host home/auth.json && mount -o remount,bind,ro home/auth.json", "Read-only file system"),
        ("mount --bind home home", "rename"),
        ("mount --bind home home && mount -o remount,bind,ro home", "Read-only file system"),
        (
            "mount --bind home home && mount --bind host home/auth.json && mount -o remount,bind,ro home",
            "in place",
        ),
        ("mount -t tmpfs none home && echo {} > home/auth.json", "rename"),
        ("mount -t tmpfs none home && echo {} > home/auth.json && chattr +i home/auth.json", "Operation not permitted"),
    ],
)
def test_what_is_mounted_decides(commands: str, said: str, path: Path) -> None:
    (path.parents[1] / "host").write_text("{}")
    done = mounted(commands, path.parents[1], [sys.executable, "-c", LOOK, str(path)])
    assert done.stdout == f"{said}\n", done


def test_a_mount_point_is_told_where_the_system_tells_it() -> None:
    assert not writable.is_mount_point(Path(__file__))
    assert writable.is_mount_point(Path("/proc")) or sys.platform != "linux"
