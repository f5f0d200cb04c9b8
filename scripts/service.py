"""Install the proxy as a user service: a systemd user unit, or a launchd agent on macOS.

`scripts/serve` calls this: COMMAND is install, uninstall, print-unit or check, the rest are arguments of `scripts/serve`; with
run they are those of mitmdump.
"""

import contextlib
import math
import os
import plistlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mitmproxy import ctx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

from codex_proxy.net import open_files

ROOT = Path(__file__).resolve().parent.parent
SERVE = ROOT / "scripts" / "serve"
NAME = "codex-proxy"

COMMANDS = ("install", "print-unit", "uninstall")

# A service does not see the shell's environment; of that, this goes into its file.
KEPT = ("CODEX_HOME", "CODEX_PROXY_PORT", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")  # fmt: skip

# What systemd gives every service by itself.
ITS_OWN = ("HOME", "PATH", "USER", "LOGNAME", "LANG", "XDG_STATE_HOME", "XDG_CONFIG_HOME")

# Exit status of a start that would fail again in the same way (EX_CONFIG of sysexits.h).
WRONG_CONFIGURATION = 78

# Seconds between the proxy's own last moment and the one when it is killed.
SPARE = 10

UNIT = """\
# Written by scripts/serve --install, which overwrites it.
[Unit]
Description=codex proxy: OpenAI clients on a person's own ChatGPT subscription

[Service]
Type=exec
ExecStart=:{command}
WorkingDirectory=-{folder}
{environment}Restart=on-failure
RestartSec=5
RestartPreventExitStatus={wrong}
TimeoutStopSec={patience}
UMask=0077
NoNewPrivileges=yes
{private_users}ProtectSystem=strict
ReadWritePaths={writable}
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options among arguments of mitmdump that concern its service, as (name, value)."""
    for place, argument in enumerate(arguments):
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        if argument == "--set":
            argument = f"--set={following}"
        if argument.startswith("--set="):
            name, _, value = argument.removeprefix("--set=").partition("=")
            yield name, value
        elif argument in ("-w", "--save-stream-file"):
            yield "save_stream_file", following
        elif argument.startswith("--save-stream-file="):
            yield "save_stream_file", argument.partition("=")[2]
        elif argument.startswith("-w"):
            yield "save_stream_file", argument.removeprefix("-w").removeprefix("=")


def writable(arguments: Sequence[str], env: Mapping[str, str], home: Path) -> list[Path]:
    """The folders the service writes to: the login's and mitmproxy's, and what its arguments name."""
    given = dict(options(arguments))
    login = given.get("codex_auth_file") or f"{env.get('CODEX_HOME') or home / '.codex'}/auth.json"
    state = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / NAME
    login_file = Path(os.path.expanduser(login))
    folders = [login_file.parent, Path(given.get("confdir") or home / ".mitmproxy"), state]
    if login_file.is_symlink():
        # It is written where it is.
        folders.append(login_file.resolve().parent)
    if "codex_capture" in given:
        folders.append(Path(given["codex_capture"]))
    if "save_stream_file" in given:
        folders.append(Path(given["save_stream_file"].removeprefix("+")).parent)
    return [Path(os.path.expanduser(folder)).resolve() for folder in folders]


def patience(arguments: Sequence[str]) -> int:
    """Seconds after which a service that was asked to stop may be killed."""
    timeout = dict(options(arguments)).get("codex_stop_timeout", "30")
    try:
        return math.ceil(float(timeout)) + SPARE
    except (ValueError, OverflowError):
        return 30 + SPARE


def quoted(text: str) -> str:
    """One word in a unit file (systemd.syntax(7)), specifiers escaped (systemd.unit(5))."""
    if any(not character.isprintable() for character in text):
        sys.exit(f"{text!r} can't be written into a unit file.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def unit(arguments: Sequence[str], env: Mapping[str, str], home: Path) -> str:
    """The systemd user unit."""
    words = [quoted(word) for word in (str(SERVE), "--as-service", *arguments)]
    kept = [f"Environment={quoted(f'{name}={env[name]}')}\n" for name in KEPT if env.get(name)]
    return UNIT.format(
        command=" ".join(words),
        folder=str(Path.cwd()).replace("%", "%%"),
        environment="".join(kept),
        wrong=WRONG_CONFIGURATION,
        patience=patience(arguments),
        private_users="PrivateUsers=yes\n" if users_may_have_namespaces() else "",
        writable=" ".join(quoted(f"-{folder}") for folder in writable(arguments, env, home)),
    )


def users_may_have_namespaces() -> bool:
    """Can a user's own manager protect folders? Up to systemd 253 it does so with PrivateUsers= alone, which fails where
    the kernel does not let users have namespaces."""
    probe = "import os; os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)"
    return subprocess.run([sys.executable, "-c", probe], stderr=subprocess.DEVNULL).returncode == 0


def agent(arguments: Sequence[str], env: Mapping[str, str], home: Path) -> str:
    """The launchd agent."""
    log = str(home / "Library" / "Logs" / f"{NAME}.log")
    document = {
        "Label": NAME,
        "ProgramArguments": [str(SERVE), "--as-service", *arguments],
        "WorkingDirectory": str(Path.cwd()),
        "EnvironmentVariables": {name: env[name] for name in KEPT if env.get(name)},
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": patience(arguments),
        # launchd gives 256.
        "SoftResourceLimits": {"NumberOfFiles": open_files.WANTED},
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(document, sort_keys=False).decode()


class Systemd:
    write = staticmethod(unit)
    installed = f"""\
Start it now and with every login:  systemctl --user daemon-reload && systemctl --user enable --now {NAME}
Also while you are logged out:      loginctl enable-linger
What it says:                       journalctl --user -u {NAME} -f
After another --install:            systemctl --user daemon-reload && systemctl --user restart {NAME}"""
    uninstalled = f"""\
If it runs, it runs on until:       systemctl --user stop {NAME} && systemctl --user daemon-reload"""

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        folder = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "systemd" / "user"
        self.path = folder / f"{NAME}.service"
        # The second is what `systemctl enable` makes.
        self.files = (self.path, folder / "default.target.wants" / self.path.name)


class Launchd:
    write = staticmethod(agent)
    installed = f"""\
Start it now and with every login:  launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/{NAME}.plist
What it says:                       tail -f ~/Library/Logs/{NAME}.log
After another --install:            launchctl bootout gui/$(id -u)/{NAME}, and the first line again"""
    uninstalled = f"""\
If it runs, it runs on until:       launchctl bootout gui/$(id -u)/{NAME}"""

    def __init__(self, env: Mapping[str, str], home: Path) -> None:
        self.path = home / "Library" / "LaunchAgents" / f"{NAME}.plist"
        self.files = (self.path,)


def install(service: Systemd | Launchd, text: str, folders: Sequence[Path]) -> None:
    for folder in folders:
        # What is not there when the service starts would be closed to it later.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    service.path.parent.mkdir(parents=True, exist_ok=True)
    # The address of an outgoing proxy may have a password in it.
    with open(os.open(service.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
    print(f"Wrote {service.path}\n{service.installed}")


def uninstall(service: Systemd | Launchd) -> None:
    if not os.path.lexists(service.path):
        sys.exit(f"There is no {service.path}")
    for path in service.files:
        path.unlink(missing_ok=True)
    print(f"Removed {service.path}\n{service.uninstalled}")


def check(arguments: Sequence[str]) -> int:
    """Check that the service would start with its own environment; errors are printed as at a start, nothing listens."""
    env = {name: os.environ[name] for name in (*KEPT, *ITS_OWN) if name in os.environ}
    command = [sys.executable, str(Path(__file__).with_name("launch.py")), "serve", *arguments, "--options"]
    checked = subprocess.run(command, env=env, stdout=subprocess.DEVNULL)
    if checked.returncode:
        print("Nothing was installed. (A service does not see this shell's environment.)", file=sys.stderr)
    return checked.returncode


def run(start: Callable[[], object]) -> None:
    """The proxy, with an exit status that tells a wrong configuration from a failure that may pass."""
    try:
        start()
    except SystemExit as e:
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
        if e.code and not could_not_listen():
            # launchd knows no exception from starting again but success.
            sys.exit(0 if sys.platform == "darwin" else WRONG_CONFIGURATION)
        sys.exit(1 if e.code else 0)


def could_not_listen() -> bool:
    """Was an address taken, or not there yet, as that of a container's bridge at boot?"""
    with contextlib.suppress(AttributeError):  # there was no master yet, or one without servers
        return any(server.last_exception for server in ctx.master.addons.get("proxyserver").servers)
    return False


def do(command: str, arguments: Sequence[str]) -> int:
    """One of COMMANDS, with the arguments of the service; its exit status."""
    home, env = Path.home(), os.environ
    service = Launchd(env, home) if sys.platform == "darwin" else Systemd(env, home)
    if command == "uninstall":
        uninstall(service)
    elif command == "print-unit":
        print(service.write(arguments, env, home), end="")
    elif wrong := check(arguments):
        return wrong
    else:
        install(service, service.write(arguments, env, home), writable(arguments, env, home))
    return 0


def main() -> None:
    command, *arguments = sys.argv[1:]
    if command == "run":
        from mitmproxy.tools.main import mitmdump

        sys.argv[0] = "mitmdump"
        run(lambda: mitmdump(arguments))
    sys.exit(check(arguments) if command == "check" else do(command, arguments))


if __name__ == "__main__":
    main()
