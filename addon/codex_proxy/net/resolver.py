"""Name resolution on threads of our own: a silent resolver blocks neither the event loop's executor nor the exit.

asyncio calls `getaddrinfo` on the executor that `to_thread` uses for everything else, and waits for it at the end of the
process. A lookup can't be interrupted: glibc gives up after 5 to 20 seconds, by resolv.conf(5).
"""

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

# How many lookups run at the same time; more wait.
THREADS = 4

# A lookup that has taken this long is not joined by newcomers while a thread is free: the network may be back; in seconds.
STALE = 5.0


class Address(NamedTuple):
    """A row of getaddrinfo(3), for a stream socket."""

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]


Lookup = Callable[[str, int], list[Address]]


def lookup(host: str, port: int) -> list[Address]:
    """Ask the system; blocks. Raises OSError (socket.gaierror)."""
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except UnicodeError as e:  # a label of the name is empty or too long (IDNA)
        raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known ({e})") from e
    return [Address(family, address) for family, _, _, _, address in rows]  # type: ignore[arg-type]


def literal(host: str, port: int) -> Address | None:
    """The address, if `host` is one and not a name."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    if ip.version == 4:
        return Address(socket.AF_INET, (host, port))
    return None if "%" in host else Address(socket.AF_INET6, (host, port, 0, 0))


class _Running:
    """A lookup that is under way, and who waits for it."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.future: concurrent.futures.Future[list[Address]] = concurrent.futures.Future()


class Resolver:
    """At most `threads` lookups at the same time; callers that ask for the same name share the answer."""

    def __init__(self, ask: Lookup = lookup, threads: int = THREADS, stale: float = STALE) -> None:
        self._ask, self._threads, self._stale = ask, threads, stale
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], _Running] = {}
        self._waiting: list[tuple[tuple[str, int], _Running]] = []
        self._busy = 0

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, in the system's order (RFC 6724). Raises OSError (socket.gaierror).

        The caller bounds the time; a lookup without a waiting caller runs on by itself.
        """
        if known := literal(host, port):
            return [known]
        shared = self._find_or_begin((host, port))
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[list[Address]] = loop.create_future()

        def hand_over() -> None:
            if mine.done():
                return
            if error := shared.future.exception():
                mine.set_exception(error)
            else:
                mine.set_result(list(shared.future.result()))

        def wake(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(hand_over)

        shared.future.add_done_callback(wake)
        return await mine

    def _find_or_begin(self, key: tuple[str, int]) -> _Running:
        with self._lock:
            found = self._running.get(key)
            is_stale = found is not None and time.monotonic() - found.began > self._stale
            if found is not None and not (is_stale and self._busy < self._threads):
                return found
            begun = self._running[key] = _Running()
            if self._busy < self._threads:
                self._busy += 1
                # A daemon: the end of the process does not wait for it.
                threading.Thread(target=self._work, args=(key, begun), name="resolver", daemon=True).start()
            else:
                self._waiting.append((key, begun))
            return begun

    def _work(self, key: tuple[str, int], running: _Running) -> None:
        while True:
            found: list[Address] = []
            error: BaseException | None = None
            try:
                found = self._ask(*key)
            except BaseException as e:
                error = e
            following = None
            with self._lock:
                if self._running.get(key) is running:
                    del self._running[key]
                if self._waiting:
                    following = self._waiting.pop(0)
                    following[1].began = time.monotonic()
                else:
                    self._busy -= 1
            if error:
                running.future.set_exception(error)
            else:
                running.future.set_result(found)
            if following is None:
                return
            key, running = following


_resolver = Resolver()

resolve = _resolver.resolve
