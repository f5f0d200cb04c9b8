"""Network policy for all outgoing connections, mitmproxy's and our own.

Read from the environment as curl and Go do (README, "Proxies and certificates"): the outgoing proxy for an address, the trusted
certificates, and limits of time and size for an answer.
"""

import base64
import fnmatch
import ipaddress
import os
import re
import ssl
import urllib.request
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import certifi

from .. import daemon_threads

# How long a connection may take, TLS included, and how long the backend may be silent in an answer; seconds.
CONNECT_TIMEOUT, IDLE_TIMEOUT = 20.0, 300.0

# How long certificates may take to be read and made ready: on a busy machine their work takes a while, on a dead disk it never ends;
# seconds.
CERTIFICATES_TIME = 10.0


class Limits(NamedTuple):
    """What an answer to a request of our own may take."""

    silence: float
    """Between two pieces of it, in seconds."""
    total: float
    """From the look-up of the name to its last byte, in seconds."""
    largest: int
    """Decoded, in bytes; no more than that is read either."""


# A refresh, an exchange, a step of the device login (docs/backend.md, 8.3, 8.4, 8.6); the end of a token (docs/backend.md, 8.5).
TOKENS = Limits(silence=30.0, total=30.0, largest=1 << 20)
REVOCATION = Limits(silence=10.0, total=10.0, largest=1 << 20)
# The list of models, which has each model's instructions in it; the official client waits 5 s for it (docs/backend.md, 1.3).
CATALOGUE = Limits(silence=5.0, total=20.0, largest=16 << 20)
# Requests of scripts: the usage, the list of models.
DOCUMENT = Limits(silence=20.0, total=60.0, largest=16 << 20)
# The instructions; the official ones have 11 to 22 kB (docs/backend.md, 1.3).
TEXT = Limits(silence=20.0, total=60.0, largest=1 << 20)
# A model's answer: as patient as the backend's own limit of an hour (docs/backend.md, 11), and about a quarter of a million events.
TURN = Limits(silence=IDLE_TIMEOUT, total=3600.0, largest=64 << 20)

# What is trusted where no variable says anything: besides certifi's list, the system's own, where OpenSSL or distributions keep it.
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

HASHED = re.compile(r"[0-9a-f]{8}\.\d+")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,15}", re.I)
NAME = re.compile(r"[\w.-]+|[0-9a-f:.]+(?:%[\w.-]+)?", re.I)
PORT = {"http": 80, "https": 443}


