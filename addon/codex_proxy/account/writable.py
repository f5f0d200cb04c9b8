"""Check that a login file can be replaced, or at least overwritten, before a refresh token is spent.

A rename replaces the content atomically. It fails on a file that is a mount point (Docker's `-v FILE`, Kubernetes' `subPath`)
and in a read-only folder; the file itself may still be writable then.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Literal

from ..errors import LoginError
from ..files import bounded as bounded_files

Way = Literal["rename", "in place"]

# Errors of a rename after which overwriting may still work.
NO_RENAME = frozenset({errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS})


class NotWritable(LoginError):
    """A new token could not be saved at `place`, so none may be requested."""

    def __init__(self, place: Path, e: OSError, advice: str = "Make it writable.") -> None:
        self.why = f"{place} can't be written to ({e.strerror})"
        super().__init__("login_not_writable", f"{self.why}, and a new token that is not saved there is lost. {advice}")


def way(path: Path) -> Way:
    """How new content can be written to `path`, which is free of links. Changes nothing. Raises OSError, which names the path."""
    try:
        found = path.stat()
    except FileNotFoundError:
        _check_folder(path.parent)
        return "rename"
    bounded_files.check_regular(found, path)
    if not is_mount_point(path) and _may_be_renamed_over(path, found):
        return "rename"
    os.close(open_for_writing(path))
    return "in place"


def open_for_writing(path: Path) -> int:
    """Open the file for overwriting. Raises OSError."""
    return os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))


def is_mount_point(path: Path) -> bool:
    """Is this file mounted by itself? The device tells nothing of it, where both are on one disk. False where it isn't known."""
    here, above = _mount_of(path), _mount_of(path.parent)
    return here is not None and above is not None and here != above


def _mount_of(path: Path) -> str | None:
    """Linux says it of an open file, in proc_pid_fdinfo(5)."""
    try:
        fd = os.open(path, os.O_PATH)
    except (OSError, AttributeError):
        return None
    try:
        lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    except OSError:
        return None
    finally:
        os.close(fd)
    return next((line for line in lines if line.startswith("mnt_id:")), None)


def _check_folder(folder: Path) -> None:
    if not stat.S_ISDIR(folder.stat().st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        code = errno.EROFS if read_only else errno.EACCES
        raise OSError(code, os.strerror(code), str(folder))


def _may_be_renamed_over(path: Path, found: os.stat_result) -> bool:
    folder = path.parent.stat()
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return False
    # A sticky folder, as /tmp is, lets others' files alone (rename(2), EPERM).
    if os.name == "posix" and folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, found.st_uid, folder.st_uid):
        return False
    return not _is_immutable(path)


def _is_immutable(path: Path) -> bool:
    """With the attribute `i` or `a` (chattr(1)) a file can neither be renamed over nor written; root can't either."""
    try:
        os.close(open_for_writing(path))
    except OSError as e:
        return e.errno == errno.EPERM
    return False
