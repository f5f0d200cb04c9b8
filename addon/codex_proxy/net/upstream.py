"""The backend's address, and the User-Agent that the proxy sends."""

import platform
import re
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from .. import __version__

LOOPBACK = re.compile(r"localhost|::1|127(?:\.\d{1,3}){3}")


class Upstream(NamedTuple):
    """A base address taken apart; `path` without a slash at its end."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """As in a `Host` header: no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@lru_cache
def parse(address: str) -> Upstream:
    """A base address. Raises ValueError that says what is wrong with it."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{address!r} is not an http(s) address")
    if parts.username or parts.query or parts.fragment:
        raise ValueError(f"{address!r} has more than scheme, host, port and path")
    if parts.scheme == "http" and not LOOPBACK.fullmatch(parts.hostname):
        raise ValueError(f"{address!r} would send the token unencrypted; use https (http is for this machine only)")
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Upstream(scheme, parts.hostname, parts.port or (443 if scheme == "https" else 80), parts.path.rstrip("/"))


def user_agent(originator: str) -> str:
    """The User-Agent: `nanobot-proxy/0.1.0 (Linux; x86_64)`."""
    return f"{originator}/{__version__} ({platform.system()}; {platform.machine()})"