class OutgoingProxy(NamedTuple):
    scheme: Literal["http", "https"]
    host: str
    port: int
    authorization: str
    """Value of `Proxy-Authorization`; empty if the address has no user name."""
    variable: str = ""
    """Which one says so."""

    @property
    def url(self) -> str:
        """Without name and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def secrets(self) -> list[str]:
        """The secrets: the password, and the value of the header that contains it."""
        coded = self.authorization.partition(" ")[2]
        return [base64.b64decode(coded).decode("utf-8", "replace").partition(":")[2], coded] if coded else []


class Trust(NamedTuple):
    """Whose certificates are trusted: a file in PEM, folders as `openssl rehash` leaves them, or both."""

    file: str | None
    folder: str | None


# Proxies.


def outgoing_proxy(scheme: str, host: str, port: int, env: Mapping[str, str] | None = None) -> OutgoingProxy | None:
    """The proxy on the way to an address; None if it is reached straight. Raises ValueError, never with a proxy's address in it.

    The scheme's own variable goes before `ALL_PROXY`, lower case before upper, as curl has it; an empty one says nothing.
    """
    is_given, env = env is not None, os.environ if env is None else env
    named = [(name, env[name].strip()) for name in _names(scheme, env)]
    exceptions = _first(env, "no_proxy")
    if not is_given and not any(_first(env, f"{kind}_proxy") for kind in ("http", "https", "all")):
        # What the system's settings say on macOS and Windows, which is nothing elsewhere.
        system = urllib.request.getproxies()
        if system and urllib.request.proxy_bypass(f"{host}:{port}"):
            return None
        named = [("the system's settings", address) for kind in (scheme, "all") if (address := system.get(kind))]
    if not named or is_past(host, port, exceptions):
        return None
    socks = ""
    for variable, address in named:
        parts = _split(address, variable)
        if parts.scheme.startswith("socks"):
            # Beside an http proxy it is for programs that know no other.
            socks = socks or f"{variable} names a proxy of the kind {parts.scheme}://"
            continue
        found = _proxy(parts, variable)
        # Without TLS a token must not leave this machine: so it does not go to a proxy elsewhere to come back from there.
        return None if scheme == "http" and is_here(host) and not is_here(found.host) else found
    raise ValueError(
        f"{socks}, which is not supported; http:// and https:// are. Most SOCKS proxies listen for HTTP too, often on the same"
        f" or the next port: set {scheme.upper()}_PROXY=http://HOST:PORT, or name {host} in NO_PROXY to connect directly."
    )


def is_here(host: str) -> bool:
    """Is that this machine, by its name or address?"""
    address = _address(host)
    return _plain(host) == "localhost" if address is None else address.is_loopback


def _names(scheme: str, env: Mapping[str, str]) -> Iterable[str]:
    for kind in (f"{scheme}_proxy", "all_proxy"):
        if name := next((each for each in (kind, kind.upper()) if env.get(each, "").strip()), None):
            yield name


def _first(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip() or env.get(name.upper(), "").strip()


def _split(address: str, variable: str) -> SplitResult:
    try:
        return urlsplit(address if "://" in address else f"http://{address}")
    except ValueError:
        raise ValueError(f"{variable} is not the address of a proxy such as http://HOST:PORT") from None


def _proxy(parts: SplitResult, variable: str) -> OutgoingProxy:
    # A password may be anywhere in a malformed address: only its kind is shown.
    if parts.scheme not in PORT:
        kind = f" ({parts.scheme}://)" if SCHEME.fullmatch(parts.scheme) else ""
        raise ValueError(
            f"{variable} names an outgoing proxy of a kind that is not supported{kind}; http:// and https:// are"
        )
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or not parts.hostname or not NAME.fullmatch(parts.hostname):
        raise ValueError(
            f"{variable} is not the address of a proxy such as http://HOST:PORT (in a password, write / as %2F, # as %23, ? as %3F)"
        )
    who = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        who = "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return OutgoingProxy(scheme, parts.hostname, port or PORT[scheme], who, variable)


def is_past(host: str, port: int, exceptions: str) -> bool:
    """Does `NO_PROXY` say that an address is reached without a proxy? Whatever curl or Go would take for a yes is one.

    Entries stand between commas or blanks: `*`; a name, with or without a dot in front, for itself and all below it; a name
    with `*` in it, as a shell has that; an address, in brackets or not; a range (`10.0.0.0/8`, `fd00::/8`); `<local>` for
    names without a dot. `:PORT` behind it bounds it to that port. No name is looked up for it.
    """
    name, address = _plain(host), _address(host)
    return any(_covers(entry, name, address, port) for entry in re.split(r"[\s,;]+", exceptions.strip()) if entry)


def _covers(entry: str, name: str, address: object, port: int) -> bool:
    entry, bound = _without_port(entry)
    if bound is not None and bound != port:
        return False
    if entry == "<local>":
        return address is None and "." not in name
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    if (known := _address(entry)) is not None:
        return known == address
    entry = _plain(entry)
    if "*" in entry:
        return fnmatch.fnmatchcase(name, entry)
    entry = entry.removeprefix(".")
    return bool(entry) and (name == entry or (address is None and name.endswith(f".{entry}")))


def _without_port(entry: str) -> tuple[str, int | None]:
    # `::1` has colons of its own.
    if found := re.fullmatch(r"(\[.*\]|[^:]*):(\d{1,5})", entry):
        return found[1], int(found[2])
    return entry, None


def _plain(name: str) -> str:
    """As two names are compared: case, the root's dot, IDNA."""
    name = name.strip("[]").rstrip(".").lower()
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return name


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]").rstrip("."))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_in(address: object, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


