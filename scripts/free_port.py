"""A port for a program that has to be told one."""

import random
import socket

# Below those that systems give out to who asks for any (Linux: 32768 on, others: 49152 on): in the moment until it is listened
# on, nobody else is given it.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """A port that nobody listens on just now."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def next_free(host: str, port: int) -> int:
    """The first port from this one on that nobody listens on at an address; the port itself where there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, min(port + 100, 65536)):
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return candidate
    return port
