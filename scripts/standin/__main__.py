"""A strict stand-in for the Codex backend and its OAuth server, to try the proxy without an account."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path

from command_line import Parser

from .failures.table import parse, table
from .oauth import CALLBACK_PORTS
from .server import Standin

KEPT = 200


def arguments() -> argparse.Namespace:
    parser = Parser(prog="scripts/backend", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=9191, help="port to listen on, 0 for any (%(default)s)")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate chain, PEM; makes it an https server")
    parser.add_argument("--tls-key", metavar="FILE", help="key of the certificate, PEM")
    parser.add_argument("--write-login", metavar="FILE", type=Path, help="write a login for this server (mode 0600)")
    parser.add_argument(
        "--expires-in", metavar="SECONDS", type=float, default=864_000, help="life of its access token (%(default)s)"
    )
    parser.add_argument("--plan", default="plus", help="plan of the login (%(default)s)")
    parser.add_argument(
        "--fail",
        metavar="NAME",
        action="append",
        default=[],
        help="a failure for all requests until it is recovered; repeated, they take turns",
    )
    parser.add_argument("--list-failures", action="store_true", help="list the failures and exit")
    parser.add_argument("--no-instructions", action="store_true", help="accept requests without instructions")
    parser.add_argument(
        "--take-status", action="store_true", help="accept `status` in function calls that are sent back"
    )
    parser.add_argument("--no-account", action="store_true", help="accept requests without the account header")
    parser.add_argument(
        "--trust-encrypted",
        metavar="PREFIX",
        action="append",
        default=[],
        help="accept encrypted content with this prefix unchecked",
    )
    parser.add_argument(
        "--refuse-bare-agents",
        action="store_true",
        help="answer user agents of bare libraries with Cloudflare's challenge",
    )
    parser.add_argument(
        "--consent",
        action="store_true",
        help="ask for consent in the browser instead of accepting a login at once",
    )
    parser.add_argument(
        "--callback-port",
        metavar="N",
        type=int,
        action="append",
        help="allowed port of the redirect address; by default 1455 and 1457",
    )
    parser.add_argument("--verbose", action="store_true", help="print the headers of each request, without secrets")
    args = parser.read()
    if bool(args.tls_cert) != bool(args.tls_key):
        parser.error("--tls-cert and --tls-key go together")
    for name in args.fail:
        try:
            parse(name)
        except ValueError as e:
            parser.error(str(e))
    return args


async def serve(args: argparse.Namespace) -> None:
    standin = Standin(
        args.port,
        (args.tls_cert, args.tls_key) if args.tls_cert else False,
        args.host,
        instructions_required=not args.no_instructions,
        status_refused=not args.take_status,
        require_account=not args.no_account,
        refuse_bare_agents=args.refuse_bare_agents,
        trust_encrypted=args.trust_encrypted,
        keep=KEPT,
        consent=args.consent,
        callback_ports=args.callback_port or CALLBACK_PORTS,
    )
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with standin:
        standin.fail(*args.fail, times=None)
        login = standin.login(expires_in=args.expires_in, plan=args.plan)
        if args.write_login:
            write_login(args.write_login, json.dumps(login, indent=2))
        print(greeting(standin, args.write_login), flush=True)
        await stop.wait()


def write_login(path: Path, text: str) -> None:
    """Written next to it with mode 0600, then renamed: readers never see half a login."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")
    beside.replace(path)


def greeting(standin: Standin, login: Path | None) -> str:
    options = {"codex_upstream": standin.upstream, "codex_issuer": standin.issuer}
    if login:
        options["codex_auth_file"] = str(login.resolve())
    told = " \\\n    ".join(f"--set {name}={value}" for name, value in options.items())
    return (
        f"The stand-in listens on {standin.origin}\n"
        f"Point the proxy at it with\n    {told}\n"
        f'Switch a failure on: curl {standin.origin}/_standin/fail -d \'{{"name": "usage-limit"}}\'\n'
        f"What it was sent:    curl {standin.origin}/_standin/requests"
    )


def main() -> None:
    args = arguments()
    if args.list_failures:
        print(table())
        return
    level = logging.DEBUG if args.verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("standin").setLevel(level)
    try:
        asyncio.run(serve(args))
    except OSError as e:
        sys.exit(f"Cannot listen on {args.host}:{args.port}: {e}")


if __name__ == "__main__":
    main()
