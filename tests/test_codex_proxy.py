import subprocess
import sys
from pathlib import Path

import pytest

from codex_proxy import PACKAGES, how_to_install

from .places import ADDON


@pytest.mark.parametrize(
    "prefix, executable, frozen, command",
    [
        ("/usr", "/usr/bin/python3", False, "run: /usr/bin/python3 -m pip install pyjwt msgspec "),
        ("/home/me/.venv", "/home/me/.venv/bin/python", False, "run: /home/me/.venv/bin/python -m pip install pyjwt msgspec "),
        ("/home/me/.local/share/pipx/venvs/mitmproxy", "x", False, "run: pipx inject mitmproxy pyjwt msgspec"),
        ("C:\\Users\\me\\pipx\\venvs\\mitmproxy", "x", False, "run: pipx inject mitmproxy pyjwt msgspec"),
        ("/home/me/.local/share/uv/tools/mitmproxy", "x", False, "run: uv tool install mitmproxy --with pyjwt --with msgspec"),
        ("/home/me/.local/share/uv/python/cpython-3.13", "/p", False, "run: /p -m pip install pyjwt msgspec "),
        ("/home/pipxer/venv", "/p", False, "run: /p -m pip install pyjwt msgspec "),
        ("/tmp/_MEI1", "x", True, "scripts/serve"),
    ],
)  # fmt: skip
def test_a_missing_package_is_told_with_the_command_that_installs_it(
    prefix: str, executable: str, frozen: bool, command: str
) -> None:
    line = how_to_install(["pyjwt", "msgspec"], prefix, executable, frozen)
    assert command in line and "(pyjwt, msgspec)" in line
    assert "\n" not in line


@pytest.mark.parametrize("package", PACKAGES)
def test_without_a_package_the_start_ends_with_that_line_alone(tmp_path: Path, package: str) -> None:
    # An empty site: of what is no part of Python, only what is named here can be found.
    for name in PACKAGES.keys() - {package}:
        (tmp_path / f"{name}.py").touch()
    program = f"import sys; sys.path[:0] = [{str(ADDON)!r}, {str(tmp_path)!r}]; import codex_proxy"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and f"({PACKAGES[package]})" in done.stderr


def test_with_all_packages_it_loads_without_a_word() -> None:
    program = f"import sys; sys.path.insert(0, {str(ADDON)!r}); import codex_proxy; print(codex_proxy.__version__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.strip()
