"""A network, names and a resolver of a test's own: in namespaces of this thread, and of what it starts."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

# What is sent there is swallowed: an interface whose other end takes nothing, and a neighbour that never answers.
SWALLOWS_V4, SWALLOWS_V6 = "192.0.2.66", "2001:db8:66::66"

# An address of this network's own.
HERE = "192.0.2.1"

# Of a network beside it, and this one's own address in between.
THERE, NEAR, NEAR_LATER = "192.0.2.130", "192.0.2.131", "192.0.2.132"

# In seconds; the most of resolv.conf(5), four times.
SILENT_FOR = 120


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self, **addresses: list[str]) -> None:
        """What names have which addresses, in this order; `_` stands for a dot. No other name is known but localhost."""
        lines = [
            "127.0.0.1 localhost",
            *(f"{a} {n.replace('_', '.')}" for n, found in addresses.items() for a in found),
        ]
        self._put("/etc/hosts", "\n".join(lines) + "\n")

    def silent_resolver(self) -> None:
        """A lookup takes SILENT_FOR."""
        self._put("/etc/resolv.conf", f"nameserver {SWALLOWS_V4}\noptions timeout:30 attempts:4\n")

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """A network beside this one: what is opened meanwhile is opened there, at THERE."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            os.unshare(os.CLONE_NEWNET)
            ip("link set lo up", f"link add there0 type veth peer name near0 netns /proc/self/fd/{here}", files=[here])
            ip(f"address add {THERE}/26 dev there0", "link set there0 up")
            there = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            os.setns(here, os.CLONE_NEWNET)
            ip(f"address add {NEAR}/26 dev near0", "link set near0 up")
            os.setns(there, os.CLONE_NEWNET)
            os.close(there)
            yield
        finally:
            os.setns(here, os.CLONE_NEWNET)
            os.close(here)

    def moves(self) -> None:
        """This network gets another address, as with another Wi-Fi: what is open is dead, and nobody is told."""
        ip(f"address del {NEAR}/26 dev near0", f"address add {NEAR_LATER}/26 dev near0")

    def _put(self, path: str, text: str) -> None:
        file = self.folder / path.replace("/", "_")
        file.write_text(text)
        if path not in Path("/proc/thread-self/mountinfo").read_text():
            run("mount", "--bind", str(file), path)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def ip(*lines: str, files: Sequence[int] = ()) -> None:
    for line in lines:
        subprocess.run(["ip", *line.split()], check=True, capture_output=True, pass_fds=files)


@contextlib.contextmanager
def entered(folder: Path) -> Iterator[World]:
    missing = [name for name in ("ip", "mount") if not shutil.which(name)]
    if sys.platform != "linux" or missing:
        pytest.skip(f"needs Linux with iproute2 and util-linux; missing: {', '.join(missing) or 'Linux'}")
    before = [(os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY), flag) for kind, flag in KINDS]
    where = os.getcwd()
    try:
        os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS)
    except PermissionError:
        for file, _ in before:
            os.close(file)
        # No package brings that right, so it is no failure under CI either.
        pytest.xfail("only root may make namespaces; under `unshare -Urnm` everybody is")
    try:
        run("mount", "--make-rprivate", "/")
        ip(
            "link set lo up", f"address add {HERE}/32 dev lo",
            "link add swallow0 type veth peer name swallow1", "link set swallow1 up", "link set swallow0 up",
            "address add 192.0.2.65/26 dev swallow0", "-6 address add 2001:db8:66::1/64 dev swallow0 nodad",
            f"neigh add {SWALLOWS_V4} lladdr 02:00:00:00:00:01 dev swallow0 nud permanent",
            f"-6 neigh add {SWALLOWS_V6} lladdr 02:00:00:00:00:01 dev swallow0 nud permanent",
        )  # fmt: skip
        yield World(folder)
    finally:
        for file, flag in before:
            os.setns(file, flag)
            os.close(file)
        os.chdir(where)


KINDS = [("net", os.CLONE_NEWNET), ("mnt", os.CLONE_NEWNS)] if hasattr(os, "CLONE_NEWNS") else []


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """To be asked for before any fixture that starts or listens."""
    with entered(tmp_path) as made:
        yield made
