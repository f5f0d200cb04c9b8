"""Pause a listener for a second when the process has no file descriptor left for a client.

asyncio retries for each place in the listener's queue, each time with an error in the log and a timer, and more of them each
second: 11,312 lines in 5 s were seen.
"""

import asyncio
import os
import socket
from typing import Any

from .few_files import OUT_OF_FILES, RateLimitedLog

# How long no client is accepted, in seconds.
PAUSE = 1.0

said = RateLimitedLog()


def install(loop: asyncio.AbstractEventLoop) -> None:
    """For all listeners of a loop. Where the loop has no such part (Windows) nothing is changed."""
    taken_by = getattr(loop, "_accept_connection", None)
    start = getattr(loop, "_start_serving", None)
    if taken_by is None or start is None:
        return

    def handle(context: dict[str, Any]) -> None:
        # Another thread may have taken the last file meanwhile.
        if context.get("message") == "socket.accept() out of system resource":
            tell()
        else:
            others(context)

    def accept(
        factory: Any, sock: socket.socket, sslcontext: Any = None, server: Any = None, backlog: int = 100, *more: Any
    ) -> None:
        def go_on() -> None:
            if sock.fileno() != -1:  # the listener is not closed
                start(factory, sock, sslcontext, server, backlog, *more)

        try:
            os.close(os.dup(sock.fileno()))
        except OSError as e:
            if e.errno not in OUT_OF_FILES:
                raise
            tell()
            loop.remove_reader(sock.fileno())
            loop.call_later(PAUSE, go_on)
        else:
            taken_by(factory, sock, sslcontext, server, 1, *more)

    others = loop.call_exception_handler
    loop._accept_connection = accept  # type: ignore[attr-defined]
    loop.call_exception_handler = handle  # type: ignore[method-assign]


def remove(loop: asyncio.AbstractEventLoop) -> None:
    for name in ("_accept_connection", "call_exception_handler"):
        vars(loop).pop(name, None)


def tell() -> None:
    said.say("No file descriptors are left: new connections are not accepted for a moment. Raise `ulimit -n`.")
