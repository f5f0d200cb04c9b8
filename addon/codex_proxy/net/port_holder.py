"""Explain why an address can't be listened on, and which process listens there."""

import errno
import http.client
import json
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from .. import daemon_threads

# How long a program that holds the port may take to answer, and one that is asked about it, in seconds.
PATIENCE = 2.0

# What /proc/net/tcp calls a socket that listens (Linux, include/net/tcp_states.h).
LISTENING = "0A"


def explain(host: str, port: int, e: OSError) -> str | None:
    """A sentence on what kept a listener from an address (empty host: all interfaces); None for what is not known here."""
    where = f"{host or '*'}:{port}"
    # asyncio keeps no number where an address is of another machine.
    number = e.errno if e.errno is not None else bind(host, port)
    if number == errno.EADDRINUSE:
        free = next_free(host, port)
        return f"{taken(host, port)} A free port: --port {free} (of mitmdump: --mode …@{host or '*'}:{free})."
    if number == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine, so nothing can listen at {where}; 127.0.0.1 always is."
    if number == errno.EACCES:
        return f"This user may not listen at {where}; ports from 1024 on need no privileges."
    return None


def taken(host: str, port: int) -> str:
    """Who holds a port that is taken."""
    if is_codex_proxy(host, port):
        return f"A codex proxy already runs at {host or '*'}:{port}."
    return f"Port {port} is taken, by {holder(port) or 'another program'}."


def is_codex_proxy(host: str, port: int) -> bool:
    """Does a proxy of ours answer there? `/healthz` needs no key and is answered with or without a login."""
    address = "127.0.0.1" if host in ("", "0.0.0.0") else "::1" if host == "::" else host
    url = f"http://{f'[{address}]' if ':' in address else address}:{port}/healthz"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), AnyStatus())

    def ask() -> bytes:
        with opener.open(url, timeout=PATIENCE) as answer:
            return bytes(answer.read(10_000))

    try:
        # Its own limit is for each piece that comes, and the start waits for all of them.
        page = json.loads(daemon_threads.call(url, ask, PATIENCE))
        return page["status"] in ("ok", "no usable login") and "state" in page["login"]
    except (OSError, ValueError, TypeError, KeyError, http.client.HTTPException):
        return False


class AnyStatus(urllib.request.HTTPErrorProcessor):
    """503 is an answer too."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        return response


def holder(port: int) -> str:
    """`nginx (process 712)`; empty if it can't be known, as of a process of another user."""
    if sys.platform == "linux":
        return _holder_on_linux(port)
    if not shutil.which("lsof"):
        return ""
    line = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"]
    try:
        said = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    fields = {line[:1]: line[1:] for line in reversed(said.splitlines())}
    return f"{fields['c']} (process {fields['p']})" if {"c", "p"} <= fields.keys() else ""


def _holder_on_linux(port: int) -> str:
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{columns[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(each.readlink()) in sockets for each in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:  # of another user, or gone
            continue
    return ""


def next_free(host: str, port: int) -> int:
    """The next port that can be listened on at an address; 0 if there is none."""
    return next((each for each in range(port + 1, 65536) if bind(host, each) == 0), 0)


def bind(host: str, port: int) -> int:
    """What a try to listen there ends with: 0, or an error number."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as e:
            return e.errno or 0
    return 0
