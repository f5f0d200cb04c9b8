"""A real Secret Service for a test: a session bus and GNOME's keyring of their own, unlocked, nothing of the machine's."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

secretstorage = pytest.importorskip("secretstorage", reason="for Linux, where the system's keyring is a Secret Service")

PROGRAMS = ("dbus-daemon", "dbus-send", "gnome-keyring-daemon")

# How long either may take to start, in seconds.
PATIENCE = 20.0


@dataclass
class SecretService:
    pid: int

    @contextlib.contextmanager
    def connection(self) -> Iterator[Any]:
        with contextlib.closing(secretstorage.dbus_init()) as connection:
            yield connection


@contextlib.contextmanager
def secret_service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    """One that runs until the block ends, for all programs that the test starts. `folder` is for what it keeps."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here (Debian, Ubuntu: apt install dbus-daemon dbus-bin gnome-keyring)")
    env = {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_RUNTIME_DIR": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    folder.mkdir(mode=0o700)
    with contextlib.ExitStack() as running:
        bus = subprocess.Popen(
            ["dbus-daemon", "--session", "--nofork", "--print-address=1"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        running.enter_context(bus)
        running.callback(bus.kill)
        assert bus.stdout
        env["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        keyring = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", f"--control-directory={folder}"],
            env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        running.enter_context(keyring)
        running.callback(keyring.kill)
        assert keyring.stdin
        keyring.stdin.write("password")
        keyring.stdin.close()
        wait_for_it(env["DBUS_SESSION_BUS_ADDRESS"])
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", env["DBUS_SESSION_BUS_ADDRESS"])
        yield SecretService(keyring.pid)


def wait_for_it(address: str) -> None:
    """Asked for before it is there, the bus would start another one, which is locked."""
    ask = [
        "dbus-send",
        f"--bus={address}",
        "--print-reply=literal",
        "--dest=org.freedesktop.DBus",
        "/org/freedesktop/DBus",
    ]
    deadline = time.monotonic() + PATIENCE
    while True:
        said = subprocess.run(
            [*ask, "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"],
            capture_output=True,
            text=True,
        )
        if "true" in said.stdout:
            return
        assert time.monotonic() < deadline, "gnome-keyring-daemon does not start"
        time.sleep(0.02)