# Certificates.


def trust(env: Mapping[str, str] | None = None) -> Trust:
    """What `SSL_CERT_FILE` and `SSL_CERT_DIR` name, else certifi's list and the system's. Raises ValueError in a sentence.

    An empty variable says nothing, as to OpenSSL. Blocks on the disk, in bounded time if the user named it.
    """
    env = os.environ if env is None else env
    file, folder = env.get("SSL_CERT_FILE", ""), env.get("SSL_CERT_DIR", "")
    return _named_trust(file, folder) if file or folder else _system_trust()


@lru_cache(8)
def _named_trust(file: str, folder: str) -> Trust:
    for name, value, check in (("SSL_CERT_FILE", file, _check_file), ("SSL_CERT_DIR", folder, _check_folder)):
        try:
            if value:
                daemon_threads.call(f"{name}={value}", partial(check, value), CERTIFICATES_TIME)
        except TimeoutError as e:
            raise ValueError(f"{name}={value}: {e.strerror}") from None
    return Trust(file or None, folder or None)


def _check_file(file: str) -> None:
    if os.path.isdir(file):
        raise ValueError(f"SSL_CERT_FILE={file} is a folder; it has to name a PEM file, SSL_CERT_DIR names a folder")
    if not os.path.exists(file):
        raise ValueError(f"SSL_CERT_FILE={file}: there is no such file; unset it, or name your company's CA in PEM")
    if not os.path.isfile(file):
        raise ValueError(f"SSL_CERT_FILE={file} is not a regular file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        raise ValueError(
            f"SSL_CERT_FILE={file} holds no certificate in PEM (text that begins with -----BEGIN CERTIFICATE-----)"
        ) from None
    except OSError as e:
        raise ValueError(f"SSL_CERT_FILE={file} can't be read: {e.strerror}") from None


def _check_folder(folders: str) -> None:
    names: list[str] = []
    for folder in folders.split(os.pathsep):
        try:
            names += os.listdir(folder) if folder else []
        except OSError as e:
            raise ValueError(f"SSL_CERT_DIR={folders}: {folder} can't be read: {e.strerror}") from None
    if not any(HASHED.fullmatch(name) for name in names):
        raise ValueError(
            f"SSL_CERT_DIR={folders} holds no certificate that OpenSSL would find; run: openssl rehash {folders}"
        )


@lru_cache
def _system_trust() -> Trust:
    paths = ssl.get_default_verify_paths()
    folder = paths.openssl_capath
    hashed = os.path.isdir(folder) and any(map(HASHED.fullmatch, os.listdir(folder)))
    # mitmproxy takes one file: where there is a folder it is the system's, and else one of distributions has certifi's list in it.
    files = [] if hashed else [file for file in (paths.openssl_cafile, *SYSTEM_FILES) if os.path.isfile(file)]
    return Trust((files or [certifi.where()])[0], folder if hashed else None)


@lru_cache(8)
def context(trusted: Trust) -> ssl.SSLContext:
    """Verifies the certificate and the name, always, as OpenSSL does by itself and curl does; for mitmproxy it is the same.

    Python 3.13's own contexts are stricter (VERIFY_X509_STRICT): they refuse CAs of many inspecting proxies, which leave out
    what RFC 5280 asks for. Reading the list takes tens of milliseconds: it is kept. Blocks on the disk. Raises OSError.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # A certificate that is named is trusted, though another has signed it: curl's default.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # As mitmproxy's.
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.hostname_checks_common_name = False
    made.load_verify_locations(trusted.file, trusted.folder)
    return made
