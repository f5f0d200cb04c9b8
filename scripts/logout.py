"""End the login at the server, and take it out of its file. Logins on other machines live on."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "addon"))

import terminal
from codex_proxy.account import identity, login_source
from codex_proxy.account.credentials import KINDS
from codex_proxy.account.identity import Identity
from codex_proxy.account.login import sentence
from codex_proxy.account.login_file import LoginFile
from codex_proxy.errors import IssuerError, LoginError
from codex_proxy.signing_in.sign_out import SignOut
from command_line import Parser
from terminal import err, out, tell

EXAMPLES = """\
The login is that of the proxy: --auth-file, else one in the environment, else $CODEX_HOME/auth.json or ~/.codex/auth.json.
What else the file holds, such as an API key, stays. A proxy that runs on the file notices within a second.
Exit status: 0 if there is no login any more, 1 if there still is one, 2 for wrong arguments.

Examples:
  scripts/logout
  scripts/logout --yes --auth-file ~/work.json
"""


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="scripts/logout", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    terminal.add_auth_file(parser)
    parser.add_argument("--yes", action="store_true", help="do it without asking, if the server ends the login")
    parser.add_argument(
        "--force", action="store_true", help="do it without asking, whether the server ends the login or not"
    )
    terminal.add_server(parser)
    args = parser.read()
    terminal.check_server(parser, args, "issuer")
    return args


def main() -> int:
    args = arguments()
    logging.disable()
    return terminal.status_of("logout", lambda: logout(args))


def logout(args: argparse.Namespace) -> int:
    file = login_source.locate(str(args.auth_file or ""), os.environ, Path.home())
    try:
        document = file.load()
    except LoginError as e:
        if e.code != "login_missing":
            raise
        document = {}
    # Not before: it may be in the keyring or in a file.
    place = login_source.place(file, os.environ, Path.home())
    whose = identity.of(document)
    if whose.kind == "none":
        tell(f"There is no login in {place}.")
        return 0
    if whose.kind != "chatgpt":
        return nothing_to_end(file, place, whose)
    tell(f"{sentence(place)} holds a login: {whose}.")
    if not (args.yes or args.force or agreed("End it at the server and remove it? [y/N] ", "--yes")):
        return 1
    signing_out = SignOut(file, args.issuer, args.originator, whose)
    ended = True
    try:
        done = asyncio.run(signing_out.finish())
    except IssuerError as e:
        if e.code == "login_busy":
            raise
        tell(e.message)
        if not (
            args.force or agreed("Remove it all the same? Its tokens stay good until they run out. [y/N] ", "--force")
        ):
            return 1
        done, ended = asyncio.run(signing_out.finish(revoke=False)), False
    out.print(
        {
            "removed": f"Logged out: {whose}. {removed(file, place)}",
            "emptied": f"Logged out: {whose}. {place} is empty now; it can't be removed where it is.",
            "kept others": f"Logged out: {whose}. {place} keeps what else it holds.",
            "nothing there": f"Logged out: {whose}.",
        }[done],
        style="green" if ended else "yellow",
    )
    if not ended:
        tell("The server has not ended it: log out of all devices in ChatGPT's settings, under Security, to be sure.")
    still_in_the_environment(file)
    return 0


def removed(file: LoginFile, place: str) -> str:
    if login_source.kind(file) == "keyring":
        return f"It is out of {place}."
    return f"Removed {login_source.shown_path(file.path, Path.home())}."


def nothing_to_end(file: LoginFile, place: str, whose: Identity) -> int:
    """What is no login of this kind is the person's own to remove."""
    instead = {
        "environment": "unset it where it is set", "file": "remove the file yourself", "keyring": "run codex logout",
    }[login_source.kind(file)]  # fmt: skip
    tell(f"{sentence(place)} holds {KINDS[whose.kind].name}, and no login that could be ended here.")
    tell(f"{KINDS[whose.kind].about} Nothing has been changed; to be rid of it, {instead}.")
    return 1


def still_in_the_environment(file: LoginFile) -> None:
    if login_source.is_from_environment(file):
        names = " and ".join(login_source.variables(os.environ))
        tell(f"The environment still has {names}, of no more use now: unset it where it is set.")


def agreed(question: str, flag: str) -> bool:
    """A person says yes; without one to be asked it is no."""
    if not terminal.is_terminal():
        tell(f"Nothing has been removed. To do it without being asked: {flag}")
        return False
    if terminal.agrees(question):
        return True
    tell("Nothing has been removed.")
    return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        err.print("\nStopped.")
        sys.exit(130)
