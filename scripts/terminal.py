"""Terminal output of the scripts: colour and bars in a terminal, plain text elsewhere. `NO_COLOR` is respected (rich does)."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console

from codex_proxy import defaults
from codex_proxy.account.identity import printable
from codex_proxy.errors import ProxyError
from codex_proxy.net import policy, upstream
from codex_proxy.output.redact import redact
from codex_proxy.printable import lines
from ctrl_c import stop_as_by_ctrl_c


class SafeConsole(Console):
    """Prints nothing that the terminal would follow, whoever's words it is: a server's, a claim's, a file name's."""

    def print(self, *objects: Any, **more: Any) -> None:
        super().print(*(lines(each) if isinstance(each, str) else each for each in objects), **more)


def console(*, errors: bool = False) -> Console:
    """Standard output, or standard error; text is never wrapped, coloured or marked up by itself."""
    return SafeConsole(stderr=errors, highlight=False, markup=False, soft_wrap=True, emoji=False)


def say(text: str, *, errors: bool = False, end: str = "\n") -> None:
    """Plain text on standard output or error, safe as what `out` and `err` print; at once."""
    print(lines(text), end=end, file=sys.stderr if errors else sys.stdout, flush=True)


out, err = console(), console(errors=True)


def tell(text: str) -> None:
    """On standard error; what a server or a browser said may be in it, so no token and no control character."""
    err.print("\n".join(printable(line) for line in redact(text).split("\n")))


def typed(question: str) -> str | None:
    """The line that the user types; None at the end of the input."""
    try:
        return err.input(question, markup=False).strip()
    except (EOFError, RuntimeError):  # the second is how Python says that there is no input at all
        return None


def agrees(question: str) -> bool:
    """Whether the user says yes; the end of the input is no."""
    return (typed(question) or "").lower() in ("y", "yes")


def status_of(what: str, work: Callable[[], int]) -> int:
    """Run a script's work and return its exit status; a failure of `what` is printed as a sentence."""
    stop_as_by_ctrl_c()
    try:
        return work()
    except ProxyError as e:
        tell(e.message)
    except OSError as e:
        tell(f"The {what} failed: {e}.")
    return 1


def add_server(parser: argparse.ArgumentParser) -> None:
    """`--issuer` and `--originator`, as the proxy has them."""
    parser.add_argument("--issuer", metavar="URL", default=defaults.ISSUER, help="the OAuth server (%(default)s)")
    parser.add_argument(
        "--originator", metavar="NAME", default=defaults.ORIGINATOR, help="the originator that is sent (%(default)s)"
    )


def add_proxy(parser: argparse.ArgumentParser) -> None:
    port = os.environ.get("CODEX_PROXY_PORT") or "9090"
    parser.add_argument(
        "--url", type=address, default=f"http://127.0.0.1:{port}", help="the proxy's address (%(default)s)"
    )


def address(text: str) -> str:
    """A converter for argparse, which also applies it to the environment's default."""
    try:
        url = httpx2.URL(text)
        good = url.scheme in ("http", "https") and bool(url.host) and 0 < (url.port or 80) < 65536
    except (httpx2.InvalidURL, ValueError):
        good = False
    if not good:
        raise argparse.ArgumentTypeError(f"{text!r} is not an address such as http://127.0.0.1:9090")
    return text


def add_auth_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--auth-file", metavar="FILE", type=file, help="the file of the login")


def file(text: str) -> Path:
    """For argparse."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r}: there is no user of this name") from None


def check_server(parser: argparse.ArgumentParser, args: argparse.Namespace, *addresses: str) -> None:
    """Ends with status 2 if the originator, an option named in `addresses` or the environment's proxy settings are invalid."""
    if not args.originator.isascii() or not args.originator.isprintable() or not args.originator.strip():
        parser.error("--originator: only characters that a header may have")
    for name in addresses:
        try:
            upstream.parse(getattr(args, name))
        except ValueError as e:
            parser.error(f"--{name}: {e}")
    for name in addresses:
        target = upstream.parse(getattr(args, name))
        try:
            policy.outgoing_proxy(target.scheme, target.host, target.port)
        except ValueError as e:
            parser.error(str(e))
    try:
        policy.trust()
    except ValueError as e:
        parser.error(str(e))


def is_terminal() -> bool:
    """Whether there is a user who can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
