"""Mounts of a test's own, in a namespace that ends with what ran in it."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """One that other users get to as well; pytest's own are for this user alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


UNSHARE = ["unshare", "--mount", "--propagation", "private"]


def _why_not() -> str:
    if shutil.which("unshare") is None:
        return "there is no unshare(1) here"
    tried = subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True, timeout=60
    )
    return "" if tried.returncode == 0 else f"no mounts can be made here: {tried.stderr.strip()}"


# Why such tests can't run here; empty where they can.
NO_MOUNTS = _why_not()


def inside(mounts: str, command: Sequence[str]) -> list[str]:
    """The command line of `command` behind the shell commands `mounts`; the process is the command's own."""
    return [*UNSHARE, "sh", "-ec", f'{mounts}\nexec "$@"', "sh", *command]


def mounted(mounts: str, folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What `command` did, with paths in `mounts` from `folder`."""
    line = inside(f"cd {folder}; {mounts}", command)
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


# A disk that never answers: a FUSE file system whose server, this very process, reads no request (fuse(4)).
HUNG = """
import ctypes, os, sys
folder, *command = sys.argv[1:]
os.unshare(os.CLONE_NEWNS)
libc = ctypes.CDLL(None, use_errno=True)
def mount(source, target, kind, flags, data=None):
    if libc.mount(source, target, kind, flags, data):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
mount(b"none", b"/", None, 0x44000)  # MS_REC | MS_PRIVATE
fuse = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fuse, True)
mount(b"hung", folder.encode(), b"fuse", 0, f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode())
os.execvp(command[0], command)
"""


def hung(folder: Path, command: Sequence[str]) -> list[str]:
    """The command line of `command` with a disk at `folder` that never answers; the process is the command's own."""
    return [sys.executable, "-c", HUNG, str(folder), *command]


def _no_hung() -> str:
    if not hasattr(os, "unshare"):
        return "this Python can't make a namespace"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(hung(Path(folder), ["true"]), capture_output=True, text=True, timeout=60)
    return "" if tried.returncode == 0 else f"no such disk can be mounted here: {tried.stderr.strip()[-200:]}"


NO_HUNG = _no_hung()
