"""Which process holds a port of this machine, as far as a user without root may know."""

import asyncio
import os
import pwd
import re
import shutil
import sys
from pathlib import Path

LISTENING = "0A"

# How long `lsof` may take, in seconds.
PATIENCE = 5.0


async def holder(port: int) -> str:
    """In words: `codex (process 4711)`, or what is known of it."""
    if sys.platform == "linux":
        return await asyncio.to_thread(_by_proc, port)
    return await _by_lsof(port)


def _by_proc(port: int, proc: Path = Path("/proc")) -> str:
    sockets: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        try:
            sockets |= listeners((proc / "net" / table).read_text(), port)
        except OSError:
            continue
    for inode in sockets:
        if found := _owner(inode, proc):
            return found
    return f"a process of the user {_user(next(iter(sockets.values())))}" if sockets else "an unknown process"


def listeners(table: str, port: int) -> dict[str, int]:
    """Sockets that listen on `port` in a table of /proc/net: inode to user id."""
    found = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            found[fields[9]] = int(fields[7])
    return found


def _owner(inode: str, proc: Path) -> str:
    """The process that has the socket open; empty if it belongs to a process that we may not inspect."""
    for folder in proc.glob("[0-9]*"):
        try:
            if any(os.readlink(each) == f"socket:[{inode}]" for each in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
        except OSError:
            continue
    return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


async def _by_lsof(port: int) -> str:
    if not (lsof := shutil.which("lsof")):
        return "a process that only lsof could name, which is not installed"
    process = await asyncio.create_subprocess_exec(
        lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return "an unknown process"
    return told_by_lsof(out.decode("utf-8", "replace"))


def told_by_lsof(output: str) -> str:
    """From the fields that `lsof -Fpc` prints, one per line."""
    found = re.search(r"^p(\d+)\n(?:.*\n)*?c(.+)$", output, re.M)
    return f"{found[2]} (process {found[1]})" if found else "a process of another user"
