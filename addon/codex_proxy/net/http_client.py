"""HTTP client for our own requests: complete answers, bounded in time and size, no redirects; policy.py decides the way."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpcore2
import httpx2

from .. import daemon_threads
from ..errors import ProxyError
from ..message import encodings
from . import policy
from .bounded_stream import Backend
from .policy import Limits

# They would log each request, and at the level debug the cookies that come with the answer.
for chatty in ("httpx2", "httpcore2"):
    logging.getLogger(chatty).setLevel(logging.WARNING)

# How many content codings an answer may have.
MOST_CODINGS = 3


@dataclass(frozen=True)
class Answer:
    """A complete answer: status, header lines in order, decoded body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str:
        return next((v.decode("latin-1") for k, v in self.headers if k.decode("latin-1").lower() == name), "")


class Failed(Exception):
    """No complete answer. `gave_up` is the limit that was reached: connect, idle, total or size; else it is empty."""

    def __init__(self, message: str, gave_up: str = "") -> None:
        super().__init__(message)
        self.gave_up = gave_up


def cause_of(error: BaseException) -> str:
    """The cause of a failed request, in the cause's own words; httpcore2 says "All connection attempts failed"."""
    while True:
        cause: BaseException | None
        if isinstance(error, BaseExceptionGroup):
            cause = error.exceptions[0]
        else:
            cause = error.__cause__ or error.__context__  # httpcore2 raises `from None`
        if cause is None:
            return str(error) or type(error).__name__
        error = cause


async def send(
    method: str,
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    content: bytes,
    limits: Limits,
    is_over: Callable[[bytes], bool] = lambda piece: False,
) -> Answer:
    """One request, and its answer within the limits. `is_over` is told each piece of the body, decoded, and says whether it was the
    last: the connection need not end with it. Raises Failed."""
    try:
        async with asyncio.timeout(limits.total) as total:
            return await _exchange(method, url, headers, content, limits, is_over)
    except TimeoutError as e:
        if total.expired():
            raise Failed(f"its answer was not complete within {limits.total:g} s", "total") from e
        raise Failed(cause_of(e)) from e
    except httpcore2.ConnectTimeout as e:
        raise Failed(f"no connection was made within {policy.CONNECT_TIMEOUT:g} s", "connect") from e
    except httpcore2.TimeoutException as e:
        raise Failed(f"nothing came for {limits.silence:g} s", "idle") from e
    except encodings.TooLarge as e:
        raise Failed(f"its answer is larger than {limits.largest >> 20} MB", "size") from e
    except httpcore2.ProxyError as e:
        raise Failed(f"the outgoing proxy refused HTTP CONNECT: {e}") from e
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpx2.InvalidURL, OSError, ValueError) as e:
        raise Failed(cause_of(e)) from e


async def _exchange(
    method: str,
    url: str,
    headers: Sequence[tuple[bytes, bytes]],
    content: bytes,
    limits: Limits,
    is_over: Callable[[bytes], bool],
) -> Answer:
    address = httpx2.URL(url)
    if address.scheme not in policy.PORT or not address.host or not 0 <= (address.port or 0) < 65536:
        raise ValueError("that is not an http(s) address")
    proxy = policy.outgoing_proxy(address.scheme, address.host, address.port or policy.PORT[address.scheme])
    # Compression would save little, and what comes out of it can be a thousand times as large.
    fields = [(name, value) for name, value in headers if name.lower() != b"accept-encoding"]
    fields.append((b"Accept-Encoding", b"identity"))
    if not any(name.lower() == b"accept" for name, _ in fields):
        fields.append((b"Accept", b"*/*"))
    # Reading the list of certificates takes tens of milliseconds, for which all other requests would wait.
    verify = await daemon_threads.run("certificates", lambda: policy.context(policy.trust()), policy.CERTIFICATES_TIME)
    handshakes = 1 + (proxy.scheme == "https") if proxy and address.scheme == "https" else 0
    backend = Backend(limits.largest, handshakes)
    pool = httpcore2.AsyncConnectionPool(
        ssl_context=verify,
        network_backend=backend,
        proxy=proxy
        and httpcore2.Proxy(
            proxy.url,
            headers=[(b"Proxy-Authorization", proxy.authorization.encode())] if proxy.authorization else [],
            ssl_context=verify if proxy.scheme == "https" else None,
        ),
    )
    async with (
        pool,
        pool.stream(
            method,
            httpcore2.URL(scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path),
            headers=fields,
            content=None if method == "GET" else content,
            extensions={
                "timeout": {"connect": policy.CONNECT_TIMEOUT, "read": limits.silence, "write": limits.silence}
            },
        ) as response,
    ):
        backend.head_has_come()
        coding = ",".join(v.decode("latin-1") for k, v in response.headers if k.lower() == b"content-encoding")
        body, plain, decoder = bytearray(), bytearray(), _decoder(coding, limits.largest)
        async for piece in response.aiter_stream():
            body += piece
            if len(body) > limits.largest:
                raise encodings.TooLarge
            if decoder:
                piece = decoder(piece)
                plain += piece
            if is_over(piece):
                # What would end the coding may not come any more.
                body, coding = plain if decoder else body, ""
                break
    answer = Answer(response.status, list(response.headers), bytes(body))
    return await asyncio.to_thread(decoded, answer, coding, limits.largest) if encodings.codings(coding) else answer


def _decoder(coding: str, largest: int) -> Callable[[bytes], bytes] | None:
    """What reads the pieces of an answer that is in a coding; what it can't read is told when the answer is whole."""
    try:
        decode = encodings.stream_decoder(coding, largest)
    except ProxyError:
        return None

    def readable(piece: bytes) -> bytes:
        try:
            return decode(piece) if decode else piece
        except ProxyError:
            return b""

    return readable if decode else None


def decoded(answer: Answer, coding: str, largest: int) -> Answer:
    """An answer without a coding that it was not asked for. Raises TooLarge, ValueError."""
    if len(encodings.codings(coding)) > MOST_CODINGS:
        raise ValueError("its answer has too many content codings")
    try:
        return Answer(answer.status, answer.headers, encodings.decode(answer.body, coding, largest))
    except ProxyError:
        raise ValueError(f"its answer can't be decoded (Content-Encoding: {coding[:40]!r})") from None
