"""Which listeners (mitmproxy's modes) one process may have, and the messages about the others."""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# The mode that leads to the backend, named in the message to users who start without it.
OURS = "reverse:https://chatgpt.com"
HOST, PORT = "127.0.0.1", 9090

ALLOW = "codex_allow_open_listeners"


class Listener(NamedTuple):
    """One mode of mitmproxy's (mitmproxy/proxy/mode_specs.py)."""

    spec: str
    """As it is written behind `--mode`."""
    kind: str
    """regular, reverse, socks5, …"""
    host: str | None
    """Empty for all interfaces; None where it takes connections that were meant for other addresses (local, tun)."""
    port: int | None
    """None if neither the mode nor an option names one."""
    is_ours: bool
    target: str = ""
    """The host a reverse listener leads to."""

    @property
    def is_local(self) -> bool:
        return self.host is not None and is_loopback(self.host)

    @property
    def is_open(self) -> bool:
        """Could a caller from elsewhere have it connect to this machine, and then look like a program of this machine?

        A kind that is not known here counts as one that connects anywhere.
        """
        if self.is_ours or self.is_local or self.kind == "dns":
            return False
        return leads_here(self.target) if self.kind == "reverse" else True

    @property
    def where(self) -> str:
        if self.host is None:
            return "takes connections of any program and container of this machine"
        return f"listens on {self.host or 'all interfaces'}"


def is_loopback(host: str) -> bool:
    """Is an address (or a name) this machine's own, by RFC 6761 section 6.3 and RFC 4291?"""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def leads_here(target: str) -> bool:
    """Does a connection to this host end at this machine's loopback, however it is written (inet_aton(3))?"""
    name = target.strip("[]")
    try:
        name = socket.inet_ntoa(socket.inet_aton(name))
    except OSError:  # a name, or IPv6
        pass
    return is_loopback(name) or name in ("", "0.0.0.0", "::", socket.gethostname())


def without_key(listeners: Iterable[Listener]) -> str | None:
    """Why ours may not listen without a client key; None if it may."""
    for each in listeners:
        if each.is_ours and not each.is_local:
            head = each.spec.rpartition("@")[0] or each.spec
            return (
                f"{each.spec} {each.where}, and anyone who reaches it could spend your subscription."
                f" Either listen on this machine only (--mode {head}@{HOST}:{each.port or PORT}), or set a key that callers"
                " have to present (--set codex_client_key=env:NAME)."
            )
    return None


def none_of_ours(listeners: Sequence[Listener], *, loads_flows: bool) -> str | None:
    """Why a process may not listen as it would; None if one of the listeners leads to the backend, or there is none.

    `loads_flows`: it was started to read a file of flows.
    """
    if not listeners or any(each.is_ours for each in listeners):
        return None
    first = listeners[0]
    host = first.host if first.host and first.is_local else HOST
    way = f"--mode {OURS}@{host}:{first.port or PORT}"
    how = "To read a file of flows no listener is needed: add -n" if loads_flows else f"Start the proxy with {way}"
    return (
        f"No listener leads to the Codex backend: --mode {first.spec} would forward what clients send unchanged. {how}."
    )


def open_to_others(listeners: Sequence[Listener]) -> str | None:
    """Why a listener may not stand beside ours, and the way out; None if all may."""
    found = first_open(listeners)
    if found is None:
        return None
    head = found.spec.rpartition("@")[0] or found.spec
    local = f"have it listen on this machine only (--mode {head}@{HOST}:{found.port or 8080}), or"
    way_out = f"Remove it, {local if found.host is not None else 'or'} allow it explicitly (--set {ALLOW}=true)."
    return f"{exposure(found)} {way_out}"


def first_open(listeners: Sequence[Listener]) -> Listener | None:
    """A listener beside ours through which others come."""
    beside_ours = any(each.is_ours for each in listeners)
    return next((each for each in listeners if each.is_open), None) if beside_ours else None


def exposure(found: Listener) -> str:
    """What an open listener lets others do, in a sentence."""
    return (
        f"--mode {found.spec} {found.where}, and anyone who uses it could reach the Codex listener as a program of this"
        " machine would, and spend your subscription."
    )
