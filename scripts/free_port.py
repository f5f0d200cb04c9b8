"""Find a free port, for programs that have to be told one."""

import random
import socket

# Below the ephemeral ports (Linux: from 32768, others: from 49152): in the moment until it is listened
# on, no other program is given it.
PORTS = range(10_000, 32_000)


def free_port() -> int:
    """A port that is free at the moment."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def next_free(host: str, port: int) -> int:
    """The first free port from this one on at an address; the port itself if there is none."""
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
