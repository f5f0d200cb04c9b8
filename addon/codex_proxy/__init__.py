"""The parts of the proxy: one concern in each module, related modules in a folder; `addons` runs the steps of a request.

Importing it checks for the packages that mitmproxy does not bring along: a `SystemExit` here passes through mitmproxy's
script loader without a traceback (mitmproxy/addons/script.py).
"""

import importlib.util
import sys

__version__ = "0.1.0"

# Import name → name to install it by.
PACKAGES = {"filelock": "filelock", "httpx2": "httpx2", "jwt": "pyjwt", "msgspec": "msgspec"}


def how_to_install(missing: list[str], prefix: str, executable: str, frozen: bool) -> str:
    """One line: what is missing, and the command that installs it for mitmproxy's Python."""
    names = " ".join(missing)
    folders = prefix.replace("\\", "/").split("/")
    if frozen:
        how = "this standalone mitmproxy cannot take packages: start the proxy with scripts/serve instead"
    elif "pipx" in folders:
        how = f"run: pipx inject mitmproxy {names}"
    elif "uv" in folders and "tools" in folders:
        how = "run: uv tool install mitmproxy " + " ".join(f"--with {name}" for name in missing)
    else:
        how = f"run: {executable} -m pip install {names}   (or start the proxy with scripts/serve)"
    return f"codex.py needs packages that this mitmproxy does not have ({', '.join(missing)}); {how}"


def _check() -> None:
    missing = [name for module, name in PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        sys.exit(how_to_install(missing, sys.prefix, sys.executable, getattr(sys, "frozen", False)))


_check()
