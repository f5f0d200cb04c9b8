"""`.venv` as the scripts find it, and Ctrl-C while they have not begun."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..places import ROOT
from .a_script import take_interrupts
from .harness import PATIENCE, environment

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts with an environment that is ready: a Python that says where it was asked to go on, and packages of its version."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", root / "requirements")
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "ready").mkdir()
    (root / ".venv" / "ready" / "root").write_text(f"{root.resolve()}\n")
    shutil.copy(ROOT / "requirements" / "run.txt", root / ".venv" / "ready" / "run")
    (root / ".venv" / "lib" / f"python{MINOR}" / "site-packages").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return root


def ready(checkout: Path) -> bool:
    """Does `_env` take the environment as it is?"""
    code = ". scripts/_env; python=.venv/bin/python venv=.venv level=run requirements=requirements/run.txt; env_ready"
    return subprocess.run(["bash", "-c", code, "scripts/x"], cwd=checkout, timeout=PATIENCE).returncode == 0


def test_an_environment_that_is_whole_is_taken(checkout: Path) -> None:
    assert ready(checkout)


@pytest.mark.parametrize("change", ["gone", "another minor version", "does not run", "moved", "other packages"])
def test_what_is_not_whole_any_more_is_made_again(change: str, checkout: Path) -> None:
    venv = checkout / ".venv"
    if change == "another minor version":
        (venv / "lib" / f"python{MINOR}").rename(venv / "lib" / "python3.11")
    elif change == "moved":
        (venv / "ready" / "root").write_text("/elsewhere\n")
    elif change == "other packages":
        (checkout / "requirements" / "run.txt").write_text("")
    else:
        (venv / "bin" / "python").unlink()
        if change == "does not run":
            (venv / "bin" / "python").write_text("#!/not/there\n")
            (venv / "bin" / "python").chmod(0o755)
    assert not ready(checkout)


class Ended:
    def __init__(self, status: int | None, said: bytes) -> None:
        self.status, self.said = status, said.decode()


async def interrupted(checkout: Path, script: str, when: Path, *, whole_group: bool, **env: str) -> Ended:
    """A script, interrupted as soon as there is a file."""
    process = await asyncio.create_subprocess_exec(
        checkout / "scripts" / script, cwd=checkout, env=environment(checkout, **env), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=take_interrupts,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE):
        while not when.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # A terminal tells the whole group, `kill -INT` the script alone.
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
        said, _ = await process.communicate()
    return Ended(process.returncode, said)


@pytest.mark.parametrize("whole_group", [True, False])
async def test_ctrl_c_while_the_environment_is_made(whole_group: bool, checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    python, started = tmp_path / "python", tmp_path / "started"
    python.write_text(
        f"#!/bin/sh\ncase $2 in -m) echo $$ > {started}.new; mv {started}.new {started}; exec sleep 600 ;; esac\necho 3.13 whole\n"
    )
    python.chmod(0o755)
    ended = await interrupted(checkout, "status", started, whole_group=whole_group, PYTHON=str(python))

    assert ended.status == 130
    assert ended.said == f"Making .venv with Python 3.13 ({python}), which takes a moment the first time …\n"
    with pytest.raises(ProcessLookupError):  # what made it is gone too
        for _ in range(1000):
            os.kill(int(started.read_text()), 0)
            await asyncio.sleep(0.01)


# Stands for a script that is still importing.
IMPORTING = "import pathlib, time; pathlib.Path({!r}).write_text(''); time.sleep(600)"


@pytest.mark.parametrize("whole_group", [True, False])
@pytest.mark.parametrize(
    ("script", "module"),
    [("status", "status.py"), ("login", "login.py"), ("serve", "launch.py"), ("inspect", "launch.py"), ("backend", "standin/__init__.py")],
)  # fmt: skip
async def test_ctrl_c_while_a_script_is_imported(
    script: str, module: str, whole_group: bool, checkout: Path, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    (checkout / "scripts" / module).write_text(IMPORTING.format(str(started)))
    ended = await interrupted(checkout, script, started, whole_group=whole_group)

    assert (ended.status, ended.said) == (-signal.SIGINT, "")


@pytest.fixture
def blocked() -> Iterator[None]:
    """As `env --block-signal` leaves it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@pytest.mark.usefixtures("blocked")
async def test_ctrl_c_before_python_has_begun_waits_for_it(checkout: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, checkout / "scripts" / "begin.py", "status.py", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=lambda: os.kill(os.getpid(), signal.SIGINT),
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, said) == (-signal.SIGINT, b"")
