"""What does a client send, and would it work? Runs the proxy in capture mode with a client, and prints a report."""

import argparse
import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

from codex_proxy import printable
from codex_proxy.capture import report as capture_report

ROOT = Path(__file__).resolve().parent.parent

USAGE = "scripts/capture [--dir DIR] [--live] [--port N] [ARGUMENTS OF mitmdump …] [-- COMMAND …]"

ABOUT = """\
Starts the proxy, runs COMMAND with OPENAI_BASE_URL and OPENAI_API_KEY set, prints what it sent and whether that would
work, and exits with its status. Without a command it runs until Ctrl-C; point the client at the address it prints.

Nothing goes to the backend and no login is needed: the answers are canned. If the client sends tools, the first answer
calls one of them with made-up arguments, and the client will carry that out: preferably one whose name suggests reading,
never one whose name suggests deleting or sending.
"""

EXAMPLES = """\
Examples:
  scripts/capture -- nanobot run -c ./nanobot.yaml    (ask in its chat at http://localhost:8080, then Ctrl-C)
  scripts/capture --dir ~/captures -- python my_client.py
  scripts/capture --port 9090
"""

# How long the proxy may take to start and to end, and a command to end once it is told to, in seconds.
PATIENCE = 30.0
GRACE = 5.0


class Failed(Exception):
    """The proxy did not start; what it said is in the message."""


class Proxy:
    """The proxy as a process, out of the terminal's reach: Ctrl-C is for the command first."""

    def __init__(self, arguments: list[str], port: int, folder: Path, live: bool, quiet: bool) -> None:
        options = {
            "codex_capture": folder,
            "codex_dry_run": str(not live).lower(),
            "codex_client_key": "",
            "flow_detail": 0,
        }
        self.command = [
            sys.executable, str(ROOT / "scripts" / "launch.py"), "capture", "--port", str(port),
            *(part for name, value in options.items() for part in ("--set", f"{name}={value}")), *arguments,
        ]  # fmt: skip
        self.quiet = quiet
        self.lines: list[str] = []
        self.listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> "Proxy":
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        self.reading = asyncio.create_task(self._read())
        try:
            self.port = await asyncio.wait_for(asyncio.shield(self.listening), PATIENCE)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _read(self) -> None:
        assert self.process.stdout
        port = 0
        async for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            self.lines.append(line)
            if self.listening.done():
                if not self.quiet or "can't be saved" in line:
                    say(line)
            elif found := re.search(r"listening at \S+:(\d+)\.", line):
                port = int(found[1])
                asyncio.get_running_loop().call_later(GRACE, self._miss)
            elif "What clients send is kept in" in line:
                # Not before: mitmproxy may listen without the addon.
                self.listening.set_result(port)
        if not self.listening.done():
            self.listening.set_exception(Failed("\n".join(self.lines) or "The proxy ended without a message."))

    def _miss(self) -> None:
        if not self.listening.done():
            lines = [*self.lines, "The proxy's addon did not load; is an option given twice, or without a value?"]
            self.listening.set_exception(Failed("\n".join(lines)))

    async def __aexit__(self, *_: object) -> None:
        await end(self.process, PATIENCE)
        await self.reading


async def end(process: asyncio.subprocess.Process, patience: float) -> None:
    """Ask a process to end, and make it."""
    for ask in (process.terminate, process.kill):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                ask()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), patience)


class Stop:
    """Ctrl-C and similar signals: noted, for the code that waits."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.signal = 0
        self.act: Callable[[], object] | None = None
        """The action to take at once while no code waits yet."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._note, number)

    def _note(self, number: int) -> None:
        self.signal = self.signal or number
        self.asked.set()
        if self.act:
            self.act()


def client_environment(port: int) -> dict[str, str]:
    """The command's environment: its own, with the proxy for OpenAI."""
    environment = {
        **os.environ,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_BASE": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": "dummy",
    }
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [environment.get(name), "127.0.0.1,localhost"]))
    return environment


async def run_command(command: list[str], port: int, stop: Stop) -> int:
    """Run it to its end, in this terminal; its exit status, as a shell tells it."""
    try:
        process = await asyncio.create_subprocess_exec(*command, env=client_environment(port))
    except OSError as e:
        say(f"scripts/capture: {command[0]}: {e.strerror}")
        return 127 if isinstance(e, FileNotFoundError) else 126
    ending, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stop.asked.wait())
    await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not ending.done() and stop.signal == signal.SIGINT:
        # The terminal has told it as well, and it may have something left to do.
        await asyncio.wait([ending], timeout=GRACE)
    await end(process, GRACE)
    stopping.cancel()
    status = await ending
    return status if status >= 0 else 128 - status


async def capture(options: argparse.Namespace, rest: list[str], command: list[str], folder: Path) -> int:
    stop = Stop()
    task = asyncio.current_task()
    assert task
    stop.act = task.cancel
    async with Proxy(rest, options.port, folder, options.live, quiet=bool(command)) as proxy:
        stop.act = None
        if command:
            status = await run_command(command, proxy.port, stop)
            if proxy.process.returncode is not None:
                say("\n".join(["The proxy ended before the command did:", *proxy.lines[-20:]]))
            return status
        say(
            f"The proxy listens at http://127.0.0.1:{proxy.port}/v1; any API key will do. Ctrl-C ends it and prints the report."
        )
        gone = asyncio.create_task(proxy.process.wait())
        stopping = asyncio.create_task(stop.asked.wait())
        await asyncio.wait([gone, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        return 0 if stop.signal in (0, signal.SIGINT) and not gone.done() else 1


def report(folder: Path) -> None:
    try:
        print(capture_report.write(folder).markdown)
    except OSError as e:
        say(f"scripts/capture: the report can't be written: {e}")
    say(f"The report and the captured requests are in {folder}.")


def say(text: str) -> None:
    print(printable.lines(text), file=sys.stderr, flush=True)


def main() -> None:
    arguments, command = sys.argv[1:], []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, command = arguments[:place], arguments[place + 1 :]
    parser = argparse.ArgumentParser(
        prog="scripts/capture", usage=USAGE, description=ABOUT, epilog=EXAMPLES, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--dir", metavar="DIR", help="where the captured requests and report.md go; by default a new folder"
    )
    parser.add_argument("--live", action="store_true", help="send the requests to the backend as well (needs a login)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port to listen on; by default a free one")
    options, rest = parser.parse_known_args(arguments)
    folder = Path(options.dir or tempfile.mkdtemp(prefix="codex-capture-")).expanduser().absolute()
    try:
        status = asyncio.run(capture(options, rest, command, folder))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit(130)  # before there was anything to report
    except (Failed, TimeoutError) as e:
        say(str(e) or f"The proxy did not start within {PATIENCE:.0f} seconds.")
        sys.exit(1)
    report(folder)
    sys.exit(status)


if __name__ == "__main__":
    main()
