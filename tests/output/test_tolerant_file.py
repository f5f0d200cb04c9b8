import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from codex_proxy.output.tolerant_file import TolerantFile

from ..places import ADDON
from ..small_disk import small_disk


def writable(fd: int) -> IO[str]:
    return io.TextIOWrapper(io.FileIO(fd, "w"), write_through=True)


def test_what_can_be_written_is() -> None:
    file = io.StringIO()
    out = TolerantFile(file, pytest.fail)
    print("a line", file=out)
    out.flush()
    assert file.getvalue() == "a line\n" and not out.isatty()


def test_a_closed_pipe_is_told_once_and_nothing_is_raised() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    told: list[bool] = []
    file = writable(writing)
    out = TolerantFile(file, lambda: told.append(True))
    for _ in range(3):
        print("a line", file=out)
        out.flush()
    assert told == [True]
    # Nor does Python fail of it when it writes what is left at the end.
    file.write("more")
    file.close()


def test_a_terminal_that_is_closed_is_told() -> None:
    end, ours = pty.openpty()
    told: list[bool] = []
    with writable(ours) as file:
        out = TolerantFile(file, lambda: told.append(True))
        os.close(end)
        print("a line", file=out)
    assert told == [True]


FILL = """
import sys
sys.path.insert(0, sys.argv[1])
from codex_proxy.output.tolerant_file import TolerantFile
def gone(): raise SystemExit("gone")
out = TolerantFile(open(sys.argv[2], "w", buffering=1), gone)
for number in range(9000): print("x" * 100, file=out)
open(sys.argv[3], "w").close()
print("again", file=out)
"""


def test_a_full_disk_loses_lines_and_ends_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        (ballast := disk / "ballast").write_bytes(bytes(64 << 10))
        done = subprocess.run(
            [sys.executable, "-c", FILL, str(ADDON), str(disk / "log"), str(ballast)], capture_output=True, timeout=60
        )
        lines = (disk / "log").read_text().splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[-2:] == ["(A part is missing here: the disk was full.)", "again"]
