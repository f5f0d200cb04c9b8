"""Revoke the login at the server, and remove it from its file. Logins on other machines stay valid."""

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
Anything else in the file, such as an API key, stays. A running proxy that uses the file notices within a second.
Exit status: 0 logged out, 1 still logged in, 2 wrong arguments.

Examples:
  scripts/logout
  scripts/logout --yes --auth-file ~/work.json
"""


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="scripts/logout", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    terminal.add_auth_file(parser)
    parser.add_argument("--yes", action="store_true", help="do it without asking, if the server revokes the login")
    parser.add_argument(
        "--force", action="store_true", help="do it without asking, even if the server does not revoke the login"
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
    if not (args.yes or args.force or agreed("Revoke it at the server and remove it? [y/N] ", "--yes")):
        return 1
    signing_out = SignOut(file, args.issuer, args.originator, whose)
    ended = True
    try:
        done = asyncio.run(signing_out.finish())
    except IssuerError as e:
        if e.code == "login_busy":
            raise
        tell(e.message)
        if not (args.force or agreed("Remove it anyway? Its tokens stay valid until they expire. [y/N] ", "--force")):
            return 1
        done, ended = asyncio.run(signing_out.finish(revoke=False)), False
    out.print(
        {
            "removed": f"Logged out: {whose}. {removed(file, place)}",
            "emptied": f"Logged out: {whose}. {place} is empty now; the file itself can't be removed.",
            "kept others": f"Logged out: {whose}. {place} keeps its other content.",
            "nothing there": f"Logged out: {whose}.",
        }[done],
        style="green" if ended else "yellow",
    )
    if not ended:
        tell("The server did not revoke it: log out of all devices in ChatGPT's settings, under Security, to be sure.")
    still_in_the_environment(file)
    return 0


def removed(file: LoginFile, place: str) -> str:
    if login_source.kind(file) == "keyring":
        return f"It was removed from {place}."
    return f"Removed {login_source.shown_path(file.path, Path.home())}."


def nothing_to_end(file: LoginFile, place: str, whose: Identity) -> int:
    """Other kinds of credentials are the user's own to remove."""
    instead = {
        "environment": "unset it where it is set", "file": "remove the file yourself", "keyring": "run codex logout",
    }[login_source.kind(file)]  # fmt: skip
    tell(f"{sentence(place)} holds {KINDS[whose.kind].name}, which can't be logged out here.")
    tell(f"{KINDS[whose.kind].about} Nothing has been changed; to remove it, {instead}.")
    return 1


def still_in_the_environment(file: LoginFile) -> None:
    if login_source.is_from_environment(file):
        names = " and ".join(login_source.variables(os.environ))
        tell(f"The environment still has {names}, which is useless now: unset it where it is set.")


def agreed(question: str, flag: str) -> bool:
    """Whether the user says yes; without a terminal it is no."""
    if not terminal.is_terminal():
        tell(f"Nothing has been removed. To do it without a question: {flag}")
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
