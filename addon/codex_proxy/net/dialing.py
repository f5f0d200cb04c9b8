"""Open a TCP connection to a name: both address families, shortly one after the other (RFC 8305), with dead peers detected."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

from . import resolver
from .few_files import OUT_OF_FILES
from .resolver import Address

# Delay before the next address is tried in parallel, in seconds (RFC 8305 section 5).
ATTEMPT_DELAY = 0.25

# A peer that acknowledges nothing is given up after this, in seconds; as long as gRPC waits.
DEAD_AFTER = 20

# TCP keepalive of an idle connection: the first probe, then the interval; in seconds.
PROBE_AFTER, PROBE_EVERY = 10, 5

# Where `tcpi_bytes_acked` stands in `struct tcp_info` (linux/tcp.h, since 4.1), in bytes.
ACKED_AT = 120

# How a connection ends whose peer is not there any more.
DIED = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN)

# What a system calls it: (option, value). What one does not have is left out.
_PROBES: dict[str, int] = {
    "TCP_KEEPIDLE": PROBE_AFTER,
    "TCP_KEEPALIVE": PROBE_AFTER,  # macOS has this in place of TCP_KEEPIDLE
    "TCP_KEEPINTVL": PROBE_EVERY,
    "TCP_KEEPCNT": (DEAD_AFTER - PROBE_AFTER) // PROBE_EVERY,
    "TCP_USER_TIMEOUT": DEAD_AFTER * 1000,  # Linux, in milliseconds (tcp(7))
}

# macOS: seconds of retransmitting after which a connection is dropped (netinet/tcp.h); Python has no name for it.
_TCP_RXT_CONNDROPTIME = 0x80


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """The families by turns, the first address's first; otherwise in order (RFC 8305 section 4)."""
    first = [a for a in addresses if a.family == addresses[0].family]
    other = [a for a in addresses if a.family != addresses[0].family]
    mixed = []
    while first or other:
        mixed += [family.pop(0) for family in (first, other) if family]
    return mixed


def notice_death(sock: socket.socket) -> None:
    """Let the system end a connection whose peer is silent about what was sent, or about being there, for DEAD_AFTER."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        option = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
    if sys.platform == "darwin":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, _TCP_RXT_CONNDROPTIME, DEAD_AFTER)


def acknowledged(sock: socket.socket) -> int | None:
    """How many bytes the peer has acknowledged so far; None where the system does not tell (Linux does: tcp(7), TCP_INFO)."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None or sys.platform != "linux":
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, ACKED_AT + 8)
    except OSError:
        return None
    return int.from_bytes(info[ACKED_AT:], sys.byteorder) if len(info) == ACKED_AT + 8 else None


async def connect(
    host: str,
    port: int,
    local: tuple[str, int] | None = None,
    *,
    resolve: Callable[[str, int], Awaitable[list[Address]]] = resolver.resolve,
    delay: float = ATTEMPT_DELAY,
) -> socket.socket:
    """A connected socket that does not block, from `local` if given. Raises OSError; the caller bounds the time."""
    addresses = await resolve(host, port)
    if local is not None:
        family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        addresses = [a for a in addresses if a.family == family]
    if not addresses:
        raise OSError(f"{host} has no address{' of the kind of ' + local[0] if local else ''}")
    sock = await _race(interleave(addresses), local, delay)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    notice_death(sock)
    return sock


async def _attempt(address: Address, local: tuple[str, int] | None) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if local is not None:
            sock.bind(local)
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


async def _race(addresses: list[Address], local: tuple[str, int] | None, delay: float) -> socket.socket:
    """The first connection that succeeds; the other attempts are closed."""
    left, errors = list(addresses), list[OSError]()
    running = set[asyncio.Task[socket.socket]]()
    won: asyncio.Task[socket.socket] | None = None
    try:
        while left or running:
            if left:
                running.add(asyncio.ensure_future(_attempt(left.pop(0), local)))
            done, _ = await asyncio.wait(running, timeout=delay if left else None, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    won = task
                    return task.result()
                running.remove(task)
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
                if error.errno in OUT_OF_FILES:
                    raise error  # another address would need a file too
    finally:
        for task in running:
            if task is not won:
                task.cancel()
                task.add_done_callback(_close)
    raise errors[0] if len(errors) == 1 else OSError(errors[0].errno, "; ".join(str(e) for e in errors))


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Of an attempt that came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
