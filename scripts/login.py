"""Log in with your ChatGPT account; the login is saved in the file that the proxy and the Codex CLI use."""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

import terminal
from codex_proxy.account import identity, issuer, login_source
from codex_proxy.account.credentials import KINDS
from codex_proxy.account.identity import Identity
from codex_proxy.account.login import sentence
from codex_proxy.account.login_file import LoginFile
from codex_proxy.account.oauth import Unfinished
from codex_proxy.errors import LoginError, ProxyError
from codex_proxy.signing_in import callback, callback_page, device, sign_in
from codex_proxy.signing_in.pkce import Pkce
from codex_proxy.signing_in.sign_in import SignIn
from command_line import Parser
from terminal import err, out, tell

EXAMPLES = """\
Without --browser, --device or --paste the browser is used where there is a display, a code where there is none (or over
ssh). The file is $CODEX_HOME/auth.json, else ~/.codex/auth.json, or the system's keyring where the Codex CLI is set to keep
its login there (docs/keyring.md); for several accounts, name several files.
Exit status: 0 logged in, 1 not logged in, 2 wrong arguments.

Examples:
  scripts/login
  scripts/login --device
  scripts/login --auth-file ~/work.json    then: scripts/serve --set codex_auth_file=~/work.json
"""

# How long the login in the browser may take, in seconds.
BROWSER_PATIENCE = 300.0

# A login in the environment goes before the file's (README.md).
IN_THE_ENVIRONMENT = ("OPENAI_OAUTH_ACCESS_TOKEN", "OPENAI_OAUTH_REFRESH_TOKEN", "CODEX_ACCESS_TOKEN")

log = logging.getLogger("login")


class ToTheTerminal(logging.Handler):
    """What is logged, as lines on standard error, past the spinner."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(record.getMessage())


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="scripts/login", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--browser", dest="way", action="store_const", const="browser", help="use the browser of this machine"
    )
    ways.add_argument(
        "--device", dest="way", action="store_const", const="device", help="use a code that is entered on any device"
    )
    ways.add_argument(
        "--paste", dest="way", action="store_const", const="paste",
        help="use a browser elsewhere; paste the address it ends at",
    )  # fmt: skip
    terminal.add_auth_file(parser)
    parser.add_argument(
        "--workspace", metavar="ID", default="", help="the account or workspace that the login has to be for"
    )
    parser.add_argument("--yes", action="store_true", help="replace an existing login without asking")
    parser.add_argument("--verbose", action="store_true", help="log each step, without secrets")
    terminal.add_server(parser)
    # The default is what the CLI of today sends; no resolver and no second address (::1) can lead it astray.
    parser.add_argument(
        "--redirect-host", choices=issuer.CALLBACK_HOSTS, default=issuer.CALLBACK_HOSTS[0],
        help="the name of this machine in the redirect address (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, metavar="N", help="the port of the redirect address; the server accepts only 1455 and 1457"
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", default=device.LIFE,
        help="give up after this time; at most 300 for the browser, 900 for a code",
    )  # fmt: skip
    args = parser.read()
    if args.port is not None and not 0 < args.port < 65536:
        parser.error("--port: from 1 to 65535")
    if not args.timeout > 0:
        parser.error("--timeout: more than 0")
    terminal.check_server(parser, args, "issuer")
    return args


def main() -> int:
    args = arguments()
    logging.basicConfig(level=logging.WARNING, handlers=[ToTheTerminal()])
    log.setLevel(logging.INFO if args.verbose else logging.WARNING)
    return terminal.status_of("login", lambda: login(args))


def login(args: argparse.Namespace) -> int:
    file = place(args.auth_file)
    log.info(f"The login will be saved in {file.name}.")
    sign_in.check_place(file)
    signing_in = SignIn(file, args.issuer, args.originator, args.workspace)
    there = may_replace(file, args.yes)
    if there is None:
        return 1
    signing_in.agreed = None if args.yes else there
    way = args.way or usual_way(os.environ, sys.platform)
    if way == "paste":
        pkce = Pkce()
        uri = callback.redirect_uri(args.redirect_host, args.port or issuer.CALLBACK_PORTS[0])
        code = pasted(address(pkce, signing_in, uri), pkce.state)
        whose = asyncio.run(finished(signing_in, code, uri, pkce.verifier))
    else:
        whose = asyncio.run(by_browser(args, signing_in) if way == "browser" else by_device(args, signing_in))
    out.print(f"Logged in as {whose}. The login is in {file.name}.", style="green")
    for name in filter(os.environ.get, IN_THE_ENVIRONMENT):
        tell(f"The environment has a login too ({name}), and the proxy uses that one unless codex_auth_file is set.")
    asyncio.run(end_replaced(signing_in))
    return 0


def place(option: Path | None) -> LoginFile:
    """Not the environment's login: a new one goes where the CLI has its own, or into the file that is named."""
    home = {name: value for name, value in os.environ.items() if name == "CODEX_HOME"}
    file = login_source.locate(str(option or ""), home, Path.home())
    if login_source.kind(file) == "keyring":
        return file
    return LoginFile(file.path.absolute(), spare=file.spare, mend=file.mend)


