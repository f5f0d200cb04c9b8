"""What the user has to run to repair this login: the command, its path, and as which user."""

import importlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Remedy:
    """`option` is the file that is named by hand, `home` the CLI's folder where CODEX_HOME says one, `variables` where the
    tokens are in the environment. Without any it is the file that both programs take by themselves."""

    option: Path | None = None
    home: Path | None = None
    variables: Sequence[str] = ()
    # Used if the user does not see how the process was started.
    is_service: bool = False

    def text(self, owner: int | None = None, theirs: str = "") -> str:
        """One sentence. `owner` is the user the file belongs to, None if there is none; `theirs` the command of the program whose file it
        is, where that is not the Codex CLI."""
        user = owner if owner is not None else _me()
        other = user != _me() or self.is_service
        run = f"Run as {_name(user)}" if other else "Run"
        if self.variables:
            names = " or ".join(self.variables)
            return f"Set {names} again where the proxy is started, or unset it there and {run[0].lower()}{run[1:]}: {self._command(other)}"
        return f"{run}: {self._command(other, theirs)}"

    def _command(self, absolute: bool, theirs: str = "") -> str:
        script = "scripts/login"
        if absolute or not _is_here(CHECKOUT):
            script = shlex.quote(str(CHECKOUT / script))
        if self.option:
            path = self.option.absolute()
            ours = f"{script} --auth-file {shlex.quote(str(path))}"
            if theirs:
                return f"{ours} or {theirs}"
            # The CLI can be told the folder alone.
            return f"{ours} or {_in(path.parent)}codex login" if path.name == "auth.json" else ours
        before = _in(self.home.absolute()) if self.home else ""
        return f"{before}{script} or {before}codex login"


def _in(folder: Path) -> str:
    return f"CODEX_HOME={shlex.quote(str(folder))} "


DEFAULT = Remedy()


def is_service(env: Mapping[str, str]) -> bool:
    """Was this process started by systemd (systemd.exec(5)) or launchd, and has no terminal?"""
    started = env.get("INVOCATION_ID") or env.get("XPC_SERVICE_NAME", "0") != "0"
    try:
        return bool(started) and not os.isatty(2)
    except OSError:
        return bool(started)


def _me() -> int | None:
    return os.geteuid() if hasattr(os, "geteuid") else None


def _name(user: int | None) -> str:
    try:
        # Windows has no such module.
        return str(importlib.import_module("pwd").getpwuid(user).pw_name)
    except (ImportError, TypeError):
        return "the user of the proxy"
    except KeyError:
        return f"user {user}"


def _is_here(folder: Path) -> bool:
    try:
        return Path.cwd() == folder
    except OSError:
        return False
