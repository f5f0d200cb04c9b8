"""Start the proxy for scripts/serve and scripts/capture (mitmdump) and scripts/inspect (mitmweb).

Their arguments are read by mitmproxy's own parser, extended with ours.
"""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mitmproxy.options import Options
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.tools import cmdline
from mitmproxy.tools import main as tools

import service
from command_line import Meaning, Parser, is_address
from free_port import next_free

SCRIPT = Path(__file__).resolve().parent.parent / "addon" / "codex.py"
HOST, PORT, WEB_PORT = "127.0.0.1", 9090, 8081

USAGE = {
    "serve": "scripts/serve [--port N] [--host ADDRESS] [ARGUMENTS OF mitmdump …]",
    "inspect": "scripts/inspect [--port N] [--web-port N] [ARGUMENTS OF mitmweb …]",
    "capture": "scripts/capture [--dir DIR] [--live] [--port N] [ARGUMENTS OF mitmdump …] [-- COMMAND …]",
}

# Said about an unknown word; for mitmdump it would be a filter of flows.
OTHERWISE = {
    "serve": "A filter of flows goes with its option: --set save_stream_filter={word}",
    "inspect": "A filter of flows goes with its option: --set view_filter={word}",
    "capture": "",
}

# What mitmweb's list shows: the comment says what was changed and how it ended.
COLUMNS = ("icon", "method", "path", "comment", "status", "size", "time")

# Options of mitmproxy that a command-line option would silently override, and that option.
INSTEAD = {
    "mode": "--mode", "listen_host": "--host", "listen_port": "--port", "server": "--server", "web_host": "--web-host",
    "web_port": "--web-port",
}  # fmt: skip


def parser_of(name: str, options: Options) -> Parser:
    """mitmdump's or mitmweb's parser, without the filter that swallows all that follows a bare word, and with ours."""
    parser = Parser(
        prog=f"scripts/{name}", usage=USAGE[name], add_help=False, more=(as_mode, as_file(name)), otherwise=OTHERWISE[name]
    )  # fmt: skip
    cmdline.common_options(parser, options)
    parser.add_argument("--port", dest="listen_port", type=int, metavar="N")
    parser.add_argument("--host", dest="listen_host", metavar="ADDRESS")
    if name != "inspect":
        options.make_parser(parser, "flow_detail", metavar="LEVEL")
    if name == "serve":
        for command in service.COMMANDS:
            parser.add_argument(f"--{command}", dest="service", action="store_const", const=command)
        parser.add_argument("--as-service", action="store_true")
    elif name == "capture":
        # All from the first bare word on.
        parser.add_argument("command", nargs=argparse.REMAINDER)
    else:
        for option, metavar in (
            ("web_open_browser", None),
            ("web_port", "PORT"),
            ("web_host", "HOST"),
            ("intercept", "FILTER"),
        ):
            options.make_parser(parser, option, metavar=metavar)
    return parser


def as_mode(word: str) -> str | None:
    try:
        ProxyMode.parse(word)
    except ValueError:
        return None
    return f"--mode {shlex.quote(word)}"


def as_file(name: str) -> Meaning:
    """What a file on the command line was probably meant as."""

    def meant(word: str) -> str | None:
        path = Path(os.path.expanduser(word))
        if path.suffix == ".py":
            return f"-s {shlex.quote(word)}"
        if path.suffix == ".json" and path.is_file():
            return f"--set codex_auth_file={shlex.quote(word)}"
        is_flows = path.is_file() or path.suffix in (".flow", ".flows", ".mitm", ".dump", ".har")
        return f"-r {shlex.quote(word)}" if name == "inspect" and is_flows else None

    return meant