def may_replace(file: LoginFile, yes: bool) -> Identity | None:
    """Tell of, and ask about, the login there is; whose that is, or None if it is to stay."""
    try:
        whose = identity.of(sign_in.held(file) or {})
        if whose.kind == "none":
            return whose
        if whose.kind == "sign in":
            raise Unfinished(
                f"{sentence(file.name)} holds {KINDS[whose.kind].name}. Name another file: --auth-file FILE."
            )
        what = f"{sentence(file.name)} holds a login: {whose}."
    except LoginError as e:
        has_something = file.signature() is not None and (file.waits or os.access(file.path, os.R_OK))
        if e.code != "login_unreadable" or not has_something:
            raise
        whose = identity.of({})
        what = f"{sentence(file.name)} holds something other than a login, which would be lost."
    if yes:
        tell(f"{what} It is replaced.")
        return whose
    if not terminal.is_terminal():
        tell(f"{what} To replace it without a question: --yes")
        return None
    tell(what)
    if terminal.agrees("Replace it? [y/N] "):
        return whose
    tell("Nothing has been changed.")
    return None


def usual_way(env: Mapping[str, str], platform: str) -> str:
    """Use the browser if there is a display."""
    why = ""
    if env.get("SSH_CONNECTION") or env.get("SSH_TTY"):
        why = "Over ssh"
    elif not has_display(env, platform):
        why = "Without a display"
    if why:
        tell(f"{why} this login uses a code (--browser and --paste are the alternatives).")
    return "device" if why else "browser"


def has_display(env: Mapping[str, str], platform: str) -> bool:
    return platform != "linux" or bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def address(pkce: Pkce, signing_in: SignIn, redirect_uri: str) -> str:
    return pkce.authorize_url(signing_in.issuer, redirect_uri, signing_in.originator, signing_in.workspace)


async def by_browser(args: argparse.Namespace, signing_in: SignIn) -> Identity:
    pkce = Pkce()
    candidates = (args.port,) if args.port else issuer.CALLBACK_PORTS
    async with callback.Listener(args.redirect_host, candidates, pkce.state) as listener:
        for taken in listener.taken:
            tell(f"{taken}; port {listener.port} is used instead.")
        log.info(f"Listening for the browser at {listener.redirect_uri}, on this machine only.")
        url = address(pkce, signing_in, listener.redirect_uri)
        out.print(f"If the browser does not open by itself, open this address in it:\n\n{url}\n")
        open_browser(url)
        try:
            with waiting("Waiting for the login in the browser …"):
                code = await listener.code(min(args.timeout, BROWSER_PATIENCE))
            log.info("The browser came back with a code.")
            whose = await finished(signing_in, code, listener.redirect_uri, pkce.verifier)
        except TimeoutError:
            raise Unfinished("The login was not completed in time. Run the same command again.") from None
        except ProxyError as e:
            await listener.tell(callback_page.failed(e.message))
            raise
        await listener.tell(callback_page.done(str(whose)))
        return whose


async def by_device(args: argparse.Namespace, signing_in: SignIn) -> Identity:
    server, us = signing_in.issuer, signing_in.originator
    begun = await device.begin(server, originator=us, user_agent=signing_in.user_agent)
    out.print(f"1. Open this address, on any device, and log in:\n\n   {begun.page}\n")
    out.print(f"2. Enter this code; it is valid for 15 minutes:\n\n   {begun.user_code}\n")
    out.print("Never share the code, and never enter one that somebody sends you: that would give them your account.")
    try:
        with waiting("Waiting for the code to be entered …"):
            approved = await device.approved(
                server, begun, min(args.timeout, device.LIFE), originator=us, user_agent=signing_in.user_agent
            )
    except TimeoutError:
        raise Unfinished("The code was not entered in time. Run the same command again.") from None
    log.info("The code was entered.")
    return await finished(signing_in, approved.code, approved.redirect_uri, approved.verifier)


def pasted(url: str, state: str) -> str:
    """The code in an address that is typed in. Raises LoginError."""
    out.print(f"Open this address in a browser, and log in:\n\n{url}\n")
    out.print('The browser then shows "cannot connect". That is expected: copy the address from its address bar.')
    while True:
        given = terminal.typed("Paste it here: ")
        if given is None:
            raise Unfinished("No address was pasted. Run the same command again.")
        try:
            return callback.code_of(urlsplit(given).query, state)
        except (callback.WrongState, ValueError):
            tell(
                "That is not the redirect address of this login. It begins with http:// and contains code= and state=."
            )


async def finished(signing_in: SignIn, code: str, redirect_uri: str, verifier: str) -> Identity:
    log.info(f"Asking {signing_in.issuer} for the tokens.")
    with waiting("Fetching the login …"):
        whose = await signing_in.finish(code, redirect_uri, verifier)
    log.info(f"The tokens have arrived; writing them to {signing_in.file.name}: {whose}.")
    return whose


async def end_replaced(signing_in: SignIn) -> None:
    try:
        if await signing_in.end_replaced():
            log.info("The replaced login was revoked at the server.")
    except ProxyError as e:
        tell(f"The replaced login could not be revoked; it expires by itself. {e.message}")


def open_browser(url: str) -> None:
    """On a daemon thread: some browsers run until they are closed."""

    def work() -> None:
        # Without a display it would be a text browser, in this very terminal.
        can = has_display(os.environ, sys.platform) or os.environ.get("BROWSER")
        with contextlib.suppress(webbrowser.Error, OSError):
            if can and webbrowser.open(url):
                log.info("The browser was told to open the address.")
                return
        tell("No browser could be opened here.")

    threading.Thread(target=work, daemon=True).start()


@contextlib.contextmanager
def waiting(text: str) -> Iterator[None]:
    """A spinner in a terminal, one line elsewhere."""
    if not err.is_terminal:
        tell(text)
        yield
        return
    with err.status(text):
        yield


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        err.print("\nStopped.")
        sys.exit(130)
