"""Requests of our own to the world: whole answers, the system's proxies and trust store, no redirects."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

# They would log each request, and at the level debug the cookies that come with the answer.
for chatty in ("httpx2", "httpcore2"):
    logging.getLogger(chatty).setLevel(logging.WARNING)

# A connection that takes longer than this is as good as none; in seconds.
CONNECT_TIMEOUT = 20.0


@dataclass(frozen=True)
class Answer:
    """An answer that came whole: status, header lines in order, decoded body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: str) -> str:
        return next((v.decode("latin-1") for k, v in self.headers if k.decode("latin-1").lower() == name), "")


class TooLarge(httpx2.HTTPError):
    pass


def why(error: BaseException) -> str:
    """What a failed request failed of, in the words of what caused it; httpx2's own are "All connection attempts failed"."""
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
    silence: float,
    limit: float = float("inf"),
) -> Answer:
    """One request; `silence` is how long the answer may pause, in seconds, `limit` how long it may be, in bytes. Raises
    httpx2.HTTPError."""
    timeout = httpx2.Timeout(silence, connect=CONNECT_TIMEOUT)
    # Reading the trust store takes tens of milliseconds, which would be everybody's.
    client = await asyncio.to_thread(httpx2.AsyncClient, timeout=timeout, trust_env=True)
    async with client, client.stream(method, url, headers=list(headers), content=content) as response:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > limit:
                raise TooLarge(f"the answer is larger than {limit:,.0f} bytes")
        # Freeing it with the trust store takes a millisecond, in which a token that just came could be lost: that can wait.
        asyncio.get_running_loop().call_later(1, id, client)
        return Answer(response.status_code, list(response.headers.raw), bytes(body))