def read(name: str, options: Options, arguments: Sequence[str], env: Any = os.environ) -> argparse.Namespace:
    """What mitmproxy is to be started with. Ends with status 2 for an unknown argument."""
    parser = parser_of(name, options)
    arguments = [each for each in arguments if each != "--"]
    args, rest = parser.parse_known_args(arguments)
    command = getattr(args, "service", None)
    if rest:
        parser.refuse(
            rest,
            f"{parser.prog} --{command}" if command else parser.prog,
            alone=len(rest) + bool(command) == len(arguments),
        )
    if words := getattr(args, "command", None):
        meant = None if words[1:] or shutil.which(words[0]) else parser.meaning(words[0])
        parser.exit(
            2,
            f"{parser.prog} takes a command behind two dashes. Did you mean:\n  {parser.prog} {meant or f'-- {shlex.join(words)}'}\n",
        )
    sets = dict(each.partition("=")[::2] for each in args.setoptions)
    for option, instead in INSTEAD.items():
        if option in sets and parser.has(instead):
            way = (
                "-n"
                if (option, sets[option]) == ("server", "false")
                else f"{instead} {shlex.quote(sets[option])}".removesuffix(" true")
            )
            parser.exit(2, f"--set {option} has no effect here. Did you mean:\n  {parser.prog} {way}\n")
    for option, value in sets.items():
        # mitmproxy keeps a name that it does not know for a script that may define it, silently.
        meant = None
        if option not in options and parser.has(flag := f"--{option.replace('_', '-')}"):
            meant = f"{flag} {shlex.quote(value)}" if value else flag
        elif option not in options and not value:
            meant = parser.meaning(option)
        if meant:
            parser.exit(2, f"There is no option {option} to --set. Did you mean:\n  {parser.prog} {meant}\n")
    listen(parser, args, sets, env)
    args.scripts = [str(SCRIPT), *(args.scripts or ())]
    if name == "inspect":
        show(parser, args, sets, env)
    elif args.flow_detail is None and "flow_detail" not in sets:
        args.flow_detail = 0  # the addon logs one line per request; mitmdump's own two say less
    return args


def listen(parser: Parser, args: argparse.Namespace, sets: dict[str, str], env: Any) -> None:
    """Where it listens: as our listener, unless the user sets a mode; not at all to read flows."""
    is_given = args.mode or args.listen_host or args.listen_port is not None
    if args.server is None:
        args.server = bool(is_given) or not (args.rfile or sets.get("rfile"))
    if args.listen_port is None:
        kept = env.get("CODEX_PROXY_PORT") or str(PORT)
        if not kept.isdecimal():
            parser.error(f"CODEX_PROXY_PORT={kept} is not a port")
        args.listen_port = int(kept)
    if not 0 <= args.listen_port < 65536:
        parser.error(f"--port {args.listen_port}: a port is a number up to 65535")
    host = (args.listen_host or HOST).strip("[]")
    if not is_address(host) and (meant := parser.meaning(host)) and meant != f"--host {host}":
        parser.exit(2, f"--host {host} is not an address. Did you mean:\n  {parser.prog} {meant}\n")
    args.listen_host = host
    if not args.mode:
        args.mode = [f"reverse:https://chatgpt.com@{host}:{args.listen_port}"]


def show(parser: Parser, args: argparse.Namespace, sets: dict[str, str], env: Any) -> None:
    """The page: on this machine only, in a browser if there is a display."""
    args.web_host = args.web_host or HOST
    wanted = args.web_port or WEB_PORT
    free = next_free(args.web_host, wanted)
    if free != wanted and args.web_port:
        parser.exit(1, f"Port {wanted} is taken. Another one for the page: --web-port {free}\n")
    if free != wanted:
        print(f"Port {wanted} is taken: the page is at {free}.", file=sys.stderr)
    args.web_port = free
    has_display = env.get("DISPLAY") or env.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    if args.web_open_browser is None and "web_open_browser" not in sets and not has_display:
        args.web_open_browser = False  # the address is printed in any case
    if "web_columns" not in sets:
        args.setoptions += [f"web_columns={column}" for column in COLUMNS]


class Read:
    """In the place of mitmproxy's parser (mitmproxy/tools/main.py): its arguments have been read."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args

    def parse_args(self, _: Sequence[str]) -> argparse.Namespace:
        return self.args


def start(name: str, arguments: Sequence[str]) -> None:
    def make_parser(options: Options) -> Any:
        args = read(name, options, arguments)
        if command := getattr(args, "service", None):
            sys.exit(service.do(command, [each for each in arguments if each not in (f"--{command}", "--")]))
        return Read(args)

    if name == "inspect":
        from mitmproxy.tools.web.master import WebMaster as Master
    else:
        from mitmproxy.tools.dump import DumpMaster as Master  # type: ignore[assignment]
    tools.run(Master, make_parser, arguments)


def main() -> None:
    name, *arguments = sys.argv[1:]
    sys.argv = [f"scripts/{name}", *arguments]
    if "--as-service" in arguments:
        service.run(lambda: start(name, arguments))
    else:
        start(name, arguments)


if __name__ == "__main__":
    main()
